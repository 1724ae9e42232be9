//! `bootstrap.json`: what Envoy needs to find the rest. Only what never changes while it runs is in here.

use serde_json::{Value, json};

use crate::{
    Admin, Gateway,
    json::{address, extension, path},
    sds, telemetry,
};

/// Connections of callers at once; beyond it new ones are closed. Envoy warns when there is no limit.
const MAX_DOWNSTREAM: u32 = 100_000;

/// What Envoy's runtime has to say, wherever the gateway runs. In a mesh it is part of the pods' configuration
/// (`runtimeValues`).
///
/// The answer to a replay is held whole. What is larger than the plugin takes fails in Envoy, not much later.
#[must_use]
pub fn runtime() -> Value {
    json!({ "http.async_response_buffer_limit": MAX_HELD_ANSWER })
}

/// Bytes of an answer to one of the plugin's own calls: twice what it takes of a replay.
const MAX_HELD_ANSWER: u32 = 8 * 1024 * 1024;

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
        "stats_config": telemetry::stats(),
        "static_resources": { "clusters": clusters },
        // Tunnels to proxies are listeners within Envoy.
        "bootstrap_extensions": [extension(
            "envoy.bootstrap.internal_listener",
            "envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
            json!({}),
        )],
        "layered_runtime": { "layers": [{ "name": "fairlead", "static_layer": runtime() }] },
        "overload_manager": { "resource_monitors": [extension(
            "envoy.resource_monitors.global_downstream_max_connections",
            "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            json!({ "max_active_downstream_connections": MAX_DOWNSTREAM }),
        )] },
    })
}
