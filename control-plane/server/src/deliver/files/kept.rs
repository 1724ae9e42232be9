//! Transport profiles over a restart: gateways still have records that name the profiles of the process before, so
//! these stay in Envoy's files for their grace as well. CA certificates are in the file, nothing secret: what Envoy shows
//! to targets lies in files of its own ([`clients`](super::clients)).

use std::path::{Path, PathBuf};

use fairlead_render::Profile;

use super::clients;
use crate::files::{self, FileError};

fn path(directory: &Path) -> PathBuf {
    directory.join("profiles.json")
}

/// What the process before wrote; nothing, if it cannot be read. A profile whose certificate has gone is not among them.
pub(super) fn read(directory: &Path) -> Vec<Profile> {
    let text = files::read_optional(&path(directory)).ok().flatten().unwrap_or_default();
    let mut kept: Vec<Profile> = serde_json::from_str(&text).unwrap_or_default();
    kept.retain(|profile| profile.client.iter().all(|client| clients::has(directory, client)));
    kept
}

/// Writes what is in Envoy's files.
pub(super) fn write<'a>(
    directory: &Path,
    profiles: impl Iterator<Item = &'a Profile>,
) -> Result<(), FileError> {
    let kept: Vec<&Profile> = profiles.collect();
    let text = serde_json::to_vec(&kept).unwrap_or_default();
    files::replace(&path(directory), &text, 0o600)?;
    Ok(())
}
