//! What polls of one view tell about the gateways: who is there, what is in force, which transport profiles are
//! missing. Bounded, and forgotten when it is old.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use fairlead_wire::feed::{MAX_MISSING, Report, View};

use crate::{kubernetes::Missing, replica::reports, telemetry::metrics::Metrics};

/// How many published revisions wait for the first poll that shows them in force.
const PENDING: usize = 64;
/// A report of a missing profile counts for this long.
const MISSING_FOR: Duration = Duration::from_secs(60);
/// How many gateways are remembered.
const GATEWAYS: usize = 1_024;
/// For how long a gateway that left is remembered.
const REMEMBERED: Duration = Duration::from_secs(1_200);

/// All of it, behind one lock that is never held over an `await`.
#[derive(Default)]
pub(super) struct Seen(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Published, not yet in force anywhere.
    pending: VecDeque<(u64, Instant)>,
    gateways: BTreeMap<IpAddr, Gateway>,
}

struct Gateway {
    /// How many polls it has open.
    open: usize,
    /// When the last one ended.
    ended: Instant,
    /// Profiles that its Envoy lacks: since when, and last reported.
    missing: BTreeMap<String, (Instant, Instant)>,
}

/// A poll that is open; dropping it ends it.
pub(super) struct Open<'a>(&'a Seen, IpAddr);

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A revision was published.
    pub(super) fn published(&self, revision: u64) {
        let mut inner = self.lock();
        if inner.pending.len() == PENDING {
            inner.pending.pop_front();
        }
        inner.pending.push_back((revision, Instant::now()));
    }

    /// A gateway polls.
    pub(super) fn begin(&self, gateway: IpAddr) -> Open<'_> {
        self.lock().begin(gateway, Instant::now());
        Open(self, gateway)
    }

    /// What it says of itself; `ours`: the epoch that it names is this process's.
    pub(super) fn note(&self, from: IpAddr, report: &Report, ours: bool, view: View, metrics: &Metrics) {
        let now = Instant::now();
        let mut inner = self.lock();
        if ours {
            while let Some((_, published)) = inner.pending.pop_front_if(|(at, _)| *at <= report.revision) {
                metrics.propagation(view, now.duration_since(published));
            }
        }
        inner.lacks(from, &report.missing_profiles, now);
    }

    /// Gateways, and for how long they have been silent.
    pub(super) fn gateways(&self, view: View) -> Vec<reports::Seen> {
        let (inner, now) = (self.lock(), Instant::now());
        let seen = |(address, gateway): (&IpAddr, &Gateway)| reports::Seen {
            view,
            address: *address,
            silent_ms: gateway.silent_ms(now),
        };
        inner.gateways.iter().map(seen).collect()
    }

    /// Profiles that were reported missing within the last minute.
    pub(super) fn missing(&self, view: View) -> Vec<Missing> {
        let mut inner = self.lock();
        inner.forget(Instant::now());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let gateways = inner.gateways.iter();
        let missing = gateways.flat_map(|(address, gateway)| {
            gateway.missing.iter().map(|(profile, (first, _))| Missing {
                view,
                gateway: *address,
                profile: profile.clone(),
                since: i64::try_from(now.saturating_sub(first.elapsed()).as_secs()).unwrap_or(i64::MAX),
            })
        });
        missing.collect()
    }

    /// The same by profile: for how long any gateway has lacked it.
    pub(super) fn missing_profiles(&self) -> Vec<(String, Duration)> {
        self.lock().missing_profiles(Instant::now())
    }
}

impl Inner {
    fn begin(&mut self, gateway: IpAddr, now: Instant) {
        self.forget(now);
        if let Some(gateway) = self.gateway(gateway, now) {
            gateway.open += 1;
        }
    }

    fn end(&mut self, gateway: IpAddr, now: Instant) {
        if let Some(gateway) = self.gateways.get_mut(&gateway) {
            gateway.open = gateway.open.saturating_sub(1);
            gateway.ended = now;
        }
    }

    fn lacks(&mut self, gateway: IpAddr, profiles: &[String], now: Instant) {
        let Some(gateway) = self.gateway(gateway, now) else { return };
        for profile in profiles.iter().take(MAX_MISSING) {
            if gateway.missing.len() < MAX_MISSING || gateway.missing.contains_key(profile) {
                gateway.missing.entry(profile.clone()).or_insert((now, now)).1 = now;
            }
        }
    }

    fn missing_profiles(&mut self, now: Instant) -> Vec<(String, Duration)> {
        self.forget(now);
        let mut profiles = BTreeMap::new();
        for (profile, (first, last)) in self.gateways.values().flat_map(|gateway| &gateway.missing) {
            let time = profiles.entry(profile.clone()).or_insert(Duration::ZERO);
            *time = last.duration_since(*first).max(*time);
        }
        profiles.into_iter().collect()
    }

    /// The entry of a gateway; none when there are too many.
    fn gateway(&mut self, address: IpAddr, now: Instant) -> Option<&mut Gateway> {
        if self.gateways.len() >= GATEWAYS && !self.gateways.contains_key(&address) {
            return None;
        }
        let new = || Gateway { open: 0, ended: now, missing: BTreeMap::new() };
        Some(self.gateways.entry(address).or_insert_with(new))
    }

    fn forget(&mut self, now: Instant) {
        for gateway in self.gateways.values_mut() {
            gateway.missing.retain(|_, (_, last)| now.duration_since(*last) < MISSING_FOR);
        }
        self.gateways.retain(|_, gateway| gateway.open > 0 || now.duration_since(gateway.ended) < REMEMBERED);
    }
}

impl Gateway {
    /// Milliseconds since its last poll ended; 0 while one is open.
    fn silent_ms(&self, now: Instant) -> u64 {
        match self.open {
            0 => u64::try_from(now.duration_since(self.ended).as_millis()).unwrap_or(u64::MAX).max(1),
            _ => 0,
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.lock().end(self.1, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_gateway_is_silent_from_the_end_of_its_last_poll_on() {
        let (mut inner, now) = (Inner::default(), Instant::now());
        inner.begin(GATEWAY, now);
        inner.begin(GATEWAY, now);
        inner.end(GATEWAY, now);
        assert_eq!(inner.gateways[&GATEWAY].silent_ms(now + SECOND), 0);
        inner.end(GATEWAY, now + SECOND);
        assert_eq!(inner.gateways[&GATEWAY].silent_ms(now + 3 * SECOND), 2_000);
        inner.begin(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), now + SECOND + REMEMBERED);
        assert_eq!(inner.gateways.len(), 1);
    }

    #[test]
    fn missing_profiles_are_kept_a_minute_and_bounded() {
        let (mut inner, now) = (Inner::default(), Instant::now());
        let profiles: Vec<String> = (0..2 * MAX_MISSING).map(|n| format!("p{n:03}")).collect();
        inner.lacks(GATEWAY, &profiles, now);
        inner.lacks(GATEWAY, &profiles, now + 30 * SECOND);
        let missing = inner.missing_profiles(now + 60 * SECOND);
        assert_eq!(missing.len(), MAX_MISSING);
        assert_eq!(missing[0], ("p000".to_owned(), 30 * SECOND));
        assert!(inner.missing_profiles(now + 30 * SECOND + MISSING_FOR).is_empty());
    }
}
