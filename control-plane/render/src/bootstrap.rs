//! `bootstrap.json`: what Envoy needs to find the rest. Only what never changes while it runs is in here.

use serde_json::{Value, json};

use crate::{
    Admin, Gateway,
    json::{address, extension, path},
    sds,
};

/// Connections of callers at once; beyond it new ones are closed. Envoy warns when there is no limit.
const MAX_DOWNSTREAM: u32 = 100_000;

/// The bootstrap with these static clusters.
#[must_use]
pub fn bootstrap(gateway: &Gateway, clusters: &[Value]) -> Value {
    let admin = match &gateway.admin {
        // Whoever can stop the process and read the configuration: the owner alone.
        Admin::Socket(socket) => json!({ "pipe": { "path": path(socket), "mode": 0o600 } }),
        Admin::Address(at) => address(*at),
    };
    json!({
        "node": { "id": gateway.node, "cluster": gateway.node },
        "admin": { "address": admin },
        "dynamic_resources": {
            "cds_config": sds::source(&gateway.directory.join("xds/cds.json")),
            "lds_config": sds::source(&gateway.directory.join("xds/lds.json")),
        },
        "static_resources": { "clusters": clusters },
        "overload_manager": { "resource_monitors": [extension(
            "envoy.resource_monitors.global_downstream_max_connections",
            "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            json!({ "max_active_downstream_connections": MAX_DOWNSTREAM }),
        )] },
    })
}
