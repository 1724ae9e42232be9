//! Make before break (design decision 12): what the model compiled goes out in an order in which nothing points to
//! what is not there yet.
//!
//! New transport profiles are given to their [`Deliver`]; grants follow, and records at once, but for those whose profile
//! the gateway does not know yet. These wait, each key's latest, while everything else passes them. What is unused any
//! longer goes last: not before no record waits, because the one in force may still need it.

mod side;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    future,
    time::{Duration, Instant},
};

use fairlead_model::Changes;
use fairlead_wire::feed::{EgressRecord, IngressRecord, View};
use tokio::time::{sleep_until, timeout_at};

use crate::{deliver::Deliver, state::Shared};
use side::Side;

/// Brings changes to gateways.
pub struct Publisher {
    state: Shared,
    egress: Side<EgressRecord>,
    ingress: Side<IngressRecord>,
    /// Grants that no record names any longer, but perhaps one in force whose successor waits.
    retiring: BTreeSet<String>,
}

impl Publisher {
    /// With the ways to the gateways; a gateway without one is fed all the same.
    #[must_use]
    pub fn new(state: Shared, egress: Option<Box<dyn Deliver>>, ingress: Option<Box<dyn Deliver>>) -> Self {
        Self { state, egress: Side::new(egress), ingress: Side::new(ingress), retiring: BTreeSet::new() }
    }

    /// Publishes what became different, `seen` by the store then.
    pub fn publish(&mut self, changes: &Changes, seen: Instant) {
        self.egress.profiles(&changes.profiles);
        self.ingress.profiles(&changes.sink_profiles);
        for (id, spec) in &changes.grants {
            if let Some(spec) = spec {
                self.state.broker.set(id, spec.clone());
                self.retiring.remove(id);
            } else {
                self.retiring.insert(id.clone());
            }
        }
        self.egress.records(&self.state, &changes.egress, seen);
        self.ingress.records(&self.state, &changes.ingress, seen);
        self.state.metrics.published(seen.elapsed());
        self.advance();
    }

    /// Does what is due: publishes records whose profile has arrived, lets go what is unused, tries again what failed.
    pub fn advance(&mut self) {
        self.egress.advance(&self.state);
        self.ingress.advance(&self.state);
        if !self.waiting() {
            for id in std::mem::take(&mut self.retiring) {
                self.state.broker.retire(&id);
            }
        }
    }

    /// Returns when [`advance`](Self::advance) may have something to do. Dropping the future loses nothing.
    pub async fn due(&mut self) {
        let at = [self.egress.due(), self.ingress.due()].into_iter().flatten().min();
        let time = async {
            match at {
                Some(at) => sleep_until(at.into()).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            () = time => {}
            () = self.egress.changed() => {}
            () = self.ingress.changed() => {}
        }
    }

    /// Waits until no record waits, at most until `limit`; says whether that is so.
    pub async fn settled(&mut self, limit: Instant) -> bool {
        while self.waiting() {
            if timeout_at(limit.into(), self.due()).await.is_err() {
                return false;
            }
            self.advance();
        }
        true
    }

    /// How many profiles the gateways are to know.
    #[must_use]
    pub fn profiles(&self) -> usize {
        self.egress.count() + self.ingress.count()
    }

    /// Transport profiles that records have waited for at least so long: the Application, the gateway's view and the
    /// profile; not each once.
    pub fn undelivered(&self, patience: Duration) -> impl Iterator<Item = (&str, View, &str)> {
        let of = |view| move |(key, profile, seen): (_, _, Instant)| (view, key, profile, seen);
        let egress = self.egress.waiting_records().map(of(View::Egress));
        let all = egress.chain(self.ingress.waiting_records().map(of(View::Ingress)));
        all.filter(move |(.., seen)| seen.elapsed() >= patience).map(
            |(view, key, profile, _): (_, &str, _, _)| {
                (key.split_once('/').map_or(key, |(application, _)| application), view, profile)
            },
        )
    }

    fn waiting(&self) -> bool {
        self.egress.waiting() || self.ingress.waiting()
    }
}
