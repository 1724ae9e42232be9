//! The plugin's metrics, few and bounded: labels are the words of [`Reason`] and the names of views.
//!
//! A name is `fairlead.<metric>.<label>=<value>`; the bootstrap's `stats_tags` makes labels of it. Counters add up over
//! all VMs of a gateway; a gauge shows what the VM said that wrote last.

use fairlead_wire::{Reason, feed::View};

use crate::abi::{self, Metric};

/// Metrics that have been defined, with their ids.
#[derive(Default)]
pub(crate) struct Metrics {
    refusals: Vec<(Reason, Option<u32>)>,
    views: Vec<((View, &'static str), Option<u32>)>,
}

impl Metrics {
    /// A VM has started. The host also starts one to try each new configuration, and drops it.
    pub(crate) fn vm_started() {
        if let Some(id) = abi::define_metric(Metric::Counter, "fairlead.vm_starts") {
            abi::increment(id, 1);
        }
    }

    /// A request was refused.
    pub(crate) fn refused(&mut self, reason: Reason) {
        let name = || format!("fairlead.refusals.reason={reason}");
        if let Some(id) = id(&mut self.refusals, reason, Metric::Counter, &name) {
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

    fn id(&mut self, view: View, what: &'static str, kind: Metric) -> Option<u32> {
        id(&mut self.views, (view, what), kind, &|| format!("fairlead.{what}.view={}", view.as_str()))
    }
}

/// The id of a metric, defined when it is needed first.
fn id<K: PartialEq>(
    known: &mut Vec<(K, Option<u32>)>,
    key: K,
    kind: Metric,
    name: &dyn Fn() -> String,
) -> Option<u32> {
    if let Some((_, id)) = known.iter().find(|(known, _)| *known == key) {
        return *id;
    }
    let id = abi::define_metric(kind, &name());
    known.push((key, id));
    id
}
