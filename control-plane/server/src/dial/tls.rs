//! What is believed of a TLS server: the machine's CAs, a private CA, or everything (`spec.skipVerify`, AG §7); and what
//! it is shown, if it asks (AG §8.4).

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use fairlead_model::{ClientPair, Trust};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use secrecy::ExposeSecret;

use super::DialError;

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

/// The machine's CAs, read at first use; and the configurations that nearly all calls share.
pub struct SystemRoots {
    path: PathBuf,
    read: OnceLock<Arc<RootCertStore>>,
    system: OnceLock<Arc<ClientConfig>>,
    unverified: OnceLock<Arc<ClientConfig>>,
}

impl SystemRoots {
    /// From a PEM bundle.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: OnceLock::new(), system: OnceLock::new(), unverified: OnceLock::new() }
    }

    /// For one call. What shows a client certificate is shared with no other call: a resumed session would carry its
    /// identity over.
    pub(super) fn client(
        &self,
        trust: &Trust,
        pair: Option<&ClientPair>,
    ) -> Result<Arc<ClientConfig>, DialError> {
        let common = match (trust, pair) {
            (Trust::System, None) => Some(&self.system),
            (Trust::Unverified, None) => Some(&self.unverified),
            _ => None,
        };
        if let Some(config) = common.and_then(OnceLock::get) {
            return Ok(config.clone());
        }
        let shown = pair.map(resolver).transpose().map_err(DialError::Pair)?;
        let config = self.build(trust, shown).map_err(|e| DialError::Tls(e.to_string()))?;
        let config = Arc::new(config);
        Ok(common.map_or_else(|| config.clone(), |common| common.get_or_init(|| config.clone()).clone()))
    }

    fn build(&self, trust: &Trust, shown: Option<SingleCertAndKey>) -> Result<ClientConfig, TrustError> {
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
        Ok(match shown {
            None => config.with_no_client_auth(),
            Some(shown) => config.with_client_cert_resolver(Arc::new(shown)),
        })
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

/// The model has seen that certificate and key belong together; a certificate that this library would not believe of
/// anybody else (version 1, an odd extension) is shown all the same.
fn resolver(pair: &ClientPair) -> Result<SingleCertAndKey, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pair.certificate_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| "the certificate is not PEM".to_owned())?;
    if chain.is_empty() {
        return Err("there is no certificate".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(pair.key_pem.expose_secret().as_bytes())
        .map_err(|_| "the private key is not PEM".to_owned())?;
    let key = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|_| "the private key is of a kind that is not supported".to_owned())?;
    Ok(SingleCertAndKey::from(CertifiedKey::new(chain, key)))
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
