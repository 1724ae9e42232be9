//! Labels of the plugin's metrics: the plugin writes them into names, gateways' bootstraps split them off again.

/// Every label. A name is `label=.=value;.;` for each that it has, in this order, then the metric.
pub const LABELS: &[&str] = &["view", "application", "service", "entry", "reason", "outcome"];

/// Properties of a stream that the plugin sets where spans are written, and the tags that they become.
pub const SPAN_TAGS: [&str; 3] = ["fairlead.application", "fairlead.service", "fairlead.entry"];
