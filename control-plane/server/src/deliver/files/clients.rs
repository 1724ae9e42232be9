//! Client certificates as files that Envoy reads by SDS (AG §8.5): one a certificate, for the owner only, there as long as
//! a profile names it. Nothing else of the control plane's writes a target's key to disk.

use std::{collections::BTreeSet, fs, path::Path};

use fairlead_model::ClientPair;
use fairlead_render::sds;
use secrecy::ExposeSecret as _;

use crate::files::{self, FileError};

/// Whether the file of this certificate is there.
pub(super) fn has(directory: &Path, fingerprint: &str) -> bool {
    directory.join(sds::client_file(fingerprint)).is_file()
}

/// Writes the file of a certificate.
pub(super) fn write(directory: &Path, pair: &ClientPair) -> Result<(), FileError> {
    let path = directory.join(sds::client_file(&pair.fingerprint));
    if let Some(parent) = path.parent() {
        files::make_private(parent)?;
    }
    let content = sds::client(&pair.fingerprint, &pair.certificate_pem, pair.key_pem.expose_secret());
    // A JSON value always has a text.
    files::replace(&path, &serde_json::to_vec(&content).unwrap_or_default(), 0o600)?;
    Ok(())
}

/// Removes the files of all other certificates, and what a crash left of one.
pub(super) fn keep(directory: &Path, fingerprints: &BTreeSet<&str>) -> Result<(), FileError> {
    let path = directory.join(sds::client_file(""));
    let Some(parent) = path.parent() else { return Ok(()) };
    // Where nothing was ever written there is nothing to remove.
    let Ok(entries) = fs::read_dir(parent) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let whole = name.strip_prefix('.').and_then(|name| name.strip_suffix(".new"));
        let left_over = whole.is_some_and(|name| sds::client_of(name).is_some());
        let unneeded = sds::client_of(name).is_some_and(|of| !fingerprints.contains(of));
        if left_over || unneeded {
            files::remove(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_certificates_file_is_its_owners_and_goes_when_nobody_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let pair = |fingerprint: &str| ClientPair {
            certificate_pem: "certificate".to_owned(),
            key_pem: "key".to_owned().into(),
            fingerprint: fingerprint.to_owned(),
            expires: 0,
            ending: 0,
        };
        keep(directory.path(), &BTreeSet::new()).unwrap();
        for name in ["one", "two"] {
            write(directory.path(), &pair(name)).unwrap();
        }
        let sds = directory.path().join("sds");
        fs::write(sds.join(".client-one.json.new"), "half").unwrap();
        fs::write(sds.join("client-ca.json"), "the gateway's own").unwrap();
        let mode = fs::metadata(sds.join("client-one.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(has(directory.path(), "one") && has(directory.path(), "two"));

        keep(directory.path(), &BTreeSet::from(["two"])).unwrap();
        let mut left: Vec<_> = fs::read_dir(&sds)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["client-ca.json", "client-two.json"]);
    }
}
