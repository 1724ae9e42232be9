//! One gate in front of each endpoint, for all grants from there: a bound for the requests under way, and a circuit
//! breaker. After some failures in a row nobody asks; when the time is over, one request tries, and what it finds opens
//! the gate or keeps it closed for twice as long.
//!
//! An endpoint is a URL without its query, with its trust and proxy: a private CA that is wrong in one Application closes
//! nothing for another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use fairlead_model::{Endpoint, Proxy, Trust};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::{
    exchange::shown,
    failure::{Blame, Trouble},
    metrics::GrantMetrics,
    pace::doubled,
};
use crate::config::GrantsConfig;

/// All gates, as long as a grant needs them.
pub(super) struct Gates {
    config: GrantsConfig,
    metrics: GrantMetrics,
    /// For all endpoints together.
    all: Arc<Semaphore>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    gates: HashMap<Key, Weak<Gate>>,
    /// Those that are gone are looked for when there are so many.
    sweep: usize,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    url: String,
    trust: Trust,
    proxy: Option<Proxy>,
}

/// One endpoint's gate.
pub(super) struct Gate {
    shown: String,
    config: GrantsConfig,
    metrics: GrantMetrics,
    all: Arc<Semaphore>,
    own: Semaphore,
    breaker: Mutex<Breaker>,
}

#[derive(Default)]
struct Breaker {
    /// In a row.
    failures: u32,
    /// How often in a row it was found closed.
    trips: u32,
    /// Nobody asks until then; afterwards one.
    closed_until: Option<Instant>,
    probing: bool,
}

/// Leave to ask. Dropping it without [`Pass::settle`] says nothing about the endpoint.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    probe: bool,
    _all: SemaphorePermit<'a>,
    _own: SemaphorePermit<'a>,
}

impl Gates {
    pub(super) fn new(config: GrantsConfig, metrics: GrantMetrics) -> Self {
        let all = Arc::new(Semaphore::new(permits(config.max_in_flight)));
        Self { config, metrics, all, known: Mutex::default() }
    }

    /// The gate of this endpoint.
    pub(super) fn of(&self, endpoint: &Endpoint) -> Arc<Gate> {
        let shown = shown(&endpoint.url);
        let key = Key { url: shown.clone(), trust: endpoint.trust.clone(), proxy: endpoint.proxy.clone() };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = known.gates.get(&key).and_then(Weak::upgrade) {
            return gate;
        }
        if known.gates.len() >= known.sweep {
            known.gates.retain(|_, gate| gate.strong_count() > 0);
            known.sweep = known.gates.len().saturating_mul(2).max(64);
        }
        let gate = Arc::new(Gate {
            shown,
            config: self.config.clone(),
            metrics: self.metrics.clone(),
            all: self.all.clone(),
            own: Semaphore::new(permits(self.config.max_in_flight_per_endpoint)),
            breaker: Mutex::default(),
        });
        known.gates.insert(key, Arc::downgrade(&gate));
        gate
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).gates.len()
    }
}

fn permits(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS)
}

impl Gate {
    /// Leave for one request, when there is room for it.
    ///
    /// # Errors
    /// The endpoint is not to be asked now, or too many requests are under way until `deadline`.
    pub(super) async fn pass(&self, deadline: Instant) -> Result<Pass<'_>, Trouble> {
        let shut = |wait: Duration| Trouble::Limited {
            why: "it failed too often and is not asked for a while",
            wait,
        };
        self.lock().shut(Instant::now()).map_or(Ok(()), |wait| Err(shut(wait)))?;
        let late = |_| Trouble::Limited {
            why: "too many requests to it are under way",
            wait: self.config.breaker_open.get(),
        };
        let turn = async { (self.own.acquire().await, self.all.acquire().await) };
        let (Ok(own), Ok(all)) = timeout_at(deadline, turn).await.map_err(late)? else {
            // A semaphore is never closed here.
            return Err(Trouble::Limited { why: "it cannot be asked", wait: Duration::ZERO });
        };
        // Much may have failed while it waited.
        let probe = self.lock().admit(Instant::now()).map_err(shut)?;
        Ok(Pass { gate: self, probe, _all: all, _own: own })
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// What the request came to: nothing, or whom its failure counts against.
    pub(super) fn settle(mut self, blame: Option<Blame>) {
        let gate = self.gate;
        let mut breaker = gate.lock();
        match blame {
            // An endpoint that refuses one grant does answer.
            None | Some(Blame::Grant) => {
                if breaker.opened() {
                    gate.metrics.breaker(false);
                    tracing::info!(endpoint = gate.shown, "an endpoint answers again");
                }
            }
            Some(Blame::Endpoint) => {
                let was_closed = breaker.closed_until.is_some();
                if let Some(time) = breaker.failed(&gate.config, self.probe, Instant::now()) {
                    let (endpoint, seconds) = (&gate.shown, time.as_secs_f32());
                    tracing::warn!(
                        endpoint,
                        seconds,
                        "an endpoint failed too often; it is not asked for a while"
                    );
                    if !was_closed {
                        gate.metrics.breaker(true);
                    }
                }
            }
            // Dropping it lets another one try.
            Some(Blame::Nobody) => return,
        }
        self.probe = false;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.gate.lock().probing = false;
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if self.lock().closed_until.is_some() {
            self.metrics.breaker(false);
        }
    }
}

impl Breaker {
    /// How long nobody may ask.
    fn shut(&self, now: Instant) -> Option<Duration> {
        let wait = self.closed_until?.saturating_duration_since(now);
        match wait.is_zero() {
            false => Some(wait),
            // What the one that tries finds will be known soon.
            true => self.probing.then_some(Duration::from_secs(1)),
        }
    }

    /// Whether the request is the one that tries; otherwise how long to wait.
    fn admit(&mut self, now: Instant) -> Result<bool, Duration> {
        if let Some(wait) = self.shut(now) {
            return Err(wait);
        }
        self.probing = self.closed_until.is_some();
        Ok(self.probing)
    }

    /// Success: whether it had been closed.
    fn opened(&mut self) -> bool {
        std::mem::take(self).closed_until.is_some()
    }

    /// Failure: for how long it is closed now, if this is what closed it.
    fn failed(&mut self, config: &GrantsConfig, probe: bool, now: Instant) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        let closes =
            probe || (self.closed_until.is_none() && self.failures >= config.breaker_failures.max(1));
        if !closes {
            return None;
        }
        let time = doubled(config.breaker_open.get(), self.trips, config.max_breaker_open.get());
        self.trips = self.trips.saturating_add(1);
        self.probing = false;
        self.closed_until = Some(now + time);
        Some(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> GrantsConfig {
        GrantsConfig { breaker_failures: 3, ..GrantsConfig::default() }
    }

    #[test]
    fn failures_in_a_row_close_the_gate_and_one_request_tries_it() {
        let (config, start, mut breaker) = (config(), Instant::now(), Breaker::default());
        for _ in 0..2 {
            assert_eq!(breaker.failed(&config, false, start), None);
        }
        assert!(!breaker.opened(), "a success in between starts anew");
        for _ in 0..2 {
            assert_eq!(breaker.failed(&config, false, start), None);
        }
        assert_eq!(breaker.admit(start), Ok(false));
        let first = breaker.failed(&config, false, start).unwrap();
        assert!((900..=1_100).contains(&first.as_millis()), "{first:?}");
        assert!(breaker.admit(start).is_err_and(|wait| wait == first));
        // Those that were under way change nothing.
        assert_eq!(breaker.failed(&config, false, start), None);
        let later = start + first;
        assert_eq!(breaker.admit(later), Ok(true), "the one that tries");
        assert!(breaker.admit(later).is_err(), "and no other");
        let second = breaker.failed(&config, true, later).unwrap();
        assert!((1_800..=2_200).contains(&second.as_millis()), "{second:?}");
        let mut at = later + second;
        for _ in 0..10 {
            assert_eq!(breaker.admit(at), Ok(true));
            let time = breaker.failed(&config, true, at).unwrap();
            assert!(time <= config.max_breaker_open.get());
            at += time;
        }
        assert_eq!(breaker.admit(at), Ok(true));
        assert!(breaker.opened());
        assert_eq!(breaker.admit(at), Ok(false));
        assert_eq!(breaker.failed(&config, false, at), None, "it counts from the start again");
    }

    #[tokio::test]
    async fn gates_are_shared_bounded_and_forgotten() {
        let config = GrantsConfig { max_in_flight_per_endpoint: 2, ..config() };
        let gates = Gates::new(config, GrantMetrics::default());
        let endpoint = |url: &str, trust| Endpoint { url: url.parse().unwrap(), trust, proxy: None };
        let gate = gates.of(&endpoint("https://a.test/t?tenant=1", Trust::System));
        assert!(Arc::ptr_eq(&gate, &gates.of(&endpoint("https://a.test/t?tenant=2", Trust::System))));
        assert!(!Arc::ptr_eq(&gate, &gates.of(&endpoint("https://a.test/t", Trust::Unverified))));
        let soon = || Instant::now() + Duration::from_millis(20);
        let first = gate.pass(soon()).await.ok().unwrap();
        let _second = gate.pass(soon()).await.ok().unwrap();
        assert!(matches!(gate.pass(soon()).await, Err(Trouble::Limited { .. })));
        drop(first);
        assert!(gate.pass(soon()).await.is_ok());
        for number in 0..1_000 {
            gates.of(&endpoint(&format!("https://{number}.test/"), Trust::System));
        }
        assert!(gates.len() <= 65, "{}", gates.len());
    }

    #[tokio::test]
    async fn a_try_that_is_given_up_lets_another_one_try() {
        let gates = Gates::new(GrantsConfig { breaker_failures: 1, ..config() }, GrantMetrics::default());
        let gate = gates.of(&Endpoint {
            url: "https://a.test/".parse().unwrap(),
            trust: Trust::System,
            proxy: None,
        });
        let soon = || Instant::now() + Duration::from_secs(5);
        gate.pass(soon()).await.ok().unwrap().settle(Some(Blame::Endpoint));
        assert!(gate.pass(soon()).await.is_err());
        gate.lock().closed_until = Some(Instant::now());
        let probe = gate.pass(soon()).await.ok().unwrap();
        assert!(probe.probe && gate.pass(soon()).await.is_err());
        drop(probe);
        let probe = gate.pass(soon()).await.ok().unwrap();
        assert!(probe.probe);
        probe.settle(Some(Blame::Nobody));
        gate.pass(soon()).await.ok().unwrap().settle(None);
        assert!(!gate.pass(soon()).await.ok().unwrap().probe, "it is open");
    }
}
