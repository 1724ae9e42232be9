//! A pod that asks Istio to inject a gateway.

use fairlead_testkit::{
    Result,
    mesh::{Gateway, Mesh},
};

use super::template::Template;

/// Where a pod says how its proxy is to be.
const PROXY_CONFIG: &str = "proxy.istio.io/config";

pub(super) fn start(mesh: &Mesh, template: &Template, name: &str) -> Result<Gateway> {
    let (namespace, account, labels) = (&template.namespace, template.service_account(), template.labels());
    mesh.gateway_with_workers(namespace, account, name, &labels, workers(template))
}

fn workers(template: &Template) -> u32 {
    let lines = template.annotation(PROXY_CONFIG).unwrap_or_default().lines();
    let number =
        lines.filter_map(|line| line.strip_prefix("concurrency:")).find_map(|n| n.trim().parse().ok());
    number.unwrap_or(2)
}
