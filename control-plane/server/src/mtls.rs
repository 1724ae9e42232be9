//! The listener for gateways and other replicas: TLS 1.2 or newer, client certificates, one exact SPIFFE id per view
//! (design decision 8).
//!
//! A client without a certificate of a trusted CA fails in the handshake, as does one that asks for another server
//! name. One that has a certificate but another identity gets 403 from the routes (see [`Peer`]). Certificates and CAs
//! change while it serves: new connections meet the new ones, old ones go on ([`Tls`], [`follow`]).

mod accept;
mod follow;
mod names;

use std::sync::Arc;

use fairlead_pki::spiffe;
use fairlead_wire::feed::View;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use crate::config::{Config, KubernetesConfig};

pub use accept::{Listener, Remote, serve};
pub use follow::follow;
pub use names::OwnName;

/// Who is at the other end, by its certificate's only URI name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The gateway of this view.
    Gateway(View),
    /// Another replica of the control plane, by a certificate of Fairlead's own CA.
    Replica,
    /// A valid certificate, but of nobody who has business here.
    Other,
}

/// The SPIFFE ids that count (decision 32). An empty one is nobody's.
#[derive(Clone, Debug, Default)]
pub struct Identities {
    egress: String,
    ingress: String,
    replica: String,
}

impl Identities {
    /// Those of the embedded gateways in `trust_domain`; there are no other replicas.
    #[must_use]
    pub fn new(trust_domain: &str) -> Self {
        let (egress, ingress) = (id(trust_domain, View::Egress), id(trust_domain, View::Ingress));
        Self { egress, ingress, replica: String::new() }
    }

    /// Those of a mesh's gateways, and of replicas, by their service accounts.
    #[must_use]
    pub fn of_mesh(config: &Config, kubernetes: &KubernetesConfig) -> Self {
        let id = |namespace: &str, account: &str| spiffe(&config.trust_domain, namespace, account);
        let (egress, ingress) = (kubernetes.egress.as_ref(), kubernetes.ingress.as_ref());
        Self {
            egress: egress.map(|egress| id(&egress.namespace, &egress.service_account)).unwrap_or_default(),
            ingress: ingress
                .map(|ingress| id(&ingress.namespace, &ingress.service_account))
                .unwrap_or_default(),
            replica: id(&kubernetes.namespace, &kubernetes.service_account),
        }
    }

    /// Who shows this certificate (DER), which was verified. SPIFFE certificates have exactly one URI name; anything else is
    /// nobody. A replica's must be signed by one of `own`, Fairlead's CAs: Istio's word is not enough for it.
    #[must_use]
    pub fn peer(&self, certificate: &[u8], own: &[CertificateDer<'_>]) -> Peer {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Peer::Other };
        let Ok(Some(names)) = certificate.subject_alternative_name() else { return Peer::Other };
        let mut uris = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) if !uri.is_empty() => Some(*uri),
            _ => None,
        });
        match (uris.next(), uris.next()) {
            (Some(uri), None) if uri == self.egress => Peer::Gateway(View::Egress),
            (Some(uri), None) if uri == self.ingress => Peer::Gateway(View::Ingress),
            (Some(uri), None) if uri == self.replica && signed(&certificate, own) => Peer::Replica,
            _ => Peer::Other,
        }
    }
}

fn signed(certificate: &X509Certificate<'_>, by: &[CertificateDer<'_>]) -> bool {
    by.iter().any(|authority| {
        X509Certificate::from_der(authority)
            .is_ok_and(|(_, authority)| certificate.verify_signature(Some(authority.public_key())).is_ok())
    })
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

/// What new connections of the listener meet.
pub struct Tls {
    config: Arc<ServerConfig>,
    /// Fairlead's own CAs.
    own: Vec<CertificateDer<'static>>,
}

impl Tls {
    /// Own certificate by `name`; clients by `own_cas`, Fairlead's, and by `mesh_roots`, Istio's (PEM, any number each).
    ///
    /// # Errors
    /// [`TlsError::Material`] when a CA is not a certificate, or there is none.
    pub fn new(name: Arc<OwnName>, own_cas: &str, mesh_roots: &str) -> Result<Self, TlsError> {
        let bad = |reason: String| TlsError::Material { what: "the gateways' CA", reason };
        let own = certificates(own_cas).map_err(bad)?;
        let mesh = certificates(mesh_roots).map_err(bad)?;
        if mesh.is_empty() && !mesh_roots.trim().is_empty() {
            return Err(TlsError::Material {
                what: "Istio's root",
                reason: "it holds no certificate".to_owned(),
            });
        }
        let mut roots = RootCertStore::empty();
        for certificate in own.iter().cloned().chain(mesh) {
            roots.add(certificate).map_err(|e| bad(e.to_string()))?;
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
        Ok(Self { config: Arc::new(config), own })
    }
}

/// The certificates of a PEM text.
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|e| e.to_string())
}
