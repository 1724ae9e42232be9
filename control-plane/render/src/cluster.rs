//! Clusters: one per transport profile, and the two fixed ones to the control plane.

mod control;

use std::{net::SocketAddr, path::Path, time::Duration};

use ipnet::IpNet;
use serde_json::{Value, json};

pub(crate) use control::{Endpoint, fixed, to_control};
pub use control::{HEALTH_CLUSTER, IDENTIFY_CLUSTER, control, plain};

use crate::{
    Gateway, Profile, Trust, filter, forward_proxy, guard,
    json::{any, duration, extension, path},
};

/// Connections, and requests, of one profile at once: a profile stands for all hosts that share its TLS policy, so
/// Envoy's default of 1024 would be one limit for all targets together.
const MAX_AT_ONCE: u32 = 65_536;
/// AG §7.
const UPSTREAM_IDLE: &str = "90s";
/// Largest response header block, KiB. Envoy's own limit of 60 is lower than what real APIs send.
const MAX_RESPONSE_HEADERS_KIB: u32 = 1024;

/// What the clusters of all profiles have in common.
pub(crate) struct Upstream<'a> {
    pub(crate) connect_timeout: Duration,
    /// The one that the gateway's forward-proxy filter has.
    pub(crate) dns_cache: Value,
    /// Bundle of trusted CAs on the machine that Envoy runs on.
    pub(crate) system_ca: &'a Path,
    /// Networks and addresses of the guard, where a cluster has one of its own.
    pub(crate) allow: &'a [IpNet],
    pub(crate) never: Vec<SocketAddr>,
}

/// The cluster of a transport profile: dynamic forward proxy, SNI and verified name from `:authority`.
#[must_use]
pub fn profile(gateway: &Gateway, profile: &Profile) -> Value {
    let upstream = Upstream {
        connect_timeout: gateway.connect_timeout,
        dns_cache: forward_proxy::dns_cache(&gateway.resolver),
        system_ca: &gateway.system_ca,
        allow: &gateway.allow,
        never: gateway.never(),
    };
    of_profile(&upstream, profile)
}

/// The same, wherever the gateway runs.
pub(crate) fn of_profile(upstream: &Upstream<'_>, profile: &Profile) -> Value {
    let verified = match &profile.trust {
        Trust::Plain | Trust::Unverified => false,
        Trust::System | Trust::Private { .. } => true,
    };
    let mut cluster = json!({
        "name": profile.id,
        "connect_timeout": duration(upstream.connect_timeout),
        // One set of statistics, also where a profile has a cluster for each host.
        "alt_stat_name": profile.id,
        "lb_policy": "CLUSTER_PROVIDED",
        "per_connection_buffer_limit_bytes": 1_048_576,
        "circuit_breakers": { "thresholds": [{
            "max_connections": MAX_AT_ONCE,
            "max_pending_requests": MAX_AT_ONCE,
            "max_requests": MAX_AT_ONCE,
            "max_retries": 0,
        }] },
        "upstream_connection_options": { "tcp_keepalive": { "keepalive_time": 30, "keepalive_interval": 30 } },
        "typed_extension_protocol_options": protocol_options(upstream, &profile.trust, verified),
    });
    let proxy = match profile.trust {
        Trust::Plain => forward_proxy::cluster_per_host(&upstream.dns_cache),
        _ => forward_proxy::cluster(&upstream.dns_cache, !verified),
    };
    if let (Some(cluster), Value::Object(proxy)) = (cluster.as_object_mut(), proxy) {
        cluster.extend(proxy);
        cluster.extend(tls(upstream, &profile.trust).map(|tls| ("transport_socket".to_owned(), tls)));
    }
    cluster
}

/// Requests at once on an HTTP/2 connection. A target says how many it takes only after the first ones were sent, and
/// refuses what is above: a burst of first calls would fail. At least this many are usual (RFC 9113 §6.5.2), and what
/// Go's client begins with.
const MAX_STREAMS: u32 = 100;

/// HTTP/1.1 without TLS; with TLS what ALPN agrees on (AG §7).
fn protocol_options(upstream: &Upstream<'_>, trust: &Trust, verified: bool) -> Value {
    let mut options = json!({
        "common_http_protocol_options": {
            "idle_timeout": UPSTREAM_IDLE,
            "max_headers_count": 1000,
            "max_response_headers_kb": MAX_RESPONSE_HEADERS_KIB,
        },
        "upstream_http_protocol_options": { "auto_sni": *trust != Trust::Plain, "auto_san_validation": verified },
    });
    // Trailers pass (AG §12).
    let http1 = json!({ "enable_trailers": true });
    if let Some(options) = options.as_object_mut() {
        let (name, value) = match trust {
            Trust::Plain => ("explicit_http_config", json!({ "http_protocol_options": http1 })),
            _ => (
                "auto_config",
                json!({
                    "http_protocol_options": http1,
                    "http2_protocol_options": { "max_concurrent_streams": MAX_STREAMS },
                }),
            ),
        };
        options.insert(name.to_owned(), value);
        if *trust == Trust::Plain {
            let guard = guard::upstream(upstream.allow, &upstream.never);
            options.insert("http_filters".to_owned(), json!([guard, filter::codec()]));
        }
    }
    http_options(options)
}

fn tls(upstream: &Upstream<'_>, trust: &Trust) -> Option<Value> {
    let trusted_ca = match trust {
        Trust::Plain => return None,
        Trust::System => Some(json!({ "filename": path(upstream.system_ca) })),
        Trust::Private { ca_pem } => Some(json!({ "inline_string": ca_pem })),
        Trust::Unverified => None,
    };
    let mut context = json!({ "tls_params": { "tls_minimum_protocol_version": "TLSv1_2" } });
    if let (Some(context), Some(trusted_ca)) = (context.as_object_mut(), trusted_ca) {
        context.insert("validation_context".to_owned(), json!({ "trusted_ca": trusted_ca }));
    }
    Some(extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        json!({ "common_tls_context": context }),
    ))
}

fn http_options(fields: Value) -> Value {
    const NAME: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({ NAME: any(NAME, fields) })
}

/// How long a connection to the control plane may take: it is near.
const CONTROL_CONNECT: Duration = Duration::from_secs(2);
