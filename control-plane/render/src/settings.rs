//! What a gateway is told wherever it runs: limits, times, names and addresses.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use fairlead_wire::config::PluginConfig;
use ipnet::IpNet;

/// What embedded gateways and those of a mesh have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The plugin's configuration. `hosts` and the waits are taken as they are; `listeners` and what follows from them
    /// are set by the renderer, one entry a listener where that spares the plugin a property (wire: `PluginConfig`).
    pub plugin: PluginConfig,
    /// Path of the bundle of trusted CAs (PEM) where Envoy runs.
    pub system_ca: PathBuf,
    /// How targets' names are resolved.
    pub resolver: Resolver,
    /// Guard: networks that are allowed although they are loopback, link-local and the like (design decision 13).
    pub allow: Vec<IpNet>,
    /// Guard: exact addresses that are refused whatever `allow` says: the API server, our own (decision 26).
    pub never: Vec<SocketAddr>,
    /// Without progress for this long a stream ends, where its route says no other time (decision 21).
    pub idle: Duration,
    /// Until a connection to a target is usable, TLS included.
    pub connect_timeout: Duration,
    /// Until a caller's request headers are complete.
    pub request_headers_timeout: Duration,
    /// How long a caller's connection is kept between two requests (AG §13).
    pub keep_alive: Duration,
    /// Where a line per request goes, e.g. `/dev/stdout`; absent: nowhere. Paths are written without query, headers not
    /// at all. In a mesh it takes the place of the mesh's own log, which writes the query.
    pub access_log: Option<PathBuf>,
    /// Where spans go: an OTLP collector that speaks HTTP; absent: nowhere. Embedded gateways only.
    pub traces: Option<SocketAddr>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            plugin: PluginConfig::default(),
            system_ca: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            resolver: Resolver::default(),
            allow: Vec::new(),
            never: Vec::new(),
            idle: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(10),
            request_headers_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(10),
            access_log: None,
            traces: None,
        }
    }
}

/// How targets' names are resolved.
#[derive(Clone, Debug, Default)]
pub enum Resolver {
    /// As the machine does (`getaddrinfo`: hosts file, search domains, …).
    #[default]
    System,
    /// By these DNS servers alone.
    Servers(Vec<SocketAddr>),
}
