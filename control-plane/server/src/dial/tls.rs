//! What is believed of a TLS server: the machine's CAs, a private CA, or everything (`spec.skipVerify`, AG §7).

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use fairlead_model::Trust;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrustError {
    /// The bundle of the machine cannot be read.
    #[error("the trusted CAs in {path} cannot be read: {reason}", path = path.display())]
    System {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The private CA is none.
    #[error("the private CA is not a PEM certificate")]
    Private,
    /// The library refuses.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// The machine's CAs, read at first use.
pub struct SystemRoots {
    path: PathBuf,
    read: OnceLock<Arc<RootCertStore>>,
}

impl SystemRoots {
    /// From a PEM bundle.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: OnceLock::new() }
    }

    pub(super) fn client(&self, trust: &Trust) -> Result<Arc<ClientConfig>, TrustError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        let config = match trust {
            Trust::Plain | Trust::System => builder.with_root_certificates(self.roots()?),
            Trust::Private { ca_pem } => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
                    let certificate = certificate.map_err(|_| TrustError::Private)?;
                    roots.add(certificate).map_err(|_| TrustError::Private)?;
                }
                if roots.is_empty() {
                    return Err(TrustError::Private);
                }
                builder.with_root_certificates(roots)
            }
            Trust::Unverified => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Everything(provider)))
            }
        };
        Ok(Arc::new(config.with_no_client_auth()))
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, TrustError> {
        if let Some(roots) = self.read.get() {
            return Ok(roots.clone());
        }
        let failed = |reason: String| TrustError::System { path: self.path.clone(), reason };
        let mut roots = RootCertStore::empty();
        // Bundles hold certificates that rustls does not take; the others count.
        let certificates = CertificateDer::pem_file_iter(&self.path).map_err(|e| failed(e.to_string()))?;
        roots.add_parsable_certificates(certificates.filter_map(Result::ok));
        if roots.is_empty() {
            return Err(failed("no certificate in it".to_owned()));
        }
        Ok(self.read.get_or_init(|| Arc::new(roots)).clone())
    }
}

/// Believes every certificate, still demands that the server has its key.
#[derive(Debug)]
struct Everything(Arc<CryptoProvider>);

impl ServerCertVerifier for Everything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
