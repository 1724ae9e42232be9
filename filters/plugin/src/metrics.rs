//! The plugin's metrics, few and bounded: labels are the words of [`Reason`] and the names of views.
//!
//! A name is `fairlead.<metric>.<label>=<value>`; the bootstrap's `stats_tags` makes labels of it. Counters add up over
//! all VMs of a gateway; a gauge shows what the VM said that wrote last.

use std::collections::BTreeMap;

use fairlead_wire::{Reason, feed::View};

use crate::abi::{self, Metric};

/// Metrics that have been defined, with their ids.
#[derive(Default)]
pub(crate) struct Metrics {
    refusals: BTreeMap<Reason, Option<u32>>,
    views: BTreeMap<(View, &'static str), Option<u32>>,
}

impl Metrics {
    /// A VM has started.
    pub(crate) fn vm_started() {
        if let Some(id) = abi::define_metric(Metric::Counter, "fairlead.vm_starts") {
            abi::increment(id, 1);
        }
    }

    /// A request was refused.
    pub(crate) fn refused(&mut self, reason: Reason) {
        let id = self.refusals.entry(reason).or_insert_with(|| {
            abi::define_metric(Metric::Counter, &format!("fairlead.refusals.reason={reason}"))
        });
        if let Some(id) = id {
            abi::increment(*id, 1);
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
        *self
            .views
            .entry((view, what))
            .or_insert_with(|| abi::define_metric(kind, &format!("fairlead.{what}.view={}", view.as_str())))
    }
}
