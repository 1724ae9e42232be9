//! What Envoy tells of requests beside the access log: labels of the plugin's metrics, and spans.

use fairlead_wire::{
    header::REASON,
    metrics::{LABELS, SPAN_TAGS},
};
use serde_json::{Map, Value, json};

use crate::{Gateway, cluster, json::extension};

/// The collector of spans. No route can name it.
const CLUSTER: &str = "fairlead.traces";

/// `stats_config`: the labels in names of the plugin's metrics are split off, as Istio does with `extraStatTags`.
pub(crate) fn stats() -> Value {
    let tag = |label: &&str| json!({ "tag_name": label, "regex": format!("({label}=\\.=(.*?);\\.;)") });
    json!({ "stats_tags": LABELS.iter().map(tag).collect::<Vec<_>>() })
}

/// Fields of a connection manager whose requests are traced. A caller's decision (W3C) holds; without one all are.
///
/// Envoy writes the whole URL into a span, as the plugin made it, whose query may hold credentials: of its path the first
/// byte stays. What is to be known of a request is in tags of our own.
pub(crate) fn tracing(service: &str) -> Map<String, Value> {
    let formatted = |(tag, value): (&str, String)| json!({ "tag": tag, "value": value });
    let reason = ("fairlead.reason", format!("%RESP({REASON})%"));
    let path = ("url.path", "%PATH(NQ:PATH)%".to_owned());
    let set = SPAN_TAGS.map(|tag| (tag, format!("%FILTER_STATE(wasm.{tag}:PLAIN)%")));
    let tags: Vec<_> = set.into_iter().chain([reason, path]).map(formatted).collect();
    let provider = extension(
        "envoy.tracers.opentelemetry",
        "envoy.config.trace.v3.OpenTelemetryConfig",
        json!({
            "service_name": service,
            "http_service": { "http_uri": {
                "uri": format!("http://{CLUSTER}/v1/traces"), "cluster": CLUSTER, "timeout": "2s",
            } },
        }),
    );
    // No request id is made for targets' sake: sampling must not hang on one.
    let request_id = extension(
        "envoy.request_id.uuid",
        "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
        json!({ "use_request_id_for_trace_sampling": false }),
    );
    let request_id = json!({ "typed_config": request_id.get("typed_config") });
    Map::from_iter([
        (
            "tracing".to_owned(),
            json!({ "provider": provider, "max_path_tag_length": 1, "custom_tags": tags }),
        ),
        ("request_id_extension".to_owned(), request_id),
    ])
}

/// The collector's cluster.
pub(crate) fn cluster(gateway: &Gateway) -> Option<Value> {
    gateway.settings.traces.map(|collector| cluster::plain(CLUSTER, collector))
}
