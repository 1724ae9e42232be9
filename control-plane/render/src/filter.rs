//! HTTP filters other than the forward proxy and the guard.

use fairlead_wire::config::PluginConfig;
use serde_json::{Map, Value, json};

use crate::{
    Gateway, forward_proxy, guard,
    json::{any, extension, path},
    tunnel,
};

/// The chain of a listener whose requests go to targets: plugin, notes for the connection, name resolution, guard,
/// router. The order is part of the guarantee: the guard reads what name resolution saved.
#[must_use]
pub fn chain(gateway: &Gateway, root_id: &str, plugin: &PluginConfig) -> Value {
    json!([
        unless_plain(&wasm(gateway, root_id, plugin)),
        tunnel::filter(),
        forward_proxy::filter(&forward_proxy::dns_cache(&gateway.settings.resolver)),
        guard::filter(&gateway.settings.allow, &gateway.never()),
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

/// Statuses in which the plugin has nothing to do: neither a target's 5xx, nor one whose `Location` leads back through
/// the gateway (201 and 3xx; AG §12, CV §6), nor one that may be about a credential.
const PLAIN: [&str; 4] = ["200", "202", "204", "206"];

/// `filter`, without its part in responses of a plain status: a quarter of what the plugin costs a request
/// would go into reading `:status` to find out that there is nothing to do.
#[must_use]
pub fn unless_plain(filter: &Value) -> Value {
    let skip = extension("skip", "envoy.extensions.filters.common.matcher.action.v3.SkipFilter", json!({}));
    let status = extension(
        "status",
        "envoy.type.matcher.v3.HttpResponseHeaderMatchInput",
        json!({ "header_name": ":status" }),
    );
    let skips: Map<String, Value> =
        PLAIN.iter().map(|status| ((*status).to_owned(), json!({ "action": skip }))).collect();
    json!({
        "name": filter.get("name").cloned().unwrap_or_default(),
        "typed_config": any("envoy.extensions.common.matching.v3.ExtensionWithMatcher", json!({
            "extension_config": filter,
            "xds_matcher": { "matcher_tree": { "input": status, "exact_match_map": { "map": skips } } },
        })),
    })
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

/// The last upstream filter.
#[must_use]
pub fn codec() -> Value {
    extension(
        "envoy.filters.http.upstream_codec",
        "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
        json!({}),
    )
}
