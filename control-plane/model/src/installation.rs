//! What holds for all Applications; the server fills it in from its configuration.

use fairlead_resources::Sink;

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
}

impl Default for Installation {
    fn default() -> Self {
        Self {
            secret_namespaces: vec!["kyma-system".to_owned(), "kyma-integration".to_owned()],
            sink: None,
            refused_authorities: Vec::new(),
        }
    }
}
