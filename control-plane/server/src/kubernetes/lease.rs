//! Which replica leads: one Lease in our namespace, as Kubernetes' own controllers do it.
//!
//! The holder writes the Lease every `renew`. Another replica takes it over when it has not changed for `duration` on the
//! replica's *own* monotonic clock; times written in the Lease are for people. A holder that could not renew for two
//! thirds of `duration`, counted from when it sent the last renewal that succeeded, stops leading before anybody else can begin,
//! as long as clocks run at the same rate within a third. A clean stop gives the Lease back at once.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, ResourceExt,
    api::PostParams,
    runtime::{WatchStreamExt, watcher},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::Cluster;
use crate::{config::LeaseConfig, state::drained};

/// Annotation with the place at which other replicas reach the holder's mTLS port.
pub const ADDRESS: &str = "fairlead.kyma-project.io/address";
/// After a failed call the next try comes after this time.
const AGAIN: Duration = Duration::from_millis(500);

/// Who leads, as this replica knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// This replica does.
    pub leading: bool,
    /// Where the leader's mTLS port is, if there is a leader; it may just have gone.
    pub holder: Option<Arc<str>>,
    /// How often the Lease changed hands.
    pub term: i32,
}

/// Takes part in the election.
pub struct Elector {
    api: Api<Lease>,
    cluster: Cluster,
    config: LeaseConfig,
    told: watch::Sender<Leadership>,
    seen: Option<Seen>,
    /// When the last renewal that succeeded was sent; `None`: not leading.
    renewed: Option<Instant>,
}

/// The Lease as it was last seen to be different.
struct Seen {
    lease: Lease,
    since: Instant,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Write our name into it.
    Write,
    /// Nothing, for this long.
    Wait(Duration),
}

impl Elector {
    /// One that has not begun yet, and what it will tell.
    #[must_use]
    pub fn new(cluster: &Cluster) -> (Self, watch::Receiver<Leadership>) {
        let (told, leadership) = watch::channel(Leadership::default());
        let (api, config) = (cluster.ours(), cluster.config.lease.clone());
        (Self { api, cluster: cluster.clone(), config, told, seen: None, renewed: None }, leadership)
    }

    /// Takes part until the process drains, then gives the Lease back.
    pub async fn run(mut self, mut draining: watch::Receiver<bool>) {
        let mut changes = std::pin::pin!(changes(self.api.clone(), &self.config.name));
        loop {
            let wait = match self.step(Instant::now()) {
                Step::Write => self.write().await,
                Step::Wait(time) => time,
            };
            tokio::select! {
                () = drained(&mut draining) => return self.release().await,
                // A leader asks for itself, and nobody else may write: news of the watch may be older than its own.
                Some(lease) = changes.next() => if self.renewed.is_none() { self.see(lease) },
                () = sleep(wait) => {}
            }
        }
    }

    fn step(&self, now: Instant) -> Step {
        let Some(seen) = &self.seen else { return Step::Write };
        let until = match (holder(&seen.lease), self.renewed) {
            (Some(holder), Some(renewed)) if holder == &*self.cluster.identity => {
                renewed + self.config.renew.get()
            }
            (Some(holder), _) if holder != &*self.cluster.identity => seen.since + self.config.duration.get(),
            _ => now,
        };
        if until <= now { Step::Write } else { Step::Wait(until - now) }
    }

    /// Writes our name into the Lease unless somebody else did meanwhile; says how long to wait then.
    async fn write(&mut self) -> Duration {
        let sent = Instant::now();
        let limit = self.config.duration.get() / 3;
        let limit = self.end().map_or(limit, |end| limit.min(end.saturating_duration_since(sent)));
        let leading = self.renewed.is_some();
        match timeout(limit, self.attempt()).await {
            Ok(Ok(Some(lease))) => {
                self.renewed = Some(sent);
                self.see(Some(lease));
                return Duration::ZERO;
            }
            // Somebody else's: when it may be taken over is counted from now on.
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(%error, leading, "the Lease cannot be written"),
            Err(_) => tracing::warn!(leading, "the API server does not answer about the Lease"),
        }
        let left = self.end().map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            self.renewed = None;
            self.tell();
        }
        left.filter(|left| !left.is_zero()).map_or(AGAIN, |left| left.min(AGAIN))
    }

    /// When a leader that cannot renew has to stop leading.
    fn end(&self) -> Option<Instant> {
        self.renewed.map(|renewed| renewed + self.config.duration.get() * 2 / 3)
    }

    /// The Lease that is ours now, or none if somebody else's name is in it.
    async fn attempt(&mut self) -> kube::Result<Option<Lease>> {
        let Some(current) = self.api.get_opt(&self.config.name).await? else {
            return conflict(self.api.create(&PostParams::default(), &self.wanted(None)).await);
        };
        let changed = self.seen.as_ref().is_none_or(|seen| !same(&seen.lease, &current));
        let others = holder(&current).is_some_and(|holder| holder != &*self.cluster.identity);
        if others && changed {
            self.see(Some(current));
            return Ok(None);
        }
        // Its resource version makes sure that nobody was faster.
        let wanted = self.wanted(Some(&current));
        conflict(self.api.replace(&self.config.name, &PostParams::default(), &wanted).await)
    }

    fn wanted(&self, current: Option<&Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let mut lease = current.cloned().unwrap_or_default();
        if current.is_none() {
            lease.metadata = self.cluster.metadata(&self.config.name);
        }
        let annotations = lease.metadata.annotations.get_or_insert_with(BTreeMap::new);
        annotations.insert(ADDRESS.to_owned(), self.cluster.advertise.to_string());
        let before = current.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let own = before.holder_identity.as_deref() == Some(&*self.cluster.identity);
        let terms = before.lease_transitions.unwrap_or(0);
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.cluster.identity.to_string()),
            lease_duration_seconds: i32::try_from(self.config.duration.get().as_secs()).ok(),
            acquire_time: before.acquire_time.filter(|_| own).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(if own || current.is_none() { terms } else { terms.saturating_add(1) }),
            ..before
        });
        lease
    }

    /// Notes what the Lease says now, and tells it.
    fn see(&mut self, lease: Option<Lease>) {
        match lease {
            Some(lease) => {
                if self.seen.as_ref().is_none_or(|seen| !same(&seen.lease, &lease)) {
                    self.seen = Some(Seen { lease, since: Instant::now() });
                }
            }
            None => self.seen = None,
        }
        let ours = self.seen.as_ref().and_then(|seen| holder(&seen.lease)) == Some(&*self.cluster.identity);
        if !ours {
            self.renewed = None;
        }
        self.tell();
    }

    fn tell(&self) {
        let lease = self.seen.as_ref().map(|seen| &seen.lease);
        let held = lease.filter(|lease| holder(lease).is_some());
        let leadership = Leadership {
            leading: self.renewed.is_some(),
            holder: held.and_then(|lease| Some(lease.annotations().get(ADDRESS)?.as_str().into())),
            term: lease.and_then(|lease| lease.spec.as_ref()?.lease_transitions).unwrap_or(0),
        };
        self.told.send_if_modified(|told| {
            if *told == leadership {
                return false;
            }
            if told.leading != leadership.leading {
                let (leading, term) = (leadership.leading, leadership.term);
                tracing::info!(leading, term, "leadership of this replica changed");
            }
            *told = leadership;
            true
        });
    }

    async fn release(mut self) {
        if self.renewed.take().is_none() {
            return;
        }
        self.tell();
        let given_back = async {
            let mut lease = self.api.get(&self.config.name).await?;
            if holder(&lease) == Some(&*self.cluster.identity) {
                if let Some(spec) = lease.spec.as_mut() {
                    spec.holder_identity = None;
                    spec.renew_time = Some(MicroTime(Timestamp::now()));
                }
                self.api.replace(&self.config.name, &PostParams::default(), &lease).await?;
            }
            Ok::<_, kube::Error>(())
        };
        match timeout(self.config.duration.get() / 3, given_back).await {
            Ok(Ok(())) => tracing::info!("the Lease was given back"),
            Ok(Err(error)) => tracing::warn!(%error, "the Lease was not given back; it ends by itself"),
            Err(_) => tracing::warn!("the Lease was not given back; it ends by itself"),
        }
    }
}

/// The Lease after each change, `None` while there is none. Never ends.
fn changes(api: Api<Lease>, name: &str) -> impl Stream<Item = Option<Lease>> + Send + use<> {
    watcher::watch_object(api, name).default_backoff().filter_map(async |lease| {
        lease.inspect_err(|error| tracing::debug!(%error, "the watch of the Lease was interrupted")).ok()
    })
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// Whether the holder gave no sign of life between the two.
fn same(one: &Lease, other: &Lease) -> bool {
    let sign = |lease: &Lease| {
        let spec = lease.spec.clone().unwrap_or_default();
        (spec.holder_identity, spec.renew_time, spec.lease_transitions)
    };
    sign(one) == sign(other)
}

/// Somebody was faster: no error, but not ours.
fn conflict(result: kube::Result<Lease>) -> kube::Result<Option<Lease>> {
    match result {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(error),
    }
}
