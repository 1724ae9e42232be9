//! Keeps grants: one fetch at a time for each, whoever asks; refreshed ahead of their end while they are used.
//!
//! The key of a grant is its id, and everything that is sent is part of the id (model: kind, Secret and its version, URL,
//! trust, proxy, linked grant), so that no two different requests ever share a token, nor two credentials a CSRF session.
//! Lifetimes count from the arrival on a monotonic clock. Nothing is ever stored: after a restart only the plugins have
//! grants, and ask when they need others.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fairlead_model::GrantSpec;
use fairlead_wire::{Reason, Refusal, grant::GrantAnswer};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    entry::{Entry, Flight, Held, State},
    fetch::{Fetch, Network},
    gate::Gates,
    metrics::GrantMetrics,
    trouble::{GrantTrouble, Troubles},
};
use crate::{config::GrantsConfig, dial::Dialler, telemetry::metrics::Metrics};

mod flight;
#[cfg(test)]
mod tests;

/// All grants of this control plane.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    fetch: Arc<dyn Fetch>,
    config: GrantsConfig,
    metrics: Metrics,
    details: GrantMetrics,
    gates: Gates,
    troubles: Troubles,
    slots: RwLock<HashMap<String, Slot>>,
    /// Counts what was made known.
    news: watch::Sender<u64>,
    /// Grants are fetched here: this replica leads, or there is only one.
    active: AtomicBool,
}

struct Slot {
    entry: Arc<Entry>,
    /// No resource names it any longer since then.
    retired: Option<Instant>,
}

/// What a question can be answered with at once, or what it waits for.
enum Found {
    Held(Arc<Held>),
    Refused(Refusal),
    Unknown,
    Flight(Flight),
}

impl Broker {
    /// Without any grant.
    #[must_use]
    pub fn new(dialler: Arc<Dialler>, config: GrantsConfig, metrics: Metrics) -> Self {
        let max_answer = usize::try_from(config.max_answer_bytes).unwrap_or(usize::MAX);
        Self::with(Arc::new(Network { dialler, max_answer }), config, metrics)
    }

    fn with(fetch: Arc<dyn Fetch>, config: GrantsConfig, metrics: Metrics) -> Self {
        metrics.leading(true);
        let details = metrics.grant_details.clone();
        Self(Arc::new(Inner {
            fetch,
            gates: Gates::new(config.clone(), details.clone()),
            config,
            metrics,
            details,
            troubles: Troubles::default(),
            slots: RwLock::default(),
            news: watch::Sender::new(0),
            active: AtomicBool::new(true),
        }))
    }

    /// Says whether grants are to be fetched here. One that is not active any longer forgets its tokens and refreshes
    /// nothing: whoever leads does.
    pub fn activate(&self, active: bool) {
        self.0.active.store(active, Ordering::SeqCst);
        self.0.metrics.leading(active);
        if active {
            return;
        }
        let slots = self.0.slots.read().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.values() {
            slot.entry.lock().forget();
        }
        self.0.troubles.clear();
    }

    /// Why the grant `id` cannot be had, if that has been so for some tries in a row.
    #[must_use]
    pub fn trouble(&self, id: &str) -> Option<Arc<GrantTrouble>> {
        self.0.troubles.of(id)
    }

    /// Waits for news of troubles; the ids of grants whose trouble began, changed or is over. For one reader.
    pub async fn troubled(&self) -> BTreeSet<String> {
        self.0.troubles.news().await
    }

    /// Waits until the grant `id` is known, at most for `limit`.
    pub async fn known(&self, id: &str, limit: Duration) {
        let mut news = self.0.news.subscribe();
        let known = || self.0.slots.read().unwrap_or_else(PoisonError::into_inner).contains_key(id);
        // The time being over, whoever asks finds out that it is not known.
        let _ = timeout(limit, news.wait_for(|_| known())).await;
    }

    /// Makes a grant known. Nothing is fetched before it is asked for. An id that is known already keeps its token.
    pub fn set(&self, id: &str, spec: Arc<GrantSpec>) {
        let mut slots = self.0.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.entry(id.to_owned()).and_modify(|slot| slot.retired = None).or_insert_with(|| {
            let gate = spec.endpoint.as_ref().ok().map(|endpoint| self.0.gates.of(endpoint));
            Slot { entry: Arc::new(Entry::new(id.to_owned(), spec, gate)), retired: None }
        });
        self.0.details.known(slots.len());
        drop(slots);
        self.0.news.send_modify(|news| *news += 1);
    }

    /// No resource names this grant any longer: it is given for a short time yet, because gateways may be one change
    /// behind, and then forgotten with its token. Call it within a runtime.
    pub fn retire(&self, id: &str) {
        let mut slots = self.0.slots.write().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = slots.get_mut(id) else { return };
        slot.retired = Some(Instant::now());
        drop(slots);
        let (inner, id, after) = (self.0.clone(), id.to_owned(), self.0.config.retire_after.get());
        tokio::spawn(async move {
            sleep(after).await;
            let mut slots = inner.slots.write().unwrap_or_else(PoisonError::into_inner);
            let due = |slot: &Slot| slot.retired.is_some_and(|since| since.elapsed() >= after);
            if slots.get(&id).is_some_and(due) {
                slots.remove(&id);
                inner.troubles.end(&id);
                inner.details.known(slots.len());
            }
        });
    }

    /// How many grants are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.slots.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no grant is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The grant `id`, newer than `rejected` if given. Waits for a fetch only when none can be used.
    pub async fn ask(&self, id: &str, rejected: Option<u64>) -> GrantAnswer {
        let found = self.0.find(id, rejected);
        match &found {
            Found::Held(_) => self.0.metrics.grant("cached"),
            Found::Refused(refusal) => {
                let limited = refusal.retry_after.is_some();
                self.0.metrics.grant(if limited { "limited" } else { "failed" });
            }
            // A fetch is counted when it is over, once for all who wait for it.
            Found::Unknown | Found::Flight(_) => {}
        }
        match found.landed().await {
            Some(Ok(held)) => GrantAnswer::Granted(held.granted()),
            Some(Err(refusal)) => GrantAnswer::Refused(refusal),
            None => GrantAnswer::Unknown,
        }
    }
}

impl Found {
    /// What there is, or what comes; `None`: the grant is not known.
    async fn landed(self) -> Option<Result<Arc<Held>, Refusal>> {
        let mut flight = match self {
            Self::Held(held) => return Some(Ok(held)),
            Self::Refused(refusal) => return Some(Err(refusal)),
            Self::Unknown => return None,
            Self::Flight(flight) => flight,
        };
        let outcome = match flight.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        let lost = || Err(Refusal::retry(Reason::GrantTimeout, 1, "the grant was not fetched"));
        Some(outcome.unwrap_or_else(lost))
    }
}

impl Inner {
    fn entry(&self, id: &str) -> Option<Arc<Entry>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.get(id).map(|slot| slot.entry.clone())
    }

    fn find(self: &Arc<Self>, id: &str, rejected: Option<u64>) -> Found {
        let Some(entry) = self.entry(id) else { return Found::Unknown };
        if let Err(refusal) = &entry.spec.endpoint {
            return Found::Refused(refusal.clone());
        }
        let mut state = entry.lock();
        state.used = true;
        rejected.into_iter().for_each(|serial| state.seen(serial));
        if let Some(held) = state.usable(rejected) {
            if held.renew_in().is_some_and(|time| time.is_zero()) {
                self.refresh(&entry, &mut state);
            }
            return Found::Held(held);
        }
        let now = Instant::now();
        if rejected.is_some()
            && state.usable(None).is_some()
            && let Err(seconds) = state.reject(&self.config, now)
        {
            let text = "the target rejected the grant too often";
            return Found::Refused(Refusal::retry(Reason::GrantLimited, seconds, text));
        }
        match state.pace.refusal(now).filter(|_| state.flight.is_none()) {
            Some(refusal) => Found::Refused(refusal),
            None => Found::Flight(self.join(&entry, &mut state, true)),
        }
    }

    /// Fetches the next one while this one goes on, unless that failed just now.
    fn refresh(self: &Arc<Self>, entry: &Arc<Entry>, state: &mut State) {
        if state.pace.refusal(Instant::now()).is_none() {
            self.join(entry, state, false);
        }
    }
}
