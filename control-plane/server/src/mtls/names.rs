//! The control plane's own certificate, given for its own server name only, replaceable while it serves.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::TlsError;

/// The certificate for one server name.
#[derive(Debug)]
pub struct OwnName {
    name: String,
    key: RwLock<Arc<CertifiedKey>>,
}

impl OwnName {
    /// Takes a certificate chain and its key, PEM.
    ///
    /// # Errors
    /// [`TlsError::Material`] when they are unreadable.
    pub fn new(name: &str, certificate_pem: &str, key_pem: &str) -> Result<Self, TlsError> {
        let key = certified(certificate_pem, key_pem)?;
        Ok(Self { name: name.to_ascii_lowercase(), key: RwLock::new(Arc::new(key)) })
    }

    /// Gives new connections another certificate.
    ///
    /// # Errors
    /// As [`new`](Self::new); the old one stays then.
    pub fn replace(&self, certificate_pem: &str, key_pem: &str) -> Result<(), TlsError> {
        let key = Arc::new(certified(certificate_pem, key_pem)?);
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }
}

impl ResolvesServerCert for OwnName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let ours = hello.server_name().is_some_and(|asked| asked.eq_ignore_ascii_case(&self.name));
        ours.then(|| self.key.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn certified(certificate_pem: &str, key_pem: &str) -> Result<CertifiedKey, TlsError> {
    let bad = |reason: String| TlsError::Material { what: "the control plane's certificate", reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| bad(e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|e| bad(e.to_string()))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|e| bad(e.to_string()))
}
