//! What a gateway in a mesh is told.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use fairlead_wire::config::PluginConfig;
use ipnet::IpNet;

use crate::{Resolver, cluster::Upstream, listener::Times};

/// What both gateways have in common.
#[derive(Clone, Debug)]
pub struct MeshGateway {
    /// Namespace of its pods and of all objects made here.
    pub namespace: String,
    /// Labels that its pods, and nobody else's, have.
    pub selector: BTreeMap<String, String>,
    /// The plugin's configuration. `hosts` and the waits are taken as they are; `listeners` and `identity` are set by
    /// the renderer.
    pub plugin: PluginConfig,
    /// How Envoy reaches the control plane.
    pub control: MeshControl,
    /// Path of the bundle of trusted CAs (PEM) in the gateway's own container.
    pub system_ca: PathBuf,
    /// How targets' names are resolved.
    pub resolver: Resolver,
    /// Guard: networks that are allowed although they are loopback, link-local and the like (design decision 13).
    pub allow: Vec<IpNet>,
    /// Guard: exact addresses that are refused whatever `allow` says: the API server, our own Services (decision 26).
    pub never: Vec<SocketAddr>,
    /// Without progress for this long a stream ends (decision 21).
    pub idle: Duration,
    /// Until a connection to a target is usable, TLS included.
    pub connect_timeout: Duration,
    /// Until a caller's request headers are complete.
    pub request_headers_timeout: Duration,
    /// How long a caller's connection is kept between two requests (AG §13).
    pub keep_alive: Duration,
    /// Where a line per request goes, e.g. `/dev/stdout`; absent: nowhere. The mesh's own access log is switched off on
    /// these gateways: it writes the query, which may hold credentials.
    pub access_log: Option<PathBuf>,
}

impl MeshGateway {
    /// A gateway with default limits.
    #[must_use]
    pub fn new(namespace: &str, selector: BTreeMap<String, String>, control: MeshControl) -> Self {
        Self {
            namespace: namespace.to_owned(),
            selector,
            plugin: PluginConfig::default(),
            control,
            system_ca: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            resolver: Resolver::default(),
            allow: Vec::new(),
            never: Vec::new(),
            idle: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            request_headers_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(10),
            access_log: None,
        }
    }

    pub(super) fn times(&self) -> Times {
        Times { idle: self.idle, request_headers: self.request_headers_timeout, keep_alive: self.keep_alive }
    }

    pub(super) fn upstream(&self) -> Upstream<'_> {
        Upstream {
            connect_timeout: self.connect_timeout,
            dns_cache: super::dns_cache(&self.resolver),
            system_ca: &self.system_ca,
            allow: &self.allow,
            never: self.never.clone(),
        }
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
