//! One gateway's half of what is published.

use std::{
    collections::{BTreeMap, BTreeSet},
    future,
    sync::Arc,
    time::Instant,
};

use fairlead_model::{ProfileChanges, Record};
use fairlead_wire::{
    feed::{EgressOutcome, EgressRecord, FeedRecord, IngressRecord},
    profile::PLAIN,
};

use crate::{deliver::Deliver, state::Shared};

/// Records of one view, and the way of their profiles to the gateway.
pub(super) struct Side<R> {
    delivery: Option<Box<dyn Deliver>>,
    /// Records by key whose profile is on its way.
    waiting: BTreeMap<Arc<str>, Waiting<R>>,
    /// Profiles that no record needs any longer, but perhaps one in force whose successor waits.
    unused: BTreeSet<String>,
    /// When the delivery wants to be called.
    due: Option<Instant>,
}

struct Waiting<R> {
    record: Record<R>,
    profile: String,
    seen: Instant,
}

/// What a record needs.
pub(super) trait Needs: FeedRecord {
    /// The transport profile that it names.
    fn profile(self) -> Option<String>;
}

impl Needs for EgressRecord {
    fn profile(self) -> Option<String> {
        match self.outcome {
            EgressOutcome::Route(route) => Some(route.profile),
            EgressOutcome::Refusal(_) => None,
        }
    }
}

impl Needs for IngressRecord {
    fn profile(self) -> Option<String> {
        self.sink.map(|sink| sink.profile)
    }
}

impl<R: Needs> Side<R> {
    pub(super) fn new(delivery: Option<Box<dyn Deliver>>) -> Self {
        Self { delivery, waiting: BTreeMap::new(), unused: BTreeSet::new(), due: None }
    }

    /// Has new profiles delivered, but for the plain one, which every gateway has from the start.
    pub(super) fn profiles(&mut self, changes: &ProfileChanges) {
        let Some(delivery) = &mut self.delivery else { return };
        for (id, profile) in changes.added.iter().filter(|(id, _)| *id != PLAIN) {
            delivery.add(profile);
            self.unused.remove(id);
        }
        self.unused.extend(changes.unused.iter().filter(|id| *id != PLAIN).cloned());
        // Even without changes the first call has a gateway's files written.
        self.due = delivery.work();
    }

    /// Publishes records, except those that have to wait.
    pub(super) fn records(
        &mut self,
        state: &Shared,
        changes: &[(Arc<str>, Option<Record<R>>)],
        seen: Instant,
    ) {
        let mut now = Vec::with_capacity(changes.len());
        for (key, record) in changes {
            // Whatever waited for this key is old now.
            self.waiting.remove(key);
            match record.as_ref().and_then(|record| Some((record, self.lacks(record)?))) {
                Some((record, profile)) => {
                    let waiting = Waiting { record: record.clone(), profile, seen };
                    self.waiting.insert(key.clone(), waiting);
                }
                None => now.push((key, record.as_ref())),
            }
        }
        publish(state, &now);
    }

    /// The profile that the gateway lacks for this record.
    fn lacks(&self, record: &Record<R>) -> Option<String> {
        let delivery = self.delivery.as_ref()?;
        let profile = record.read()?.profile()?;
        (profile != PLAIN && !delivery.has(&profile)).then_some(profile)
    }

    /// Publishes what need not wait any longer; when nothing waits, lets unused profiles go.
    pub(super) fn advance(&mut self, state: &Shared) {
        let Some(delivery) = &mut self.delivery else { return };
        self.due = delivery.work();
        if !self.waiting.is_empty() {
            let ready = self.waiting.extract_if(.., |_, waiting| delivery.has(&waiting.profile));
            let ready: Vec<_> = ready.collect();
            let records: Vec<_> = ready.iter().map(|(key, waiting)| (key, Some(&waiting.record))).collect();
            publish(state, &records);
            if let Some(seen) = ready.iter().map(|(_, waiting)| waiting.seen).min() {
                state.metrics.published(seen.elapsed());
            }
        }
        if self.waiting.is_empty() && !self.unused.is_empty() {
            for id in std::mem::take(&mut self.unused) {
                delivery.release(&id);
            }
            self.due = delivery.work();
        }
    }

    pub(super) fn waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Records that wait: key, profile, and since when.
    pub(super) fn waiting_records(&self) -> impl Iterator<Item = (&str, &str, Instant)> {
        self.waiting.iter().map(|(key, waiting)| (&**key, &*waiting.profile, waiting.seen))
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Returns when a profile may have arrived.
    pub(super) async fn changed(&mut self) {
        match &mut self.delivery {
            Some(delivery) => delivery.changed().await,
            None => future::pending().await,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.delivery.as_ref().map_or(0, |delivery| delivery.count())
    }
}

fn publish<R: FeedRecord>(state: &Shared, records: &[(&Arc<str>, Option<&Record<R>>)]) {
    if records.is_empty() {
        return;
    }
    let revision = state.lane(R::VIEW).change(|hub| {
        for (key, record) in records {
            hub.apply(key, *record);
        }
    });
    state.metrics.view(R::VIEW, state.lane(R::VIEW).read().len(), revision);
}
