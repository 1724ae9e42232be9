//! What Envoy tells of requests beside the access log: labels of the plugin's metrics, and spans.

use fairlead_wire::metrics::LABELS;
use serde_json::{Value, json};

/// `stats_config`: the labels in names of the plugin's metrics are split off, as Istio does with `extraStatTags`.
pub(crate) fn stats() -> Value {
    let tag = |label: &&str| json!({ "tag_name": label, "regex": format!("({label}=\\.=(.*?);\\.;)") });
    json!({ "stats_tags": LABELS.iter().map(tag).collect::<Vec<_>>() })
}
