//! A fetch under way: it runs on its own, so that a caller who leaves strands nobody.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fairlead_model::{CsrfAuth, GrantKind};
use fairlead_wire::{Reason, Refusal};
use secrecy::SecretString;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

use super::{
    super::{
        entry::{Entry, Flight, Held, State},
        exchange::shown,
        failure::{Blame, Failure, Trouble},
        fetch::Fetched,
        metrics::word,
        trouble::GrantTrouble,
    },
    Inner,
};

/// After a failed refresh the next try comes after a quarter of the remaining time, within these bounds.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

impl Inner {
    /// The fetch that is under way, or a new one.
    pub(super) fn join(self: &Arc<Self>, entry: &Arc<Entry>, state: &mut State, demanded: bool) -> Flight {
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        let (done, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let (inner, entry) = (self.clone(), entry.clone());
        tokio::spawn(async move {
            let started = Instant::now();
            inner.details.began();
            let fetched = inner.obtain(&entry, started + inner.config.timeout.get()).await;
            let outcome = match &fetched {
                Ok(_) => "ok",
                Err(failure) => failure.refusal.reason.as_str(),
            };
            inner.details.ended(&entry.spec.kind, demanded, outcome, started.elapsed());
            done.send_replace(Some(inner.land(&entry, fetched, demanded)));
        });
        flight
    }

    /// Keeps what came, or what failed, and says what is next.
    fn land(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        fetched: Result<Fetched, Failure>,
        demanded: bool,
    ) -> Result<Arc<Held>, Refusal> {
        let mut state = entry.lock();
        state.flight = None;
        match fetched {
            Ok(fetched) => {
                let held = state.take(fetched, demanded);
                if !self.active.load(Ordering::SeqCst) {
                    // Whoever waits gets it; whoever leads by now fetches its own.
                    state.forget();
                }
                drop(state);
                self.metrics.grant("fetched");
                self.troubles.end(&entry.id);
                let (id, kind, secret) = entry.named();
                tracing::info!(grant = id, kind, secret, serial = held.serial, "a grant was fetched");
                self.tend(entry, &held);
                Ok(held)
            }
            Err(failure) => {
                if failure.asked {
                    state.pace.failed(&self.config, &failure.refusal, Instant::now());
                }
                let (held, failures) = (state.usable(None), state.pace.failures());
                drop(state);
                self.metrics.grant("failed");
                self.trouble(entry, &failure, failures);
                tell(entry, &failure, failures);
                if let Some((serial, remaining)) =
                    held.and_then(|held| Some((held.serial, held.remaining()?)))
                {
                    tokio::spawn(self.renew_after(entry, serial, (remaining / 4).clamp(RETRY.0, RETRY.1)));
                }
                Err(failure.refusal)
            }
        }
    }

    /// Tells a failure that is worth it: one of some in a row, or of an endpoint that is not asked for that reason.
    fn trouble(&self, entry: &Entry, failure: &Failure, failures: u32) {
        let shut = failure.refusal.reason == Reason::TokenEndpointLimited;
        let lasts = failures >= self.config.failures_before_back_off.max(1);
        if (lasts || shut) && self.active.load(Ordering::SeqCst) {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let since = i64::try_from(since).unwrap_or(i64::MAX);
            let (secret, reason, cause) =
                (entry.spec.secret.clone(), failure.refusal.reason, failure.cause.clone());
            self.troubles.begin(&entry.id, GrantTrouble { secret, reason, cause, since });
        }
    }

    /// Looks after what is held: the next one in time, and its end if there is no next one.
    fn tend(self: &Arc<Self>, entry: &Arc<Entry>, held: &Held) {
        let (Some(renew), Some(end)) = (held.renew_in(), held.remaining()) else {
            return entry.lock().tended(None);
        };
        let renewal = self.renew_after(entry, held.serial, renew);
        let (weak, serial) = (Arc::downgrade(entry), held.serial);
        let task = tokio::spawn(async move {
            renewal.await;
            sleep(end.saturating_sub(renew)).await;
            if let Some(entry) = weak.upgrade() {
                entry.lock().expire(serial);
            }
        });
        entry.lock().tended(Some(task.abort_handle()));
    }

    /// Fetches the next one after `time`, if the one of `serial` is still held, was used, and its grant is known.
    fn renew_after(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        serial: u64,
        time: Duration,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (inner, entry) = (Arc::downgrade(self), Arc::downgrade(entry));
        async move {
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
        }
    }

    /// Asks the endpoint; for a CSRF session with the token of the grant that it names, and once more with a newer one
    /// if the endpoint does not take that.
    async fn obtain(self: &Arc<Self>, entry: &Entry, deadline: Instant) -> Result<Fetched, Failure> {
        let GrantKind::Csrf { with: CsrfAuth::Grant(linked) } = &entry.spec.kind else {
            return self.request(entry, None, deadline).await;
        };
        let token = self.linked(entry, &linked.id, None, deadline).await?;
        match self.request(entry, token.authorization(), deadline).await {
            Err(failure) if failure.unauthorized => {
                match self.linked(entry, &linked.id, Some(token.serial), deadline).await {
                    Ok(newer) => self.request(entry, newer.authorization(), deadline).await,
                    // What the endpoint said is the better answer.
                    Err(_) => Err(failure),
                }
            }
            answer => answer,
        }
    }

    /// The grant that a CSRF grant names.
    async fn linked(
        self: &Arc<Self>,
        entry: &Entry,
        id: &str,
        rejected: Option<u64>,
        deadline: Instant,
    ) -> Result<Arc<Held>, Failure> {
        match timeout_at(deadline, self.find(id, rejected).landed()).await {
            Ok(Some(outcome)) => outcome.map_err(Failure::elsewhere),
            Ok(None) => Err(Failure::unlinked()),
            Err(_) => {
                let error = "the token for it did not come in time".to_owned();
                Err(entry.failure(Trouble::Unreachable { error, blame: Blame::Nobody }))
            }
        }
    }

    /// One request, if the endpoint may be asked now.
    async fn request(
        &self,
        entry: &Entry,
        linked: Option<&SecretString>,
        deadline: Instant,
    ) -> Result<Fetched, Failure> {
        let pass = match &entry.gate {
            Some(gate) => Some(gate.pass(deadline).await.map_err(|trouble| entry.failure(trouble))?),
            None => None,
        };
        let fetched = self.fetch.fetch(&entry.spec, linked, deadline).await;
        if let Some(pass) = pass {
            pass.settle(fetched.as_ref().err().map(|failure| failure.blame));
        }
        fetched
    }
}

impl Entry {
    /// For logs: id, kind and Secret.
    fn named(&self) -> (&str, &'static str, &str) {
        (&self.id, word(&self.spec.kind), &self.spec.secret)
    }

    fn failure(&self, trouble: Trouble) -> Failure {
        let shown = self.spec.endpoint.as_ref().map(|endpoint| shown(&endpoint.url)).unwrap_or_default();
        trouble.failure(&self.spec.kind, &shown)
    }
}

/// A line for each failure: they are as rare as requests to endpoints.
fn tell(entry: &Entry, failure: &Failure, failures: u32) {
    let (id, kind, secret) = entry.named();
    let (reason, cause) = (failure.refusal.reason.as_str(), &failure.cause);
    if failure.asked {
        tracing::warn!(grant = id, kind, secret, reason, cause, failures, "a grant could not be fetched");
    } else {
        tracing::debug!(grant = id, kind, secret, reason, cause, "a grant was not asked for");
    }
}
