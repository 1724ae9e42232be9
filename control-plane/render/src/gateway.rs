//! What an embedded gateway is told: addresses, files and [settings](crate::Settings). The control plane fills these in
//! from its configuration; [`egress`](crate::egress()) and [`ingress`](crate::ingress()) make Envoy's files of them.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crate::Settings;

/// What both gateways have in common.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Envoy's node id and cluster: a name for logs, e.g. `fairlead-egress`.
    pub node: String,
    /// Absolute path of the directory that the [`Files`](crate::Files) are written to. Write each by rename within
    /// its own directory: Envoy watches for the move.
    pub directory: PathBuf,
    /// Address that all listeners but the admin interface bind to.
    pub bind: IpAddr,
    /// Where Envoy's admin interface listens. It can stop the process and shows configuration: never beyond the machine.
    pub admin: Admin,
    /// Absolute path of `fairlead.wasm`. A changed module needs another path: Envoy reads it once per path and content.
    pub module: PathBuf,
    /// How Envoy reaches the control plane.
    pub control: Control,
    /// What gateways of a mesh are told, too. `system_ca` and `access_log` are absolute; the log's directory must exist,
    /// and be none that Envoy watches ([`Files`](crate::Files)). The control plane's own addresses that are named here,
    /// and the admin interface's, need not be in `never`.
    pub settings: Settings,
}

impl Gateway {
    /// A gateway with default settings, on loopback, with the admin interface on a socket in `directory`.
    #[must_use]
    pub fn new(node: &str, directory: PathBuf, module: PathBuf, control: Control) -> Self {
        Self {
            node: node.to_owned(),
            admin: Admin::Socket(directory.join("admin.sock")),
            directory,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            module,
            control,
            settings: Settings::default(),
        }
    }

    /// Our own addresses, which are no targets, also where loopback is allowed (decision 26).
    pub(crate) fn never(&self) -> Vec<SocketAddr> {
        let admin = match self.admin {
            Admin::Address(admin) => Some(admin),
            Admin::Socket(_) => None,
        };
        let all = self.settings.never.iter().copied().chain([self.control.address]).chain(admin);
        let all = all.chain(self.settings.traces);
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The egress gateway.
#[derive(Clone, Debug)]
pub struct EgressGateway {
    /// What both have.
    pub gateway: Gateway,
    /// Port of `/{app}/{service}/…` (AG §3).
    pub manual_port: u16,
    /// Port of `/{app}/{service}/{entry}/…` (AG §3).
    pub ucl_port: u16,
    /// Port of AG §17.
    pub health_port: u16,
    /// The control plane's plain health address, which answers `/v1/loglevel` (AG §17).
    pub control_health: SocketAddr,
    /// Until response headers, counted from the complete request; zero: no limit (decision 21). The plugin overrides
    /// it per route.
    pub headers_timeout: Duration,
}

impl EgressGateway {
    /// With the contract's ports.
    #[must_use]
    pub fn new(mut gateway: Gateway, control_health: SocketAddr) -> Self {
        gateway.settings.never.push(control_health);
        Self {
            gateway,
            manual_port: 8080,
            ucl_port: 8082,
            health_port: 8081,
            control_health,
            headers_timeout: Duration::from_secs(10),
        }
    }
}

/// The ingress gateway.
#[derive(Clone, Debug)]
pub struct IngressGateway {
    /// What both have.
    pub gateway: Gateway,
    /// Port of the mTLS listener.
    pub port: u16,
    /// The pair that external systems see.
    pub server: Pair,
    /// Bundle of the CAs whose client certificates are accepted (decision 8): absolute path, PEM.
    pub client_ca: PathBuf,
    /// What the plugin does here: [`Pipeline::Route`] or [`Pipeline::Identify`].
    pub pipeline: Pipeline,
}

impl IngressGateway {
    /// Routing by application.
    #[must_use]
    pub fn new(gateway: Gateway, port: u16, server: Pair, client_ca: PathBuf) -> Self {
        Self { gateway, port, server, client_ca, pipeline: Pipeline::Route }
    }
}

/// What the ingress plugin does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipeline {
    /// Identity, then the sink of the application.
    Route,
    /// Identity, then the route that is here already: everything goes to this plain HTTP address (design decision 1).
    Identify(SocketAddr),
}

/// How Envoy reaches the control plane: mTLS, the gateway pins one CA and one name (design decision 8).
#[derive(Clone, Debug)]
pub struct Control {
    /// Its mTLS port.
    pub address: SocketAddr,
    /// SNI that is sent, and DNS name that its certificate must have.
    pub server_name: String,
    /// The CA that alone may have issued its certificate: absolute path, PEM.
    pub ca: PathBuf,
    /// What the gateway shows.
    pub client: Pair,
}

/// Files of a certificate chain and its key, PEM, absolute paths. Both are read again when their directory changes.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Certificate chain, the leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Where Envoy's admin interface listens.
#[derive(Clone, Debug)]
pub enum Admin {
    /// A Unix socket at this absolute path, at most 107 bytes long.
    Socket(PathBuf),
    /// A loopback address.
    Address(SocketAddr),
}
