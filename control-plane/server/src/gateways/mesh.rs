//! Gateways of a mesh, as the configuration describes them.

use std::net::SocketAddr;

use fairlead_render::mesh::{MeshControl, MeshEgress, MeshGateway, MeshIngress};

use crate::config::{Config, KubernetesConfig, MeshEgressConfig, MeshIngressConfig};

/// Name of the Secret with the pair that external systems see, in the ingress gateway's namespace. Of our own, so that it
/// is nobody else's; `-cacert` beside it has the CAs of client certificates.
pub const CREDENTIAL: &str = "fairlead-ingress-server";

/// What changes while the process runs.
pub struct Current<'a> {
    /// The CAs that gateways know the control plane by, PEM.
    pub ca: &'a str,
    /// Addresses that no target may have (decision 26).
    pub never: &'a [SocketAddr],
}

/// The egress gateway.
#[must_use]
pub fn egress(
    config: &Config,
    cluster: &KubernetesConfig,
    egress: &MeshEgressConfig,
    current: &Current<'_>,
) -> MeshEgress {
    let mut gateway =
        MeshGateway::new(&egress.namespace, egress.selector.clone(), control(config, cluster, current));
    common(&mut gateway, config, current);
    gateway.settings.plugin.hosts.clone_from(&egress.hosts);
    let mut rendered = MeshEgress::new(gateway);
    rendered.manual_port = egress.manual_port;
    rendered.ucl_port = egress.ucl_port;
    rendered.health_port = egress.health_port;
    rendered.headers_timeout = config.gateways.headers_timeout.get();
    rendered
}

/// The ingress gateway.
#[must_use]
pub fn ingress(
    config: &Config,
    cluster: &KubernetesConfig,
    ingress: &MeshIngressConfig,
    current: &Current<'_>,
) -> MeshIngress {
    let control = control(config, cluster, current);
    let mut gateway = MeshGateway::new(&ingress.namespace, ingress.selector.clone(), control);
    common(&mut gateway, config, current);
    gateway.settings.plugin.hosts = vec![host(cluster, ingress)];
    MeshIngress { gateway, port: ingress.port, credential: CREDENTIAL.to_owned() }
}

/// The ingress gateway's host name (decision 8).
#[must_use]
pub fn host(cluster: &KubernetesConfig, ingress: &MeshIngressConfig) -> String {
    ingress.host.clone().unwrap_or_else(|| format!("gateway.{}", cluster.domain))
}

fn control(config: &Config, cluster: &KubernetesConfig, current: &Current<'_>) -> MeshControl {
    MeshControl {
        host: cluster.control.host.clone(),
        port: cluster.control.port,
        health_port: config.control.health_port,
        server_name: config.control.server_name.clone(),
        ca_pem: current.ca.to_owned(),
    }
}

fn common(gateway: &mut MeshGateway, config: &Config, current: &Current<'_>) {
    gateway.settings = super::settings(config);
    // The bundle on the gateway's machine, not on ours.
    if let Some(system_ca) = &config.targets.system_ca {
        gateway.settings.system_ca.clone_from(system_ca);
    }
    gateway.settings.never = current.never.to_vec();
}
