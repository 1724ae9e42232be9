//! The egress gateway: two ports to targets, and the health port (AG §17).

use std::{collections::BTreeMap, time::Duration};

use fairlead_wire::config::{EGRESS, Mode, PluginConfig};
use serde_json::{Value, json};

use super::{
    MeshGateway, Module, control,
    envoy_filter::{Scope, cluster, connections, envoy_filter, listener, nothing_else, virtual_host},
    object::{NETWORKING, object, telemetry},
    plugin,
};
use crate::{Profile, cluster::parts, health, route, tunnel, upstream::Upstream};

/// Name of its objects.
const NAME: &str = "fairlead-egress";

/// The egress gateway.
#[derive(Clone, Debug)]
pub struct MeshEgress {
    /// What both have.
    pub gateway: MeshGateway,
    /// Port of `/{app}/{service}/…` (AG §3), at the Service and at its pods.
    pub manual_port: u16,
    /// Port of `/{app}/{service}/{entry}/…` (AG §3).
    pub ucl_port: u16,
    /// Port of AG §17.
    pub health_port: u16,
    /// Until response headers, counted from the complete request; zero: no limit (decision 21).
    pub headers_timeout: Duration,
}

impl MeshEgress {
    /// With the contract's ports.
    #[must_use]
    pub fn new(gateway: MeshGateway) -> Self {
        Self {
            gateway,
            manual_port: 8080,
            ucl_port: 8082,
            health_port: 8081,
            headers_timeout: Duration::from_secs(10),
        }
    }

    /// Its `WasmPlugin` ([`plugin`]).
    #[must_use]
    pub fn plugin(&self, module: &Module) -> Value {
        plugin(&self.gateway, EGRESS, NAME, &self.plugin_config(), module)
    }

    fn plugin_config(&self) -> PluginConfig {
        let listeners = BTreeMap::from([(self.manual_port, Mode::Manual), (self.ucl_port, Mode::Ucl)]);
        PluginConfig { listeners, ..self.gateway.settings.plugin.clone() }
    }

    fn ports(&self) -> [(u16, &'static str); 3] {
        [(self.manual_port, "manual"), (self.ucl_port, "ucl"), (self.health_port, "health")]
    }
}

/// The fixed objects, in the order to apply: without the `Gateway` nothing listens, so it is last.
#[must_use]
pub fn egress(egress: &MeshEgress) -> Vec<Value> {
    let gateway = &egress.gateway;
    vec![telemetry(gateway, NAME), filter(egress), closing(gateway, NAME, &["*"]), listeners(egress)]
}

fn filter(egress: &MeshEgress) -> Value {
    let gateway = &egress.gateway;
    let routes = route::to_targets(egress.headers_timeout, gateway.settings.idle);
    let upstream = Upstream::mesh(gateway).replaying();
    let mut patches = vec![cluster(control::control(gateway)), cluster(control::health(gateway))];
    patches.extend(parts(&upstream, &Profile::plain()).clusters.into_iter().map(cluster));
    let tunnels = tunnel::fixed(&upstream);
    patches.extend(tunnels.clusters.into_iter().map(cluster));
    patches.extend(tunnels.listeners.into_iter().map(listener));
    patches.extend(connections(gateway, &upstream, Scope::Everything, &[]));
    patches.extend(nothing_else());
    for (port, name, routes) in [
        (egress.manual_port, "egress_manual", routes.as_slice()),
        (egress.ucl_port, "egress_ucl", routes.as_slice()),
        (egress.health_port, "egress_health", health::routes().as_slice()),
    ] {
        // istiod takes this for a port of the Service, where the gateway has one.
        let matching = json!({ "portNumber": port });
        patches.push(virtual_host(&matching, name, routes));
    }
    envoy_filter(gateway, NAME, &patches)
}

/// `./*`: no other namespace attaches routes.
fn listeners(egress: &MeshEgress) -> Value {
    let server = |(port, name): (u16, &str)| json!({ "port": { "number": port, "name": name, "protocol": "HTTP" }, "hosts": ["./*"] });
    let servers: Vec<Value> = egress.ports().into_iter().map(server).collect();
    let spec = json!({ "selector": egress.gateway.selector, "servers": servers });
    object(NETWORKING, "Gateway", &egress.gateway, NAME, &spec)
}

/// What istiod routes by while the `EnvoyFilter` is not there: to nowhere.
pub(super) fn closing(gateway: &MeshGateway, name: &str, hosts: &[&str]) -> Value {
    let refused = route::not_routed();
    let text = |pointer: &str| refused.pointer(pointer).cloned().unwrap_or_default();
    let headers: BTreeMap<String, Value> = refused
        .get("response_headers_to_add")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|header| {
            let header = header.get("header")?;
            Some((header.get("key")?.as_str()?.to_owned(), header.get("value")?.clone()))
        })
        .collect();
    let spec = json!({
        "hosts": hosts,
        "gateways": [format!("{}/{name}", gateway.namespace)],
        "exportTo": ["."],
        "http": [{
            "name": "not-routed",
            "directResponse": {
                "status": text("/direct_response/status"),
                "body": { "string": text("/direct_response/body/inline_string") },
            },
            "headers": { "response": { "set": headers } },
        }],
    });
    object(NETWORKING, "VirtualService", gateway, name, &spec)
}
