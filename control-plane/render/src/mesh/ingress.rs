//! The ingress gateway: one mTLS port. Whoever completes the handshake has a certificate of one of the accepted CAs; which
//! Application it is, and whether it may, is the plugin's matter (CV §3–6). Logs and traces are the mesh's: no credential
//! is added to what comes this way.

use std::{collections::BTreeMap, time::Duration};

use fairlead_wire::{
    config::{INGRESS, IdentitySource, Mode, PluginConfig},
    header::APPLICATION,
};
use serde_json::{Value, json};

use super::{
    MeshGateway, Module, control,
    egress::closing,
    envoy_filter::{Scope, cluster, connections, envoy_filter, no_virtual_hosts, virtual_host},
    object::{NETWORKING, object},
    plugin,
};
use crate::{Profile, cluster::parts, route, upstream::Upstream};

/// Name of its objects.
const NAME: &str = "fairlead-ingress";
/// Name of its one port.
const PORT_NAME: &str = "https";

/// The ingress gateway.
#[derive(Clone, Debug)]
pub struct MeshIngress {
    /// What both have; `plugin.hosts` are the names that it serves.
    pub gateway: MeshGateway,
    /// Port of the mTLS listener, at the pods.
    pub port: u16,
    /// Secret in the gateway's namespace with the pair that external systems see; `NAME-cacert` beside it has the CAs of
    /// client certificates (decision 8).
    pub credential: String,
}

impl MeshIngress {
    /// Its `WasmPlugin` ([`plugin`]).
    ///
    /// The identity is the connection's own: in the header, whose fields the mesh chooses, alternative names stand as
    /// they are, and one with a comma in it would look like another element.
    #[must_use]
    pub fn plugin(&self, module: &Module) -> Value {
        let config = PluginConfig {
            listeners: BTreeMap::from([(self.port, Mode::Route)]),
            identity: IdentitySource::Connection,
            ..self.gateway.settings.plugin.clone()
        };
        plugin(&self.gateway, INGRESS, NAME, &config, module)
    }

    fn hosts(&self) -> Vec<&str> {
        self.gateway.settings.plugin.hosts.iter().map(String::as_str).collect()
    }
}

/// The fixed objects, in the order to apply. They concern one host alone, so that the gateway may be other teams', too.
#[must_use]
pub fn ingress(ingress: &MeshIngress) -> Vec<Value> {
    let gateway = &ingress.gateway;
    vec![filter(ingress), closing(gateway, NAME, &ingress.hosts()), listener(ingress)]
}

fn filter(ingress: &MeshIngress) -> Value {
    let gateway = &ingress.gateway;
    // Events have no time-out but idle (CV §6).
    let routes = route::to_sinks(Duration::ZERO, gateway.settings.idle);
    let upstream = Upstream::mesh(gateway);
    let mut patches = vec![cluster(control::control(gateway))];
    patches.extend(parts(&upstream, &Profile::plain()).clusters.into_iter().map(cluster));
    for host in ingress.hosts() {
        patches.extend(connections(gateway, &upstream, Scope::ServerName(host), &[APPLICATION]));
    }
    // A TLS server's routes are known by its `Gateway`; the Service's port, usually 443, does not matter.
    let matching = json!({ "portName": PORT_NAME, "gateway": format!("{}/{NAME}", gateway.namespace) });
    patches.push(no_virtual_hosts(&matching));
    patches.push(virtual_host(&matching, "ingress", &routes));
    envoy_filter(gateway, NAME, &patches)
}

fn listener(ingress: &MeshIngress) -> Value {
    let hosts: Vec<String> = ingress.hosts().into_iter().map(|host| format!("./{host}")).collect();
    let spec = json!({
        "selector": ingress.gateway.selector,
        "servers": [{
            "port": { "number": ingress.port, "name": PORT_NAME, "protocol": "HTTPS" },
            "hosts": hosts,
            "tls": {
                "mode": "MUTUAL",
                "credentialName": ingress.credential,
                "minProtocolVersion": "TLSV1_2",
            },
        }],
    });
    object(NETWORKING, "Gateway", &ingress.gateway, NAME, &spec)
}
