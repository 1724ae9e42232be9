//! Clusters of transport profiles, and the fixed ones to the control plane.

mod control;

use serde_json::{Value, json};

pub(crate) use control::{Endpoint, fixed, to_control};
pub use control::{HEALTH_CLUSTER, IDENTIFY_CLUSTER, control, plain};

use crate::{
    Profile, Trust, filter, forward_proxy,
    json::{any, duration, extension, path},
    tunnel,
    upstream::Upstream,
};

/// Connections, and requests, of one profile at once: a profile stands for all hosts that share its TLS policy, so
/// Envoy's default of 1024 would be one limit for all targets together.
const MAX_AT_ONCE: u32 = 65_536;
/// AG §7.
const UPSTREAM_IDLE: &str = "90s";
/// Largest response header block, KiB. Envoy's own limit of 60 is lower than what real APIs send.
const MAX_RESPONSE_HEADERS_KIB: u32 = 1024;

/// What Envoy has of a transport profile.
pub(crate) struct Parts {
    pub(crate) clusters: Vec<Value>,
    /// Listeners that no connection comes to from outside.
    pub(crate) listeners: Vec<Value>,
}

/// All of a profile.
pub(crate) fn parts(upstream: &Upstream<'_>, profile: &Profile) -> Parts {
    if let Some(proxy) = &profile.proxy {
        return tunnel::parts(upstream, profile, proxy);
    }
    let mut clusters = vec![direct(upstream, profile)];
    clusters.extend(twin_of(upstream, profile).map(|name| pinned(upstream, profile, &name)));
    Parts { clusters, listeners: Vec::new() }
}

/// Name of the profile's pinned twin, where it is to have one.
pub(crate) fn twin_of(upstream: &Upstream<'_>, profile: &Profile) -> Option<String> {
    fairlead_wire::profile::pinned(&profile.id).filter(|_| upstream.replays && profile.pinned)
}

/// Dynamic forward proxy, SNI and verified name from `:authority`.
fn direct(upstream: &Upstream<'_>, profile: &Profile) -> Value {
    let kind = match profile.trust {
        Trust::Plain => forward_proxy::cluster_per_host(&upstream.dns_cache),
        _ => forward_proxy::cluster(&upstream.dns_cache, !profile.trust.verifies()),
    };
    let mut protocol = Protocol::of(profile);
    if profile.trust == Trust::Plain {
        protocol.guard = Some(upstream.guard());
    }
    let cluster = cluster(upstream, &profile.id, &kind, protocol.options());
    let cluster = with(cluster, "lb_policy", json!("CLUSTER_PROVIDED"));
    // One set of statistics, also where a profile has a cluster for each host.
    let cluster = with(cluster, "alt_stat_name", json!(profile.id));
    with(cluster, "transport_socket", tls(upstream, profile))
}

/// The same TLS, to the address that a header of the call says: where the first attempt went (design decision 10). Only
/// the plugin's own calls get here, which come from no listener and meet no guard; the address passed it before.
fn pinned(upstream: &Upstream<'_>, profile: &Profile, name: &str) -> Value {
    let kind = json!({
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "original_dst_lb_config": { "use_http_header": true },
    });
    let cluster = cluster(upstream, name, &kind, Protocol::of(profile).options());
    with(cluster, "transport_socket", tls(upstream, profile))
}

/// What all have.
pub(crate) fn cluster(upstream: &Upstream<'_>, name: &str, kind: &Value, options: Value) -> Value {
    let mut cluster = json!({
        "name": name,
        "connect_timeout": duration(upstream.settings.connect_timeout),
        "per_connection_buffer_limit_bytes": 1_048_576,
        "circuit_breakers": { "thresholds": [{
            "max_connections": MAX_AT_ONCE,
            "max_pending_requests": MAX_AT_ONCE,
            "max_requests": MAX_AT_ONCE,
            "max_retries": 0,
        }] },
        "upstream_connection_options": { "tcp_keepalive": { "keepalive_time": 30, "keepalive_interval": 30 } },
    });
    if let (Some(cluster), Some(kind)) = (cluster.as_object_mut(), kind.as_object()) {
        cluster.extend(kind.clone());
    }
    with(cluster, "typed_extension_protocol_options", options)
}

/// The same with a field more, unless it is null.
pub(crate) fn with(mut cluster: Value, field: &str, value: Value) -> Value {
    if let (Some(cluster), false) = (cluster.as_object_mut(), value.is_null()) {
        cluster.insert(field.to_owned(), value);
    }
    cluster
}

/// Requests at once on an HTTP/2 connection. A target says how many it takes only after the first ones were sent, and
/// refuses what is above: a burst of first calls would fail. At least this many are usual (RFC 9113 §6.5.2), and what
/// Go's client begins with.
const MAX_STREAMS: u32 = 100;
/// What a target may send of one answer before its caller has read it, bytes; it is the gateway's memory, of which
/// Envoy would give 16 MiB. The connection's window is all of its streams', so that callers that do not read never hold
/// up the others.
const STREAM_WINDOW: u32 = 1_048_576;

/// How targets are spoken to.
pub(crate) struct Protocol {
    tls: bool,
    verified: bool,
    /// Requests name their target as a proxy needs it (RFC 9112 §3.2.2).
    pub(crate) absolute: bool,
    /// Judges the address that was chosen.
    pub(crate) guard: Option<Value>,
}

impl Protocol {
    pub(crate) fn of(profile: &Profile) -> Self {
        Self { tls: profile.trust != Trust::Plain, verified: profile.trust.verifies(), ..Self::plain() }
    }

    /// Without TLS.
    pub(crate) fn plain() -> Self {
        Self { tls: false, verified: false, absolute: false, guard: None }
    }

    /// HTTP/1.1 without TLS; with TLS what ALPN agrees on (AG §7).
    pub(crate) fn options(self) -> Value {
        let mut options = json!({
            "common_http_protocol_options": {
                "idle_timeout": UPSTREAM_IDLE,
                "max_headers_count": 1000,
                "max_response_headers_kb": MAX_RESPONSE_HEADERS_KIB,
            },
            "upstream_http_protocol_options": { "auto_sni": self.tls, "auto_san_validation": self.verified },
        });
        // Trailers pass (AG §12).
        let http1 = with(
            json!({ "enable_trailers": true }),
            "send_fully_qualified_url",
            if self.absolute { json!(true) } else { Value::Null },
        );
        let (name, value) = if self.tls {
            let http2 = json!({
                "max_concurrent_streams": MAX_STREAMS,
                "initial_stream_window_size": STREAM_WINDOW,
                "initial_connection_window_size": MAX_STREAMS * STREAM_WINDOW,
            });
            ("auto_config", json!({ "http_protocol_options": http1, "http2_protocol_options": http2 }))
        } else {
            ("explicit_http_config", json!({ "http_protocol_options": http1 }))
        };
        options = with(options, name, value);
        if let Some(guard) = self.guard {
            options = with(options, "http_filters", json!([guard, filter::codec()]));
        }
        http_options(options)
    }
}

/// Nothing for the profile without TLS.
pub(crate) fn tls(upstream: &Upstream<'_>, profile: &Profile) -> Value {
    let trusted_ca = match &profile.trust {
        Trust::Plain => return Value::Null,
        Trust::System => json!({ "filename": path(&upstream.settings.system_ca) }),
        Trust::Private { ca_pem } => json!({ "inline_string": ca_pem }),
        Trust::Unverified => Value::Null,
    };
    let mut context = json!({ "tls_params": { "tls_minimum_protocol_version": "TLSv1_2" } });
    if !trusted_ca.is_null() {
        context = with(context, "validation_context", json!({ "trusted_ca": trusted_ca }));
    }
    if let Some(client) = &profile.client {
        context = with(context, "tls_certificate_sds_secret_configs", json!([upstream.client(client)]));
    }
    extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        json!({ "common_tls_context": context }),
    )
}

pub(crate) fn http_options(fields: Value) -> Value {
    const NAME: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({ NAME: any(NAME, fields) })
}
