//! One grant: the token that is held, the fetch that is under way, and who may ask for another.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fairlead_model::GrantSpec;
use fairlead_wire::{Refusal, grant::Granted};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::{sync::watch, time::Instant};

use super::token::Token;

/// What a fetch came to.
pub(super) type Outcome = Result<Arc<Held>, Refusal>;
/// What those who wait for a fetch hold.
pub(super) type Flight = watch::Receiver<Option<Outcome>>;

/// A grant of one id: its content never changes, because everything that is sent is part of the id.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) spec: Arc<GrantSpec>,
    state: Mutex<State>,
}

/// What changes about a grant.
#[derive(Default)]
pub(super) struct State {
    pub(super) held: Option<Arc<Held>>,
    pub(super) flight: Option<Flight>,
    /// Asked for since `held` came: worth refreshing.
    pub(super) used: bool,
    /// Serials up to here were given or rejected.
    serial: u64,
    /// When rejections were honoured, within the window.
    rejections: VecDeque<Instant>,
}

/// A token in use.
pub(super) struct Held {
    pub(super) serial: u64,
    authorization: SecretString,
    issued: Instant,
    life: Option<Life>,
}

/// Moments of a token's life, from its issue on.
#[derive(Clone, Copy, Debug)]
struct Life {
    /// The broker fetches the next one.
    renew: Duration,
    /// Plugins ask for the next one.
    refresh: Duration,
    /// It is not used any longer.
    end: Duration,
}

/// AG §8.3: two seconds before its end a token is not used any longer.
const MARGIN: Duration = Duration::from_secs(2);
/// A plugin that refreshes asks at most so often.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Life {
    /// Of a token that is good for `lifetime`. `luck` in 0..1 spreads the renewals of many.
    fn of(lifetime: Duration, luck: f64) -> Self {
        // The margin must not eat up a token of one or two seconds.
        let end = lifetime.saturating_sub(MARGIN.min(lifetime / 2));
        Self { renew: end.mul_f64(0.7 + luck / 10.0), refresh: end.mul_f64(0.85), end }
    }
}

impl Entry {
    pub(super) fn new(id: String, spec: Arc<GrantSpec>) -> Self {
        Self { id, spec, state: Mutex::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The token that is held, if it still can be used and is newer than what was rejected.
    pub(super) fn usable(&self, rejected: Option<u64>) -> Option<Arc<Held>> {
        let newer = |held: &&Arc<Held>| rejected.is_none_or(|serial| held.serial > serial);
        self.held.as_ref().filter(newer).filter(|held| !held.ended()).cloned()
    }

    /// Honours the rejection of `serial`, at most `max` times within `window`; otherwise seconds until the next time.
    pub(super) fn reject(&mut self, serial: u64, max: usize, window: Duration) -> Result<(), u32> {
        let now = Instant::now();
        while self.rejections.pop_front_if(|at| now.duration_since(*at) >= window).is_some() {}
        if self.rejections.len() >= max {
            let oldest = self.rejections.front().map_or(window, |at| window - now.duration_since(*at));
            return Err(u32::try_from(oldest.as_secs()).unwrap_or(u32::MAX).saturating_add(1));
        }
        self.rejections.push_back(now);
        self.serial = self.serial.max(serial);
        self.held = None;
        Ok(())
    }

    /// Drops the token, not the serials: they go on rising.
    pub(super) fn forget(&mut self) {
        self.held = None;
        self.used = false;
        self.rejections.clear();
    }

    /// Takes a new token. Serials rise, across restarts too: they are at least Unix milliseconds.
    pub(super) fn take(&mut self, token: Token, demanded: bool) -> Arc<Held> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        self.serial = self.serial.saturating_add(1).max(u64::try_from(now).unwrap_or(0));
        let luck = rand::rng().random_range(0.0..1.0);
        let held = Arc::new(Held {
            serial: self.serial,
            authorization: token.authorization,
            issued: Instant::now(),
            life: token.lifetime.map(|lifetime| Life::of(lifetime, luck)),
        });
        self.held = Some(held.clone());
        self.used = demanded;
        held
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

    /// As the plugin gets it, lifetimes from now on.
    pub(super) fn granted(&self) -> Granted {
        let age = self.issued.elapsed();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Granted {
            serial: self.serial,
            authorization: self.authorization.expose_secret().to_owned(),
            refresh_ms: self.life.map(|life| milliseconds(life.refresh.saturating_sub(age).max(ASK_AGAIN))),
            expires_ms: self.life.map(|life| milliseconds(life.end.saturating_sub(age))),
            csrf: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_is_two_seconds_shorter_than_the_token_but_never_none() {
        for (lifetime, end) in
            [(1_000, 500), (2_000, 1_000), (3_000, 1_500), (4_000, 2_000), (3_600_000, 3_598_000)]
        {
            let life = Life::of(Duration::from_millis(lifetime), 0.5);
            assert_eq!(life.end, Duration::from_millis(end));
            assert!(life.renew < life.refresh && life.refresh < life.end, "{life:?}");
        }
    }
}
