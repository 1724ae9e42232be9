//! Keeps grants: one fetch at a time for each, whoever asks; refreshed ahead of their end while they are used.
//!
//! The key of a grant is its id, and everything that is sent is part of the id (model: Secret and its version, URL,
//! trust, parameters), so that no two different requests ever share a token. Lifetimes count from the token's arrival
//! on a monotonic clock.

use std::{
    collections::HashMap,
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
    token::{self, Limits},
};
use crate::{config::GrantsConfig, dial::Dialler, telemetry::metrics::Metrics};

/// After a failed refresh the next try comes after a quarter of the remaining time, within these bounds.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// All grants of this control plane.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    dialler: Arc<Dialler>,
    config: GrantsConfig,
    metrics: Metrics,
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

impl Broker {
    /// Without any grant.
    #[must_use]
    pub fn new(dialler: Arc<Dialler>, config: GrantsConfig, metrics: Metrics) -> Self {
        let (slots, news, active) = (RwLock::default(), watch::Sender::new(0), AtomicBool::new(true));
        metrics.leading(true);
        Self(Arc::new(Inner { dialler, config, metrics, slots, news, active }))
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
        slots
            .entry(id.to_owned())
            .and_modify(|slot| slot.retired = None)
            .or_insert_with(|| Slot { entry: Arc::new(Entry::new(id.to_owned(), spec)), retired: None });
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
        let entry = {
            let slots = self.0.slots.read().unwrap_or_else(PoisonError::into_inner);
            slots.get(id).map(|slot| slot.entry.clone())
        };
        let Some(entry) = entry else { return GrantAnswer::Unknown };
        let flight = {
            let mut state = entry.lock();
            state.used = true;
            if let Some(held) = state.usable(rejected) {
                if held.renew_in().is_some_and(|time| time.is_zero()) {
                    self.0.join(&entry, &mut state, false);
                }
                self.0.metrics.grant("cached");
                return GrantAnswer::Granted(held.granted());
            }
            if let Some(serial) = rejected.filter(|_| state.usable(None).is_some())
                && let Err(seconds) = self.0.reject(&mut state, serial)
            {
                self.0.metrics.grant("limited");
                let text = "the target rejected the grant too often";
                return GrantAnswer::Refused(Refusal::retry(Reason::GrantLimited, seconds, text));
            }
            self.0.join(&entry, &mut state, true)
        };
        landed(flight).await
    }
}

/// What a fetch that is under way comes to.
async fn landed(mut flight: Flight) -> GrantAnswer {
    let outcome = match flight.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone(),
        Err(_) => None,
    };
    match outcome {
        Some(Ok(held)) => GrantAnswer::Granted(held.granted()),
        Some(Err(refusal)) => GrantAnswer::Refused(refusal),
        None => GrantAnswer::Refused(Refusal::retry(Reason::GrantTimeout, 1, "the grant was not fetched")),
    }
}

impl Inner {
    fn reject(&self, state: &mut State, serial: u64) -> Result<(), u32> {
        let max = usize::try_from(self.config.max_rejections).unwrap_or(usize::MAX);
        state.reject(serial, max, self.config.rejection_window.get())
    }

    /// The fetch that is under way, or a new one. It runs on its own, so that a caller who leaves strands nobody.
    fn join(self: &Arc<Self>, entry: &Arc<Entry>, state: &mut State, demanded: bool) -> Flight {
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        let (done, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let (inner, entry) = (self.clone(), entry.clone());
        tokio::spawn(async move {
            let limits = Limits {
                timeout: inner.config.timeout.get(),
                max_answer_bytes: usize::try_from(inner.config.max_answer_bytes).unwrap_or(usize::MAX),
            };
            let fetched = token::fetch(&inner.dialler, &entry.spec, limits).await;
            let outcome = {
                let mut state = entry.lock();
                state.flight = None;
                fetched.map(|token| state.take(token, demanded))
            };
            inner.note(&entry, &outcome);
            done.send_replace(Some(outcome));
        });
        flight
    }

    fn note(self: &Arc<Self>, entry: &Arc<Entry>, outcome: &Result<Arc<Held>, Refusal>) {
        match outcome {
            Ok(held) => {
                self.metrics.grant("fetched");
                tracing::info!(grant = entry.id, serial = held.serial, "a grant was fetched");
                if let Some(time) = held.renew_in() {
                    self.renew_after(entry, held.serial, time);
                }
            }
            Err(refusal) => {
                self.metrics.grant("failed");
                let (reason, answer) = (refusal.reason.as_str(), refusal.body.trim_end());
                tracing::warn!(grant = entry.id, reason, answer, "a grant could not be fetched");
                let held = entry.lock().usable(None);
                if let Some((serial, remaining)) =
                    held.and_then(|held| Some((held.serial, held.remaining()?)))
                {
                    self.renew_after(entry, serial, (remaining / 4).clamp(RETRY.0, RETRY.1));
                }
            }
        }
    }

    /// Fetches the next token after `time`, if the one of `serial` is still held, was used, and its grant is known.
    fn renew_after(self: &Arc<Self>, entry: &Arc<Entry>, serial: u64, time: Duration) {
        let (inner, entry) = (Arc::downgrade(self), Arc::downgrade(entry));
        tokio::spawn(async move {
            sleep(time).await;
            let (Some(inner), Some(entry)) = (inner.upgrade(), entry.upgrade()) else { return };
            if !inner.active.load(Ordering::SeqCst) {
                return;
            }
            let mut state = entry.lock();
            let current = state.usable(None).is_some_and(|held| held.serial == serial);
            if current && state.used {
                inner.join(&entry, &mut state, false);
            }
        });
    }
}
