//! The plugin's module, as gateways in a mesh get it: over plain HTTP from the control plane, by content digest (design
//! decision 18).
//!
//! Each replica puts the module that it was built with into a ConfigMap and serves whatever [`keep`] finds in such
//! ConfigMaps, so that every replica serves the modules of all. A digest goes out to gateways once all live replicas
//! say that they serve it ([`replicas`](crate::kubernetes::replicas)). The leader keeps three generations. [`serve`] is the HTTP side;
//! [`push`] notices gateways that probably failed to fetch it.

pub mod keep;
pub mod push;
pub mod serve;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use axum::body::Bytes;
use sha2::{Digest, Sha256};

/// How large a module may be, bytes: a ConfigMap's limit.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The modules that this replica serves, by digest. Clones are the same.
#[derive(Clone)]
pub struct Modules {
    own: Arc<str>,
    all: Arc<RwLock<BTreeMap<Arc<str>, Bytes>>>,
}

impl Modules {
    /// With the module that this control plane was built with.
    ///
    /// # Errors
    /// One sentence: the file is not there, or is no module that gateways could get.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes =
            std::fs::read(path).map_err(|e| format!("cannot read the module {}: {e}", path.display()))?;
        Self::new(bytes.into()).map_err(|reason| format!("{} {reason}", path.display()))
    }

    fn new(bytes: Bytes) -> Result<Self, String> {
        if !bytes.starts_with(b"\0asm") {
            return Err("is no WebAssembly module".to_owned());
        }
        if bytes.len() > MAX_BYTES {
            return Err(format!("has {} bytes; at most {MAX_BYTES} fit a ConfigMap", bytes.len()));
        }
        let own = digest(&bytes);
        let all = BTreeMap::from([(own.clone(), bytes)]);
        Ok(Self { own, all: Arc::new(RwLock::new(all)) })
    }

    /// Digest of the module that this control plane was built with: SHA-256, 64 hex digits.
    #[must_use]
    pub fn own(&self) -> Arc<str> {
        self.own.clone()
    }

    /// A module by its digest.
    #[must_use]
    pub fn get(&self, digest: &str) -> Option<Bytes> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// Digests of all that are served.
    #[must_use]
    pub fn digests(&self) -> Vec<Arc<str>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Serves these, and the own one, from now on; says whether that is different from before.
    fn replace(&self, found: BTreeMap<Arc<str>, Bytes>) -> bool {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let own = all.remove_entry(&self.own);
        let before = std::mem::replace(&mut *all, found);
        all.extend(own);
        !before.keys().chain([&self.own]).all(|digest| all.contains_key(digest))
            || all.len() > before.len() + 1
    }
}

/// SHA-256 in hex.
fn digest(bytes: &[u8]) -> Arc<str> {
    let nibble = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let hex = Sha256::digest(bytes)
        .iter()
        .flat_map(|byte| [nibble(byte >> 4), nibble(byte & 0xf)])
        .collect::<String>();
    hex.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_module_is_always_served() {
        let modules = Modules::new(Bytes::from_static(b"\0asm1")).unwrap();
        let (own, other) = (modules.own(), digest(b"\0asm2"));
        let found = |digests: &[&Arc<str>]| digests.iter().map(|d| ((*d).clone(), Bytes::new())).collect();
        assert!(modules.replace(found(&[&other])));
        assert!(!modules.replace(found(&[&other])));
        assert_eq!(modules.digests().len(), 2);
        assert!(modules.replace(BTreeMap::new()));
        assert_eq!(modules.digests(), [own]);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert!(Modules::new(Bytes::from_static(b"#!/bin/sh")).is_err());
        let large = [b"\0asm".as_slice(), &vec![0; MAX_BYTES]].concat();
        assert!(Modules::new(large.into()).err().unwrap().contains("1048580 bytes"));
    }

    #[test]
    fn a_digest_is_sha_256() {
        assert_eq!(&*digest(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
