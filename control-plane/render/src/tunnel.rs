//! Targets behind an HTTP proxy, which resolves their names (RFC 9110 §9.3.6, RFC 9112 §3.2.2).
//!
//! Without TLS the profile's cluster is the proxy, and requests name their target in full. With TLS its cluster is a
//! listener within Envoy (`TUNNELS`) that takes what is encrypted already and asks for a tunnel by `CONNECT`. Where to,
//! the request's route has noted ([`noting`]) before; what is noted parts the connections, so that none is used for
//! another target. By which proxy, the profile's cluster says. A second listener within Envoy (`PROXIES`) routes the
//! `CONNECT` to that proxy's cluster, as any request is routed. The pinned twin has no route, hence a listener of its own,
//! which notes and goes on to the profile.
//!
//! Profiles go while their tunnels are in use. So the two listeners, and the cluster between them, are every profile's
//! and stay, and the proxies' clusters are the router's alone: Envoy 1.40 crashes when a cluster goes through which a
//! `tcp_proxy` has a tunnel with upstream filters (`upstream_http_filters_with_tcp_proxy`).
//!
//! The guard cannot judge a target's address here. It judges the proxy's, which an Application may choose.

use fairlead_wire::header::{ORIGINAL_DST, PROFILE};
use serde_json::{Value, json};

use crate::{
    Profile, Proxy, Trust,
    cluster::{Parts, Protocol, cluster, tls, twin_of, with},
    filter, forward_proxy, headers,
    json::{any, extension},
    local_reply,
    upstream::Upstream,
};

/// What names of proxies' clusters begin with. No route of a caller's request can name one.
pub(crate) const TUNNEL: &str = "fairlead.tunnel.";

/// The listener that asks for tunnels.
const TUNNELS: &str = "fairlead.tunnels";
/// The listener that asks the right proxy, and the cluster that leads to it.
const PROXIES: &str = "fairlead.proxies";

/// Where a profile's cluster says which proxy is its own: a name space of metadata, and a field.
const METADATA: &str = "fairlead.tunnel";
const CLUSTER: &str = "cluster";

/// What is noted of a request.
const TARGET: &str = "fairlead.target";

/// Name of the filter that notes, by which routes speak of it.
const FILTER: &str = "envoy.filters.http.set_filter_state";
const STATE: &str = "envoy.extensions.filters.http.set_filter_state.v3.Config";

/// The filter that notes what routes have it note; behind the plugin, before the router.
#[must_use]
pub fn filter() -> Value {
    extension(FILTER, STATE, json!({}))
}

/// What a route says for requests whose target is to be noted.
#[must_use]
pub fn noting() -> Value {
    json!({ FILTER: any(STATE, notes()) })
}

/// The target's host and port.
fn notes() -> Value {
    let port = "%CEL(request.host.matches(':[0-9]+$') ? '' : ':443')%";
    json!({ "on_request_headers": [{
        "object_key": TARGET,
        "factory_key": "envoy.hashable_string",
        "format_string": { "text_format_source": { "inline_string": format!("%REQ(:AUTHORITY)%{port}") } },
        "shared_with_upstream": "ONCE",
    }] })
}

/// What all profiles with a proxy have in common.
pub(crate) fn fixed(upstream: &Upstream<'_>) -> Parts {
    Parts {
        clusters: vec![cluster(upstream, PROXIES, &within(PROXIES), http1_only())],
        listeners: vec![listener(TUNNELS, &tunnel()), listener(PROXIES, &to_proxies())],
    }
}

/// A profile with this proxy.
pub(crate) fn parts(upstream: &Upstream<'_>, profile: &Profile, proxy: &Proxy) -> Parts {
    if profile.trust == Trust::Plain {
        let names = [Some(profile.id.clone()), twin_of(upstream, profile)].into_iter().flatten();
        let clusters = names.map(|name| to_proxy(upstream, &name, proxy, true)).collect();
        return Parts { clusters, listeners: Vec::new() };
    }
    let name = format!("{TUNNEL}{}", profile.hex());
    let mut parts = Parts {
        clusters: vec![through(upstream, profile, &name), to_proxy(upstream, &name, proxy, false)],
        listeners: Vec::new(),
    };
    if let Some(twin) = twin_of(upstream, profile) {
        parts.clusters.push(cluster(upstream, &twin, &within(&twin), http1_only()));
        parts.listeners.push(listener(&twin, &onward(&twin, profile)));
    }
    parts
}

/// The proxy's addresses. `absolute`: it gets requests, otherwise tunnels.
fn to_proxy(upstream: &Upstream<'_>, name: &str, proxy: &Proxy, absolute: bool) -> Value {
    let host = proxy.host.trim_start_matches('[').trim_end_matches(']');
    let address = json!({ "socket_address": { "address": host, "port_value": proxy.port } });
    let mut kind = json!({ "type": "STRICT_DNS", "load_assignment": assignment(name, &address) });
    for field in forward_proxy::RESOLUTION {
        kind = with(kind, field, upstream.dns_cache.get(field).cloned().unwrap_or_default());
    }
    let mut protocol = Protocol::plain();
    (protocol.absolute, protocol.guard) = (absolute, Some(upstream.guard()));
    cluster(upstream, name, &kind, protocol.options())
}

/// TLS to the target, handed to the tunnel by this cluster.
fn through(upstream: &Upstream<'_>, profile: &Profile, proxy: &str) -> Value {
    let inner = tls(upstream, profile);
    let socket = extension(
        "envoy.transport_sockets.internal_upstream",
        "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
        json!({
            "passthrough_metadata": [{ "kind": { "cluster": {} }, "name": METADATA }],
            "transport_socket": inner,
        }),
    );
    let cluster = cluster(upstream, &profile.id, &within(TUNNELS), Protocol::of(profile).options());
    let cluster = with(cluster, "metadata", json!({ "filter_metadata": { METADATA: { CLUSTER: proxy } } }));
    with(cluster, "transport_socket", socket)
}

fn http1_only() -> Value {
    Protocol::plain().options()
}

/// A listener within Envoy, as a cluster's only host.
fn within(listener: &str) -> Value {
    let address = json!({ "envoy_internal_address": { "server_listener_name": listener } });
    json!({ "type": "STATIC", "load_assignment": assignment(listener, &address) })
}

fn assignment(name: &str, address: &Value) -> Value {
    json!({
        "cluster_name": name,
        "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
    })
}

fn listener(name: &str, filter: &Value) -> Value {
    json!({
        "name": name,
        "internal_listener": {},
        "filter_chains": [{ "filters": [filter] }],
    })
}

fn tunnel() -> Value {
    let proxy = json!({ "key": PROFILE, "value": format!("%DYNAMIC_METADATA({METADATA}:{CLUSTER})%") });
    extension(
        "envoy.filters.network.tcp_proxy",
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        json!({
            "stat_prefix": TUNNELS,
            "cluster": PROXIES,
            // The profile's cluster says how long its connections stay.
            "idle_timeout": "0s",
            "tunneling_config": {
                "hostname": format!("%FILTER_STATE({TARGET}:PLAIN)%"),
                "headers_to_add": [{ "header": proxy }],
            },
        }),
    )
}

/// From a tunnel to its proxy, which learns nothing but the target's name.
fn to_proxies() -> Value {
    let route = json!({
        "match": { "connect_matcher": {} },
        "route": { "cluster_header": PROFILE, "timeout": "0s", "idle_timeout": "0s" },
        "request_headers_to_remove": headers::request_removals(),
    });
    let manager =
        with(manager(PROXIES, &[], &route), "upgrade_configs", json!([{ "upgrade_type": "CONNECT" }]));
    managed(manager)
}

/// From the twin's listener to the profile.
fn onward(twin: &str, profile: &Profile) -> Value {
    let mut removed = headers::request_removals();
    removed.push(ORIGINAL_DST.to_owned());
    let note = extension(FILTER, STATE, notes());
    let route = json!({
        "match": { "prefix": "/" },
        "route": { "cluster": profile.id, "timeout": "0s", "idle_timeout": "0s" },
        "request_headers_to_remove": removed,
    });
    managed(with(manager(twin, &[note], &route), "local_reply_config", local_reply::config()))
}

fn managed(manager: Value) -> Value {
    extension(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        manager,
    )
}

/// Of what comes from within: it is as it should be, nothing is added, nothing is judged again.
fn manager(name: &str, filters: &[Value], route: &Value) -> Value {
    let filters: Vec<Value> = filters.iter().cloned().chain([filter::router()]).collect();
    json!({
        "stat_prefix": name,
        "codec_type": "HTTP1",
        "generate_request_id": false,
        "preserve_external_request_id": true,
        "skip_xff_append": true,
        "server_header_transformation": "PASS_THROUGH",
        "scheme_header_transformation": { "match_upstream": true },
        "stream_idle_timeout": "0s",
        "http_protocol_options": { "allow_custom_methods": true, "enable_trailers": true },
        "http_filters": filters,
        "route_config": {
            "name": name,
            // A profile's cluster may come a moment later.
            "validate_clusters": false,
            "virtual_hosts": [{ "name": name, "domains": ["*"], "routes": [route] }],
        },
    })
}
