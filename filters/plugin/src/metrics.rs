//! The plugin's metrics: few, and bounded. `istio/docs/metrics.md` says what each means; a test holds it to this.
//!
//! A name is `label=.=value;.;` for each label, then the metric: what Istio's bootstrap splits where it is told the labels
//! (`extraStatTags`), and the embedded gateways' in the same way. Counters and histograms add up over all VMs of a gateway,
//! and so do requests in progress; other gauges show what the VM said that wrote last.

pub(crate) mod requests;

use fairlead_wire::feed::View;

use crate::abi::{self, Metric};

const REQUESTS: &str = "fairlead_requests_total";
const RECEIVED: &str = "fairlead_received_bytes_total";
const SENT: &str = "fairlead_sent_bytes_total";
const DURATION: &str = "fairlead_request_duration_milliseconds";
const IN_FLIGHT: &str = "fairlead_requests_in_flight";
/// What became of grants that requests needed.
const GRANTS: &str = "fairlead_grants_total";
/// What became of requests that were sent a second time.
const REPLAYS: &str = "fairlead_replays_total";

/// Reasons that are no refusal of ours: the target's answer passed; it was a 5xx; the caller left before an answer.
const OK: &str = "ok";
pub(crate) const TARGET_ERROR: &str = "target_error";
const CANCELLED: &str = "cancelled";

/// Stands for all combinations beyond the bound. No record has this key.
const OTHER: &[u8] = b"\0";

/// Metrics of views that have been defined, with their ids.
#[derive(Default)]
pub(crate) struct Metrics {
    views: Vec<((View, &'static str), Option<u32>)>,
}

impl Metrics {
    /// A VM has started. The host also starts one to try each new configuration, and drops it.
    pub(crate) fn vm_started() {
        if let Some(id) = abi::define_metric(Metric::Counter, "fairlead_vm_starts_total") {
            abi::increment(id, 1);
        }
    }

    /// Counts something of a view.
    pub(crate) fn count(&mut self, view: View, what: &'static str, by: u64) {
        if by > 0
            && let Some(id) = self.id(view, what, Metric::Counter)
        {
            abi::increment(id, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    /// Shows a value of a view.
    pub(crate) fn show(&mut self, view: View, what: &'static str, value: u64) {
        if let Some(id) = self.id(view, what, Metric::Gauge) {
            abi::record(id, value);
        }
    }

    /// The id of a metric, defined when it is needed first.
    fn id(&mut self, view: View, what: &'static str, kind: Metric) -> Option<u32> {
        if let Some((_, id)) = self.views.iter().find(|(known, _)| *known == (view, what)) {
            return *id;
        }
        let id = abi::define_metric(kind, &name(&label("view", view.as_str()), what));
        self.views.push(((view, what), id));
        id
    }
}

/// The host's name for a metric with these labels.
fn name(labels: &str, metric: &str) -> String {
    [labels, metric].concat()
}

/// A label. What could be taken for the end of a value is replaced.
fn label(name: &str, value: &str) -> String {
    format!("{name}=.={};.;", value.replace([';', '='], "_"))
}
