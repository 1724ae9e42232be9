//! The one `EnvoyFilter` of a gateway's fixed parts.
//!
//! istiod gives a gateway listeners for the `Gateway`'s ports, with a connection manager each. What the manager must do is
//! merged into it, before the router come name resolution and the guard, and the router leaves its own headers out. The
//! virtual hosts that istiod made of `VirtualService`s, whoever wrote them, go; the embedded gateway's take their place.

use serde_json::{Value, json};

use super::{
    MeshGateway, dns_cache,
    object::{ENVOY_FILTER, object},
};
use crate::{filter, forward_proxy, guard, json::any, listener};

const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const TCP_PROXY: &str = "envoy.filters.network.tcp_proxy";
const ROUTER: &str = "envoy.filters.http.router";

/// An `EnvoyFilter` for the gateway's pods.
pub(super) fn envoy_filter(gateway: &MeshGateway, name: &str, patches: &[Value]) -> Value {
    let spec = json!({ "workloadSelector": { "labels": gateway.selector }, "configPatches": patches });
    object(ENVOY_FILTER, "EnvoyFilter", gateway, name, &spec)
}

/// What goes for all ports. `strip` names headers of callers to drop beside the header table's.
pub(super) fn common(gateway: &MeshGateway, strip: &[&str]) -> Vec<Value> {
    let mut manager = listener::everywhere(&gateway.times(), &gateway.plugin, strip);
    if let Some(manager) = manager.as_object_mut() {
        manager.insert("access_log".to_owned(), listener::access_log(gateway.access_log.as_deref()));
    }
    let manager =
        any("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager);
    let cache = dns_cache(&gateway.resolver);
    vec![
        patch("NETWORK_FILTER", &network(MANAGER), "MERGE", named(MANAGER, &manager)),
        // A server of somebody else's `Gateway` that selects our pods, too, gets no connection further.
        patch("NETWORK_FILTER", &network(TCP_PROXY), "REMOVE", Value::Null),
        patch("HTTP_FILTER", &router(), "INSERT_BEFORE", forward_proxy::filter(&cache)),
        patch("HTTP_FILTER", &router(), "INSERT_BEFORE", guard::filter(&gateway.allow, &gateway.never)),
        patch("HTTP_FILTER", &router(), "MERGE", filter::router()),
        patch("VIRTUAL_HOST", &json!({ "context": "GATEWAY" }), "REMOVE", Value::Null),
    ]
}

/// A virtual host for all names in the route configurations that match.
pub(super) fn virtual_host(route_configuration: &Value, value: Value) -> Value {
    let matching = json!({ "context": "GATEWAY", "routeConfiguration": route_configuration });
    patch("VIRTUAL_HOST", &matching, "ADD", value)
}

/// A cluster more.
pub(super) fn cluster(value: Value) -> Value {
    patch("CLUSTER", &json!({ "context": "GATEWAY" }), "ADD", value)
}

fn patch(apply_to: &str, matching: &Value, operation: &str, value: Value) -> Value {
    let patch = match value {
        Value::Null => json!({ "operation": operation }),
        value => json!({ "operation": operation, "value": value }),
    };
    json!({ "applyTo": apply_to, "match": matching, "patch": patch })
}

fn network(filter: &str) -> Value {
    json!({ "context": "GATEWAY", "listener": { "filterChain": { "filter": { "name": filter } } } })
}

fn router() -> Value {
    let filter = json!({ "name": MANAGER, "subFilter": { "name": ROUTER } });
    json!({ "context": "GATEWAY", "listener": { "filterChain": { "filter": filter } } })
}

fn named(name: &str, config: &Value) -> Value {
    json!({ "name": name, "typed_config": config })
}
