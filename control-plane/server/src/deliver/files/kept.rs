//! Transport profiles over a restart: gateways still have records that name the profiles of the process before, so
//! these stay in Envoy's files for their grace as well. CA certificates are in the file, nothing secret.

use std::path::{Path, PathBuf};

use fairlead_render::{Profile, Trust};
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};

#[derive(Serialize, Deserialize)]
struct Kept {
    id: String,
    trust: KeptTrust,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum KeptTrust {
    Plain,
    System,
    Private { ca_pem: String },
    Unverified,
}

fn path(directory: &Path) -> PathBuf {
    directory.join("profiles.json")
}

/// What the process before wrote; nothing, if it cannot be read.
pub(super) fn read(directory: &Path) -> Vec<Profile> {
    let text = files::read_optional(&path(directory)).ok().flatten().unwrap_or_default();
    let kept: Vec<Kept> = serde_json::from_str(&text).unwrap_or_default();
    let profile = |kept: Kept| Profile {
        id: kept.id,
        trust: match kept.trust {
            KeptTrust::Plain => Trust::Plain,
            KeptTrust::System => Trust::System,
            KeptTrust::Private { ca_pem } => Trust::Private { ca_pem },
            KeptTrust::Unverified => Trust::Unverified,
        },
    };
    kept.into_iter().map(profile).collect()
}

/// Writes what is in Envoy's files.
pub(super) fn write<'a>(
    directory: &Path,
    profiles: impl Iterator<Item = &'a Profile>,
) -> Result<(), FileError> {
    let kept: Vec<Kept> = profiles
        .map(|profile| Kept {
            id: profile.id.clone(),
            trust: match &profile.trust {
                Trust::Plain => KeptTrust::Plain,
                Trust::System => KeptTrust::System,
                Trust::Private { ca_pem } => KeptTrust::Private { ca_pem: ca_pem.clone() },
                Trust::Unverified => KeptTrust::Unverified,
            },
        })
        .collect();
    let text = serde_json::to_vec(&kept).unwrap_or_default();
    files::replace(&path(directory), &text, 0o600)?;
    Ok(())
}
