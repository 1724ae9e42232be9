//! What holds for all Applications; the server fills it in from its configuration.

use fairlead_resources::Sink;
use ipnet::IpNet;

use crate::Proxy;

/// Host names of the API server inside a cluster: never targets (decision 26).
pub const BUILT_IN_REFUSED: &[&str] =
    &["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

/// What holds for all Applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Namespaces in which Secrets are looked for; the first that has one wins (decision 1). Others are ignored.
    pub secret_namespaces: Vec<String>,
    /// Where events go, unless an Application says otherwise; none: nowhere (404).
    pub sink: Option<Sink>,
    /// Targets and token endpoints that are refused: `host` (any port) or `host:port`, beside [`BUILT_IN_REFUSED`]. Our
    /// own control plane and the API server belong here (decision 26).
    pub refused_authorities: Vec<String>,
    /// Addresses that gateways and broker refuse after name resolution. Looked at here only where a proxy resolves names, and
    /// for proxies that Applications name.
    pub refused_networks: Vec<IpNet>,
    /// Exceptions from `refused_networks`.
    pub allowed_networks: Vec<IpNet>,
    /// The proxy in front of targets and endpoints, unless an Application says otherwise.
    pub proxy: Option<Proxy>,
    /// Whether calls are sent again after the target rejected a grant, unless an Application says otherwise (decision 22).
    pub replay: bool,
}

impl Default for Installation {
    fn default() -> Self {
        Self {
            secret_namespaces: vec!["kyma-system".to_owned(), "kyma-integration".to_owned()],
            sink: None,
            refused_authorities: Vec::new(),
            refused_networks: Vec::new(),
            allowed_networks: Vec::new(),
            proxy: None,
            replay: true,
        }
    }
}
