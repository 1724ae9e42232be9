//! Writing files that others watch: complete under another name first, then moved into place.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// A file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {path}: {source}", path = path.display())]
pub struct FileError {
    /// `write`, `read`, `remove` or `make`.
    pub verb: &'static str,
    /// Which file.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { verb, path, source }
}

/// Makes a directory, and what is above it, for its owner only.
///
/// # Errors
/// [`FileError`].
pub fn make_private(directory: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed("make", directory))
}

/// Replaces `path` by rename within its directory, if its content differs; says whether it did. `mode` as in `chmod`.
///
/// # Errors
/// [`FileError`]; the old content stays then.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<bool, FileError> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.new"));
    // A left-over of a crash may have another mode.
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .map_err(failed("write", &new))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(failed("write", &new))?;
    fs::rename(&new, path).map_err(failed("write", path))?;
    Ok(true)
}

/// Removes a file, or finds it gone.
///
/// # Errors
/// [`FileError`].
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Reads a text that may be absent.
///
/// # Errors
/// [`FileError`] for everything but absence.
pub fn read_optional(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}
