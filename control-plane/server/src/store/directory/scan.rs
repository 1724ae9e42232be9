//! Finding and reading manifest files.

use std::{
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use super::catalog::Content;
use crate::config::StoreConfig;

/// Whether a file of this name is a manifest. Hidden ones are editors' and tools' business.
pub(super) fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'));
    let kind = path.extension().and_then(|kind| kind.to_str());
    !hidden && matches!(kind, Some("yaml" | "yml" | "json"))
}

/// All manifests in and below `path`, or `path` itself. The number says how many were left out by the bounds.
pub(super) fn find(path: &Path, limits: &StoreConfig) -> (BTreeSet<PathBuf>, usize) {
    let mut found = BTreeSet::new();
    let mut left_out = 0;
    let mut open = vec![(path.to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        let Ok(entry) = fs::metadata(&path) else { continue };
        if entry.is_file() && is_manifest(&path) {
            if found.len() < usize::try_from(limits.max_files).unwrap_or(usize::MAX) {
                found.insert(path);
            } else {
                left_out += 1;
            }
        } else if entry.is_dir() && depth > limits.max_depth {
            left_out += 1;
        } else if entry.is_dir() {
            let Ok(entries) = fs::read_dir(&path) else { continue };
            let visible = |path: &PathBuf| {
                path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
            };
            open.extend(
                entries.flatten().map(|entry| entry.path()).filter(visible).map(|path| (path, depth + 1)),
            );
        }
    }
    (found, left_out)
}

/// What reading a file gave.
pub(super) enum Read {
    Content(Content),
    /// It is not there.
    Gone,
    /// It changed while it was read: its next event will tell.
    Moving,
    /// It is there, but cannot be used.
    Failed(String),
}

/// Reads a file, at most `max` bytes.
pub(super) fn read(path: &Path, max: u64) -> Read {
    match read_once(path, max) {
        Ok(read) => read,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => Read::Gone,
        Err(error) => Read::Failed(format!("cannot be read: {error}")),
    }
}

fn read_once(path: &Path, max: u64) -> std::io::Result<Read> {
    let before = fs::metadata(path)?;
    if !before.is_file() {
        return Ok(Read::Gone);
    }
    if before.len() > max {
        return Ok(Read::Failed(format!("is larger than {max} bytes (store.maxFileBytes)")));
    }
    let bytes = fs::read(path)?;
    let after = fs::metadata(path)?;
    let same = before.modified()? == after.modified()? && before.len() == after.len();
    if !same || u64::try_from(bytes.len()).ok() != Some(after.len()) {
        return Ok(Read::Moving);
    }
    let modified = after.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Read::Content(Content { text, modified }),
        Err(_) => Read::Failed("is not UTF-8 text".to_owned()),
    })
}
