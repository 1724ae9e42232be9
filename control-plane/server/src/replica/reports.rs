//! What gateways tell the replicas that they poll, brought together on the leader: who is there, and which transport
//! profiles they lack (decision 31).
//!
//! Each replica looks at its own lanes ([`Lane`](crate::feed::serve::Lane)) every second; a follower sends what it sees
//! to the leader, the leader merges. What a replica said counts for a short time only.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use fairlead_wire::feed::View;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

use super::client::Client;
use crate::{
    kubernetes::{Leadership, Missing},
    state::{Shared, drained},
};

/// How often a replica looks at what gateways told it.
const LOOK: Duration = Duration::from_secs(1);
/// How often a follower tells the leader, though nothing changed.
const TELL: Duration = Duration::from_secs(5);
/// How long a report counts.
const COUNTS: Duration = Duration::from_secs(15);
/// How many replicas are listened to.
const REPLICAS: usize = 64;

/// What one replica knows of gateways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the replica.
    pub identity: String,
    /// Gateways that polled.
    pub gateways: Vec<Seen>,
    /// Profiles that they lack.
    pub missing: Vec<Missing>,
}

/// A gateway that polled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Its view.
    pub view: View,
    /// Its address.
    pub address: IpAddr,
    /// For how long it has had no poll open, milliseconds.
    pub silent_ms: u64,
}

/// The leader's collection.
#[derive(Default)]
pub struct Reports(Mutex<BTreeMap<String, (Instant, Report)>>);

impl Reports {
    /// Takes what a replica knows, instead of what it said before.
    pub fn take(&self, report: Report) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (at, _)| at.elapsed() < COUNTS);
        if all.len() < REPLICAS || all.contains_key(&report.identity) {
            all.insert(report.identity.clone(), (Instant::now(), report));
        }
    }

    /// Gateways by view and address, and for how long none of the replicas has had a poll of theirs.
    #[must_use]
    pub fn gateways(&self) -> BTreeMap<(View, IpAddr), Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gateways = BTreeMap::new();
        for (at, report) in all.values().filter(|(at, _)| at.elapsed() < COUNTS) {
            for seen in &report.gateways {
                let silent = Duration::from_millis(seen.silent_ms);
                // One that had a poll open when the report was made is not silent because the report has become old.
                let silent = if silent.is_zero() { silent } else { silent + at.elapsed() };
                let known = gateways.entry((seen.view, seen.address)).or_insert(silent);
                *known = silent.min(*known);
            }
        }
        gateways
    }

    /// Profiles that gateways lack, each once a gateway, with the earliest time.
    #[must_use]
    pub fn missing(&self) -> Arc<[Missing]> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: BTreeMap<_, Missing> = BTreeMap::new();
        let counting = all.values().filter(|(at, _)| at.elapsed() < COUNTS);
        for one in counting.flat_map(|(_, report)| &report.missing) {
            let known =
                missing.entry((one.view, one.gateway, one.profile.clone())).or_insert_with(|| one.clone());
            known.since = known.since.min(one.since);
        }
        missing.into_values().collect()
    }
}

/// What the task is made of.
pub struct Reporter {
    /// Name of this replica.
    pub identity: Arc<str>,
    /// The lanes.
    pub state: Shared,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
    /// The way to the leader.
    pub client: Client,
    /// Where reports come together.
    pub reports: Arc<Reports>,
    /// Told what gateways lack; nothing while another replica leads.
    pub missing: watch::Sender<Arc<[Missing]>>,
}

impl Reporter {
    /// Reports until the process drains.
    pub async fn run(self, mut draining: watch::Receiver<bool>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told: Option<(Arc<str>, Vec<Missing>, Instant)> = None;
        loop {
            tokio::select! {
                () = drained(&mut draining) => return,
                _ = looks.tick() => {}
            }
            let report = self.look();
            let now = self.leadership.borrow().clone();
            if now.leading {
                self.reports.take(report);
                self.tell(self.reports.missing());
                continue;
            }
            self.tell(Arc::default());
            let Some(leader) = now.holder else { continue };
            let news = told.as_ref().is_none_or(|(to, missing, at)| {
                *to != leader || *missing != report.missing || at.elapsed() >= TELL
            });
            if !news {
                continue;
            }
            let body = Bytes::from(serde_json::to_vec(&report).unwrap_or_default());
            match timeout(TELL, self.client.post(&leader, super::REPORTS, body)).await {
                Ok(Ok((status, _))) if status.is_success() => {
                    told = Some((leader, report.missing, Instant::now()));
                }
                Ok(Ok((status, _))) => tracing::debug!(%leader, %status, "the leader took no report"),
                Ok(Err(error)) => tracing::debug!(%leader, %error, "the leader took no report"),
                Err(_) => tracing::debug!(%leader, "the leader took no report in time"),
            }
        }
    }

    fn look(&self) -> Report {
        let lanes = [View::Egress, View::Ingress].map(|view| self.state.lane(view));
        Report {
            identity: self.identity.to_string(),
            gateways: lanes.iter().flat_map(|lane| lane.gateways()).collect(),
            missing: lanes.iter().flat_map(|lane| lane.missing()).collect(),
        }
    }

    fn tell(&self, missing: Arc<[Missing]>) {
        self.missing.send_if_modified(|told| {
            let changed = *told != missing;
            if changed {
                *told = missing;
            }
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn gateway(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    fn report(identity: &str, silent_ms: u64, since: i64) -> Report {
        let (view, address) = (View::Egress, gateway(1));
        let missing = Missing { view, gateway: address, profile: "p".to_owned(), since };
        let seen = Seen { view, address, silent_ms };
        Report { identity: identity.to_owned(), gateways: vec![seen], missing: vec![missing] }
    }

    #[test]
    fn reports_of_replicas_are_merged() {
        let reports = Reports::default();
        reports.take(report("a", 60_000, 20));
        assert!(reports.gateways()[&(View::Egress, gateway(1))] >= Duration::from_secs(60));
        reports.take(report("b", 0, 10));
        assert_eq!(reports.gateways()[&(View::Egress, gateway(1))], Duration::ZERO);
        assert_eq!(reports.missing().len(), 1);
        assert_eq!(reports.missing()[0].since, 10);
        reports.take(Report { missing: Vec::new(), ..report("b", 0, 10) });
        assert_eq!(reports.missing()[0].since, 20);
    }

    #[test]
    fn reports_are_bounded() {
        let reports = Reports::default();
        for n in 0..2 * REPLICAS {
            reports.take(report(&n.to_string(), 0, 0));
        }
        assert_eq!(reports.0.lock().unwrap().len(), REPLICAS);
    }
}
