//! The listener for gateways: TLS 1.2 or newer, client certificates, one exact SPIFFE id per view (design decision 8).
//!
//! A client without a certificate of a trusted CA fails in the handshake, as does one that asks for another server
//! name. One that has a certificate but another identity gets 403 from the routes (see [`Peer`]).

mod accept;
mod names;

use std::sync::Arc;

use fairlead_pki::spiffe;
use fairlead_wire::feed::View;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use x509_parser::{extensions::GeneralName, prelude::FromDer};

pub use accept::{Listener, serve};
pub use names::OwnName;

/// Who is at the other end, by its certificate's only URI name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The gateway of this view.
    Gateway(View),
    /// A valid certificate, but of nobody who has business here.
    Other,
}

/// The SPIFFE ids that count (decision 32).
#[derive(Clone, Debug)]
pub struct Identities {
    egress: String,
    ingress: String,
}

impl Identities {
    /// Those of the gateways in `trust_domain`.
    #[must_use]
    pub fn new(trust_domain: &str) -> Self {
        Self { egress: id(trust_domain, View::Egress), ingress: id(trust_domain, View::Ingress) }
    }

    /// Who shows this certificate (DER). SPIFFE certificates have exactly one URI name; anything else is nobody.
    #[must_use]
    pub fn peer(&self, certificate: &[u8]) -> Peer {
        let Ok((_, certificate)) = x509_parser::certificate::X509Certificate::from_der(certificate) else {
            return Peer::Other;
        };
        let Ok(Some(names)) = certificate.subject_alternative_name() else { return Peer::Other };
        let mut uris = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        match (uris.next(), uris.next()) {
            (Some(uri), None) if uri == self.egress => Peer::Gateway(View::Egress),
            (Some(uri), None) if uri == self.ingress => Peer::Gateway(View::Ingress),
            _ => Peer::Other,
        }
    }
}

/// The SPIFFE id of a view's gateway: namespace and service account are both `fairlead-{view}` (decision 32).
#[must_use]
pub fn id(trust_domain: &str, view: View) -> String {
    let account = format!("fairlead-{}", view.as_str());
    spiffe(trust_domain, &account, &account)
}

/// Why the listener cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A CA or a pair is not readable.
    #[error("{what} is not usable for TLS: {reason}")]
    Material {
        /// Which one.
        what: &'static str,
        /// What the parser says.
        reason: String,
    },
}

/// TLS for the listener: own certificate by `name`, clients by `client_cas` (PEM, one or more certificates each).
///
/// # Errors
/// [`TlsError::Material`] when a CA is not a certificate.
pub fn config(name: Arc<OwnName>, client_cas: &[&str]) -> Result<ServerConfig, TlsError> {
    let bad = |reason: String| TlsError::Material { what: "the gateways' CA", reason };
    let mut roots = RootCertStore::empty();
    for pem in client_cas {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|e| bad(e.to_string()))?;
            roots.add(certificate).map_err(|e| bad(e.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|e| bad(e.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad(e.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(name);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
