//! A pod that asks Istio to inject a gateway.

use fairlead_testkit::{
    Result,
    mesh::{Gateway, Mesh},
};

use super::template::Template;

/// Where a pod says how its proxy is to be.
const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// As Istio has it where nobody asks.
const DEFAULT: &str = "concurrency: 2";

pub(super) fn start(mesh: &Mesh, template: &Template, name: &str) -> Result<Gateway> {
    let (namespace, account, labels) = (&template.namespace, template.service_account(), template.labels());
    let config = template.annotation(PROXY_CONFIG).unwrap_or(DEFAULT);
    mesh.gateway_with(namespace, account, name, &labels, config)
}
