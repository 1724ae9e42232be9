//! What a gateway in a mesh is told.

use std::collections::BTreeMap;

use crate::Settings;

/// What both gateways have in common.
#[derive(Clone, Debug)]
pub struct MeshGateway {
    /// Namespace of its pods and of all objects made here.
    pub namespace: String,
    /// Labels that its pods, and nobody else's, have.
    pub selector: BTreeMap<String, String>,
    /// How Envoy reaches the control plane.
    pub control: MeshControl,
    /// What embedded gateways are told, too.
    pub settings: Settings,
}

impl MeshGateway {
    /// A gateway with default settings.
    #[must_use]
    pub fn new(namespace: &str, selector: BTreeMap<String, String>, control: MeshControl) -> Self {
        Self { namespace: namespace.to_owned(), selector, control, settings: Settings::default() }
    }
}

/// How gateways of a mesh reach the control plane: mTLS with the gateway's own mesh certificate; the gateway pins one CA
/// and one name (design decision 8).
#[derive(Clone, Debug)]
pub struct MeshControl {
    /// DNS name, or an address.
    pub host: String,
    /// Its mTLS port.
    pub port: u16,
    /// Its plain health port, which answers `/v1/loglevel` (AG §17).
    pub health_port: u16,
    /// SNI that is sent, and DNS name that its certificate must have.
    pub server_name: String,
    /// The CAs that alone may have issued its certificate, PEM: two while one replaces the other.
    pub ca_pem: String,
}

/// The module that gateways are to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Where it is served. Has the digest in it: a changed file at one URL is not fetched again.
    pub url: String,
    /// SHA-256, 64 hex digits.
    pub sha256: String,
}
