//! HTTP filters other than the forward proxy and the guard.

use fairlead_wire::config::PluginConfig;
use serde_json::{Value, json};

use crate::{
    Gateway,
    json::{any, extension, path},
};

/// The chain of a listener whose requests go to targets: plugin, name resolution, guard, router. The order is part of
/// the guarantee: the guard reads what name resolution saved.
#[must_use]
pub fn chain(
    gateway: &Gateway,
    root_id: &str,
    plugin: &PluginConfig,
    never: &[std::net::SocketAddr],
) -> Value {
    json!([
        wasm(gateway, root_id, plugin),
        crate::forward_proxy::filter(&gateway.resolver),
        crate::guard::filter(&gateway.allow, never),
        router(),
    ])
}

/// The plugin. `vm_id`, code and VM configuration are the same for all listeners, so that a worker has one VM for all.
#[must_use]
pub fn wasm(gateway: &Gateway, root_id: &str, plugin: &PluginConfig) -> Value {
    // The configuration has no secrets (decision 33) and no non-string keys but ports, which JSON writes as strings.
    let configuration = serde_json::to_string(plugin).unwrap_or_default();
    extension(
        "fairlead.wasm",
        "envoy.extensions.filters.http.wasm.v3.Wasm",
        json!({ "config": {
            "name": format!("fairlead-{root_id}"),
            "root_id": root_id,
            // A VM that died is replaced; what came meanwhile is refused, never let through (design decision 4).
            "failure_policy": "FAIL_RELOAD",
            "reload_config": { "backoff": { "base_interval": "0.100s", "max_interval": "1s" } },
            "vm_config": {
                "vm_id": "fairlead",
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": path(&gateway.module) } },
            },
            "configuration": any("google.protobuf.StringValue", json!({ "value": configuration })),
        } }),
    )
}

/// The last filter. Without `suppress_envoy_headers` it would add `x-envoy-*` to what targets and callers see.
#[must_use]
pub fn router() -> Value {
    extension(
        "envoy.filters.http.router",
        "envoy.extensions.filters.http.router.v3.Router",
        json!({ "suppress_envoy_headers": true }),
    )
}
