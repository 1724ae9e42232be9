//! One grant: what is held, the fetch that is under way, and who may ask for another.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fairlead_model::GrantSpec;
use fairlead_wire::{
    Refusal,
    grant::{Csrf, Granted},
};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::watch, task::AbortHandle, time::Instant};

use super::{
    failure::seconds,
    fetch::{Content, Fetched},
    gate::Gate,
    life::Life,
    pace::Pace,
};
use crate::config::GrantsConfig;

/// What a fetch came to.
pub(super) type Outcome = Result<Arc<Held>, Refusal>;
/// What those who wait for a fetch hold.
pub(super) type Flight = watch::Receiver<Option<Outcome>>;

/// A grant of one id: its content never changes, because everything that is sent is part of the id.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) spec: Arc<GrantSpec>,
    /// In front of its endpoint; none where there is no endpoint.
    pub(super) gate: Option<Arc<Gate>>,
    state: Mutex<State>,
}

/// What changes about a grant.
#[derive(Default)]
pub(super) struct State {
    held: Option<Arc<Held>>,
    pub(super) flight: Option<Flight>,
    /// Asked for since `held` came: worth refreshing.
    pub(super) used: bool,
    /// Failures in a row.
    pub(super) pace: Pace,
    /// Serials up to here were given or rejected.
    serial: u64,
    /// When rejections were honoured, within the window.
    rejections: VecDeque<Instant>,
    /// Who looks after what is held.
    tending: Option<AbortHandle>,
}

/// A grant in use.
pub(super) struct Held {
    pub(super) serial: u64,
    content: Content,
    issued: Instant,
    life: Option<Life>,
}

/// A plugin that refreshes asks at most so often, but for a token that ends sooner.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Entry {
    pub(super) fn new(id: String, spec: Arc<GrantSpec>, gate: Option<Arc<Gate>>) -> Self {
        Self { id, spec, gate, state: Mutex::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is held, if it still can be used and is newer than what was rejected.
    pub(super) fn usable(&self, rejected: Option<u64>) -> Option<Arc<Held>> {
        let newer = |held: &&Arc<Held>| rejected.is_none_or(|serial| held.serial > serial);
        self.held.as_ref().filter(newer).filter(|held| !held.ended()).cloned()
    }

    /// Whoever asks has seen this serial, perhaps from before a restart and by another clock: ours go beyond it.
    pub(super) fn seen(&mut self, serial: u64) {
        self.serial = self.serial.max(serial);
    }

    /// Honours a rejection of what is held, within the limit; otherwise seconds until the next time.
    pub(super) fn reject(&mut self, config: &GrantsConfig, now: Instant) -> Result<(), u32> {
        let window = config.rejection_window.get();
        while self.rejections.pop_front_if(|at| now.duration_since(*at) >= window).is_some() {}
        let max = usize::try_from(config.max_rejections).unwrap_or(usize::MAX);
        if self.rejections.len() >= max {
            let oldest = self.rejections.front().map_or(window, |at| window - now.duration_since(*at));
            return Err(seconds(oldest));
        }
        self.rejections.push_back(now);
        self.held = None;
        Ok(())
    }

    /// Drops what is held, not the serials: they go on rising.
    pub(super) fn forget(&mut self) {
        self.held = None;
        self.used = false;
        self.rejections.clear();
        self.pace.succeeded();
    }

    /// Somebody else looks after what is held now: one timer a grant, however often it is replaced.
    pub(super) fn tended(&mut self, by: Option<AbortHandle>) {
        if let Some(before) = std::mem::replace(&mut self.tending, by) {
            before.abort();
        }
    }

    /// Drops what is held if it is still this one, and over.
    pub(super) fn expire(&mut self, serial: u64) {
        self.held.take_if(|held| held.serial == serial && held.ended());
    }

    #[cfg(test)]
    pub(super) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Takes a new grant. Serials rise, across restarts too: they are at least Unix milliseconds.
    pub(super) fn take(&mut self, fetched: Fetched, demanded: bool) -> Arc<Held> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        self.serial = self.serial.saturating_add(1).max(u64::try_from(now).unwrap_or(0));
        let luck = rand::rng().random_range(0.0..1.0);
        let held = Arc::new(Held {
            serial: self.serial,
            content: fetched.content,
            issued: Instant::now(),
            life: fetched.lifetime.map(|lifetime| Life::of(lifetime, luck)),
        });
        self.held = Some(held.clone());
        self.used = demanded;
        self.pace.succeeded();
        held
    }
}

/// A timer of a grant that nobody names any longer would keep its memory until the token's end.
impl Drop for State {
    fn drop(&mut self) {
        self.tended(None);
    }
}

impl Held {
    fn ended(&self) -> bool {
        self.life.is_some_and(|life| self.issued.elapsed() >= life.end)
    }

    /// Until the broker fetches the next one; `None`: never on its own.
    pub(super) fn renew_in(&self) -> Option<Duration> {
        self.life.map(|life| life.renew.saturating_sub(self.issued.elapsed()))
    }

    /// How long it can still be used; `None`: until rejected.
    pub(super) fn remaining(&self) -> Option<Duration> {
        self.life.map(|life| life.end.saturating_sub(self.issued.elapsed()))
    }

    /// Its `Authorization` value, if that is what it is.
    pub(super) fn authorization(&self) -> Option<&SecretString> {
        match &self.content {
            Content::Authorization(value) => Some(value),
            Content::Csrf { .. } => None,
        }
    }

    /// As a plugin gets it; lifetimes count from now.
    pub(super) fn granted(&self) -> Granted {
        let age = self.issued.elapsed();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (authorization, csrf) = match &self.content {
            Content::Authorization(value) => (value.expose_secret().to_owned(), None),
            Content::Csrf { token, cookies } => {
                let cookies = cookies.iter().map(|cookie| cookie.expose_secret().to_owned()).collect();
                (String::new(), Some(Csrf { token: token.expose_secret().to_owned(), cookies }))
            }
        };
        Granted {
            serial: self.serial,
            authorization,
            refresh_ms: self.life.map(|life| {
                let again = ASK_AGAIN.min(life.end.saturating_sub(age) / 2);
                milliseconds(life.refresh.saturating_sub(age).max(again))
            }),
            expires_ms: self.life.map(|life| milliseconds(life.end.saturating_sub(age))),
            csrf,
        }
    }
}
