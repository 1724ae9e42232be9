//! The egress gateway: two ports to targets, and the health port.

use std::collections::BTreeMap;

use fairlead_wire::config::{EGRESS, Mode};
use serde_json::{Map, Value, json};

use crate::{
    EgressGateway, Files, Profile, cluster, files, filter, health, listener::Listener, route, telemetry,
    tunnel, upstream::Upstream,
};

/// All files of an egress gateway. `profiles`, without the plain one, become `xds/cds.json`, and those behind a proxy a
/// part of `xds/lds.json`; nothing else depends on them.
#[must_use]
pub fn egress<'a>(gateway: &EgressGateway, profiles: impl IntoIterator<Item = &'a Profile>) -> Files {
    let common = &gateway.gateway;
    let upstream = Upstream::embedded(common).replaying();
    let tunnels = tunnel::fixed(&upstream);
    let mut listeners = vec![
        targets(gateway, "egress_manual", gateway.manual_port, Mode::Manual),
        targets(gateway, "egress_ucl", gateway.ucl_port, Mode::Ucl),
        health::listener(gateway),
    ];
    listeners.extend(tunnels.listeners);
    let mut fixed = cluster::parts(&upstream, &Profile::plain()).clusters;
    fixed.extend(tunnels.clusters);
    fixed.push(cluster::control(common));
    fixed.push(cluster::plain(cluster::HEALTH_CLUSTER, gateway.control_health));
    fixed.extend(telemetry::cluster(common));
    files::common(common, &upstream, &fixed, &listeners, profiles)
}

fn targets(gateway: &EgressGateway, name: &str, port: u16, mode: Mode) -> Value {
    let common = &gateway.gateway;
    let mut plugin = common.settings.plugin.clone();
    plugin.listeners = BTreeMap::from([(port, mode)]);
    let routes = route::to_targets(gateway.headers_timeout, common.settings.idle);
    Listener {
        name,
        port,
        codec: "AUTO",
        strip: &[],
        filters: filter::chain(common, EGRESS, &plugin),
        routes: route::configuration(name, &routes),
        more: Map::new(),
        tls: None,
        server_name: None,
    }
    .render(common)
}

/// For the health listener: no plugin, no targets.
pub(crate) fn router_only() -> Value {
    json!([filter::router()])
}
