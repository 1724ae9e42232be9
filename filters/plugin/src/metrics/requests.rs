//! Requests by application, service, entry and reason.
//!
//! A request only adds to numbers in the VM's own memory; [`flush`], at each tick, hands what has changed to the host.
//! Durations alone go to the host at once: a histogram wants each of them. The one call that costs a request something
//! is the question how many bytes its answer had (the host allocates in the module for whatever it returns).
//!
//! How many combinations of application, service and entry have metrics of their own is bounded: those that come later
//! share one that is called `other`. Only names that a record has are told apart, never what a caller makes up.

use std::cell::RefCell;

use fairlead_wire::{Reason, config::PluginConfig, feed::View, metrics::SPAN_TAGS};
use hashbrown::HashMap;

use super::{
    CANCELLED, DURATION, GRANTS, IN_FLIGHT, OK, OTHER, RECEIVED, REPLAYS, REQUESTS, SENT, label, name,
};
use crate::abi::{self, Metric};

/// A request in progress, as its stream keeps it.
#[derive(Clone, Copy)]
pub(crate) struct Meter {
    begun_ns: u64,
    entry: Option<usize>,
    reason: Option<&'static str>,
    received: u64,
    /// It waited, or waits, for a grant.
    waited: bool,
}

impl Meter {
    /// The stream has begun.
    pub(crate) fn new() -> Self {
        Self { begun_ns: abi::now_ns(), entry: None, reason: None, received: 0, waited: false }
    }

    /// It is a request to this record, or to none. Only the first word counts.
    pub(crate) fn is_for(&mut self, view: View, key: &[u8]) {
        if self.entry.is_some() {
            return;
        }
        let begun = with(|requests| Some((requests.begin(view, key)?, requests.traced)));
        self.entry = begun.map(|(entry, _)| entry);
        if begun.is_some_and(|(_, traced)| traced) {
            for (part, property) in key.split(|byte| *byte == b'/').zip(SPAN_TAGS) {
                abi::set_property(property, part);
            }
        }
    }

    /// Why it was answered as it was; the last word counts.
    pub(crate) fn reason(&mut self, reason: &'static str) {
        self.reason = Some(reason);
    }

    /// It waits for a grant.
    pub(crate) fn waits(&mut self) {
        self.waited = true;
    }

    /// It goes on with a grant.
    pub(crate) fn granted(&mut self) {
        let outcome = if std::mem::take(&mut self.waited) { "fetched" } else { "cached" };
        self.had(GRANTS, outcome);
    }

    /// It is refused by the plugin itself.
    pub(crate) fn refused(&mut self, view: View, reason: Reason) {
        self.is_for(view, &[]);
        self.reason(reason.as_str());
        if std::mem::take(&mut self.waited) {
            self.had(GRANTS, "failed");
        }
    }

    /// It was sent a second time, and answered with this status, if at all.
    pub(crate) fn replayed(&self, status: Option<u16>) {
        self.had(
            REPLAYS,
            match status {
                Some(200..400) => "accepted",
                Some(_) => "rejected",
                None => "failed",
            },
        );
    }

    /// A part of its body has come.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes as u64);
    }

    fn had(&self, what: &'static str, outcome: &'static str) {
        if let Some(entry) = self.entry {
            with(|requests| {
                requests.changed = true;
                requests.entries.get_mut(entry)?.had(what, outcome)
            });
        }
    }

    /// The stream has ended; its context is the one in effect.
    pub(crate) fn end(self) {
        let Some(entry) = self.entry else { return };
        let sent = number("response\0size");
        let reason = self.reason.unwrap_or_else(|| {
            // An answer without a body, or none at all: the caller has gone before.
            if sent == 0 && number("response\0code") == 0 { CANCELLED } else { OK }
        });
        let milliseconds = abi::now_ns().saturating_sub(self.begun_ns) / 1_000_000;
        with(|requests| {
            let entry = requests.entries.get_mut(entry)?;
            entry.end(reason, self.received, sent, milliseconds);
            requests.changed = true;
            Some(())
        });
    }
}

/// A plugin instance was configured: its limits hold from now on.
pub(crate) fn configure(config: &PluginConfig) {
    with(|requests| {
        requests.limit = usize::try_from(config.metered).unwrap_or(usize::MAX);
        requests.traced = config.traced;
        Some(())
    });
}

/// Hands what has changed to the host.
pub(crate) fn flush() {
    with(|requests| {
        if std::mem::take(&mut requests.changed) {
            requests.entries.iter_mut().for_each(Entry::flush);
        }
        Some(())
    });
}

thread_local! {
    static REQUESTS_OF_ALL: RefCell<Requests> = RefCell::default();
}

/// The host runs nothing of ours while this holds the borrow; should it, nothing is counted.
fn with<R>(f: impl FnOnce(&mut Requests) -> Option<R>) -> Option<R> {
    REQUESTS_OF_ALL.with(|requests| requests.try_borrow_mut().ok().and_then(|mut requests| f(&mut requests)))
}

#[derive(Default)]
struct Requests {
    egress: ByKey,
    ingress: ByKey,
    entries: Vec<Entry>,
    limit: usize,
    traced: bool,
    changed: bool,
}

type ByKey = HashMap<Box<[u8]>, usize, std::hash::BuildHasherDefault<Hasher>>;

impl Requests {
    /// One more in progress; the index of its entry.
    fn begin(&mut self, view: View, key: &[u8]) -> Option<usize> {
        let index = self.index(view, key);
        self.entries.get_mut(index)?.in_flight.add(1);
        self.changed = true;
        Some(index)
    }

    fn index(&mut self, view: View, key: &[u8]) -> usize {
        let by_key = match view {
            View::Egress => &mut self.egress,
            View::Ingress => &mut self.ingress,
        };
        if let Some(index) = by_key.get(key) {
            return *index;
        }
        // Without a name, and `other`, are always there.
        if !key.is_empty() && key != OTHER && self.entries.len() >= self.limit {
            return self.index(view, OTHER);
        }
        let index = self.entries.len();
        by_key.insert(key.into(), index);
        self.entries.push(Entry::new(view, key));
        index
    }
}

/// What is counted of one application, service and entry, and by what name.
struct Entry {
    labels: String,
    in_flight: Sum,
    duration: Option<u32>,
    /// Few reasons each: a linear search is the fastest.
    by_reason: Vec<(&'static str, [Sum; 3])>,
    outcomes: Vec<(&'static str, &'static str, Sum)>,
}

impl Entry {
    fn new(view: View, key: &[u8]) -> Self {
        let key: &[u8] = match view {
            View::Egress if key == OTHER => b"other/other/other",
            View::Ingress if key == OTHER => b"other",
            _ => key,
        };
        let mut labels = label("view", view.as_str());
        let mut parts = key.split(|byte| *byte == b'/').map(String::from_utf8_lossy);
        for name in ["application", "service", "entry"] {
            labels.push_str(&label(name, &parts.next().unwrap_or_default()));
        }
        Self {
            labels,
            in_flight: Sum::default(),
            duration: None,
            by_reason: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    fn had(&mut self, what: &'static str, outcome: &'static str) -> Option<()> {
        let at = self.outcomes.iter().position(|(known, word, _)| *known == what && *word == outcome);
        let at = at.unwrap_or_else(|| {
            self.outcomes.push((what, outcome, Sum::default()));
            self.outcomes.len().saturating_sub(1)
        });
        self.outcomes.get_mut(at)?.2.add(1);
        Some(())
    }

    fn end(&mut self, reason: &'static str, received: u64, sent: u64, milliseconds: u64) {
        self.in_flight.add(-1);
        let at = self.by_reason.iter().position(|(known, _)| *known == reason);
        let at = at.unwrap_or_else(|| {
            self.by_reason.push((reason, Default::default()));
            self.by_reason.len().saturating_sub(1)
        });
        if let Some((_, sums)) = self.by_reason.get_mut(at) {
            for (sum, by) in sums.iter_mut().zip([1, received, sent]) {
                sum.add(i64::try_from(by).unwrap_or(i64::MAX));
            }
        }
        let histogram = || abi::define_metric(Metric::Histogram, &name(&self.labels, DURATION));
        if let Some(id) = self.duration.or_else(histogram) {
            self.duration = Some(id);
            abi::record(id, milliseconds);
        }
    }

    fn flush(&mut self) {
        let Self { labels, in_flight, by_reason, outcomes, .. } = self;
        in_flight.flush(Metric::Gauge, &|| name(labels, IN_FLIGHT));
        for (reason, sums) in by_reason {
            for (sum, metric) in sums.iter_mut().zip([REQUESTS, RECEIVED, SENT]) {
                sum.flush(Metric::Counter, &|| name(&(labels.clone() + &label("reason", reason)), metric));
            }
        }
        for (metric, outcome, sum) in outcomes {
            sum.flush(Metric::Counter, &|| name(&(labels.clone() + &label("outcome", outcome)), metric));
        }
    }
}

/// What the host has not been told yet.
#[derive(Default)]
struct Sum {
    id: Option<u32>,
    by: i64,
}

impl Sum {
    fn add(&mut self, by: i64) {
        self.by = self.by.saturating_add(by);
    }

    fn flush(&mut self, kind: Metric, name: &dyn Fn() -> String) {
        // A metric is made at its first request, be its value 0: who adds all up must not miss one.
        if self.id.is_none() {
            self.id = abi::define_metric(kind, &name());
        }
        if let (Some(id), by @ (1.. | ..=-1)) = (self.id, std::mem::take(&mut self.by)) {
            abi::increment(id, by);
        }
    }
}

/// A property that is a whole number; 0 where there is none.
fn number(path: &str) -> u64 {
    let bytes = abi::property(path);
    let number = bytes.as_deref().and_then(<[u8]>::first_chunk).map(|bytes| i64::from_le_bytes(*bytes));
    number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

/// Keys are names of records, of which a caller chooses none: eight bytes a multiplication spread them enough.
#[derive(Default)]
struct Hasher(u64);

impl std::hash::Hasher for Hasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
