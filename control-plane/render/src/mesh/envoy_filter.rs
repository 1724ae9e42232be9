//! The one `EnvoyFilter` of a gateway's fixed parts.
//!
//! istiod gives a gateway listeners for the `Gateway`'s ports, with a connection manager each. What the manager must do is
//! merged into it, before the router come name resolution and the guard, and the router leaves its own headers out. The
//! virtual hosts that istiod made of `VirtualService`s, whoever wrote them, go; the embedded gateway's take their place.

use serde_json::{Value, json};

use super::{
    MeshGateway,
    object::{ENVOY_FILTER, object},
};
use crate::{
    filter, forward_proxy, guard,
    json::any,
    listener,
    route::{self, TARGET},
    tunnel,
    upstream::Upstream,
};

const MANAGER: &str = "envoy.filters.network.http_connection_manager";
const TCP_PROXY: &str = "envoy.filters.network.tcp_proxy";
const ROUTER: &str = "envoy.filters.http.router";

/// Behind those of other people that say nothing of it, so that what is taken out here stays out, whoever is the older one.
/// `istioctl analyze` warns of patches relative to others without a priority (IST0151).
const PRIORITY: i32 = 10;

/// An `EnvoyFilter` for the gateway's pods.
pub(super) fn envoy_filter(gateway: &MeshGateway, name: &str, patches: &[Value]) -> Value {
    let spec = json!({
        "workloadSelector": { "labels": gateway.selector },
        "priority": PRIORITY,
        "configPatches": patches,
    });
    object(ENVOY_FILTER, "EnvoyFilter", gateway, name, &spec)
}

/// Which part of the gateway's pods is ours.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// All that they listen on, whatever somebody else's objects add to it.
    Everything,
    /// What is served under this TLS server name: the pods may be other teams' gateway, too.
    ServerName(&'a str),
}

/// What goes for all of our ports. `strip` names headers of callers to drop beside the header table's.
pub(super) fn connections(
    gateway: &MeshGateway,
    upstream: &Upstream<'_>,
    scope: Scope<'_>,
    strip: &[&str],
) -> Vec<Value> {
    let settings = &gateway.settings;
    let mut manager = listener::everywhere(settings, strip);
    if let Some(manager) = manager.as_object_mut() {
        manager.insert("access_log".to_owned(), listener::access_log(settings.access_log.as_deref()));
    }
    let manager =
        any("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager);
    vec![
        patch(
            "NETWORK_FILTER",
            &within(scope, &json!({ "name": MANAGER })),
            "MERGE",
            named(MANAGER, &manager),
        ),
        patch("HTTP_FILTER", &router(scope), "INSERT_BEFORE", tunnel::filter()),
        patch("HTTP_FILTER", &router(scope), "INSERT_BEFORE", forward_proxy::filter(&upstream.dns_cache)),
        patch(
            "HTTP_FILTER",
            &router(scope),
            "INSERT_BEFORE",
            guard::filter(&settings.allow, &settings.never),
        ),
        patch("HTTP_FILTER", &router(scope), "MERGE", filter::router()),
    ]
}

/// Pods that are ours alone serve nothing else: a server of somebody else's `Gateway` that selects them, too, leads
/// nowhere, and no `VirtualService` counts.
pub(super) fn nothing_else() -> [Value; 2] {
    let tcp = within(Scope::Everything, &json!({ "name": TCP_PROXY }));
    [
        patch("NETWORK_FILTER", &tcp, "REMOVE", Value::Null),
        patch("VIRTUAL_HOST", &json!({ "context": "GATEWAY" }), "REMOVE", Value::Null),
    ]
}

/// A virtual host for all names in the route configurations that match.
pub(super) fn virtual_host(route_configuration: &Value, name: &str, routes: &[Value]) -> Value {
    let mut routes = routes.to_vec();
    for route in routes.iter_mut().filter_map(Value::as_object_mut) {
        if route.get("name").and_then(Value::as_str) != Some(TARGET) {
            // No target is called: the guard would look in vain for an address, and warn for each of its networks.
            route.insert("typed_per_filter_config".to_owned(), guard::elsewhere());
        }
    }
    patch("VIRTUAL_HOST", &matching(route_configuration), "ADD", route::virtual_host(name, &routes))
}

/// The virtual hosts that istiod made in the route configurations that match go.
pub(super) fn no_virtual_hosts(route_configuration: &Value) -> Value {
    patch("VIRTUAL_HOST", &matching(route_configuration), "REMOVE", Value::Null)
}

fn matching(configuration: &Value) -> Value {
    json!({ "context": "GATEWAY", "routeConfiguration": configuration })
}

/// A listener more.
pub(super) fn listener(value: Value) -> Value {
    patch("LISTENER", &json!({ "context": "GATEWAY" }), "ADD", value)
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

fn within(scope: Scope<'_>, filter: &Value) -> Value {
    let chain = match scope {
        Scope::Everything => json!({ "filter": filter }),
        Scope::ServerName(name) => json!({ "sni": name, "filter": filter }),
    };
    json!({ "context": "GATEWAY", "listener": { "filterChain": chain } })
}

fn router(scope: Scope<'_>) -> Value {
    within(scope, &json!({ "name": MANAGER, "subFilter": { "name": ROUTER } }))
}

fn named(name: &str, config: &Value) -> Value {
    json!({ "name": name, "typed_config": config })
}
