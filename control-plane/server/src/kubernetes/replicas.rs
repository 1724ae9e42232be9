//! Which replicas live, and which modules each serves: a Lease per replica beside the one of the leader.
//!
//! A replica writes its own Lease every `renew`, with what it serves in annotations; it lives as long as the Lease changes
//! within `duration` on the observer's clock. A clean stop removes it; the leader removes those that have been dead for long.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use futures_util::StreamExt;
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Cluster, Leadership, MANAGER, call};
use crate::state::drained;

/// Label of replicas' Leases; its value is the name of the leader's Lease.
const LABEL: &str = "fairlead.kyma-project.io/replica-of";
/// Annotation: digest of the module that the replica was built with.
const OWN: &str = "fairlead.kyma-project.io/module";
/// Annotation: digests of the modules that it serves, joined by commas.
const SERVED: &str = "fairlead.kyma-project.io/modules";
/// A Lease that has not changed for this many times `duration` is removed.
const DEAD: u32 = 20;

/// A replica that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its name.
    pub identity: String,
    /// Digest of the module that it was built with.
    pub own: Arc<str>,
    /// Digests of the modules that it serves.
    pub modules: BTreeSet<Arc<str>>,
}

/// Announces this replica and watches the others.
pub struct Replicas {
    /// The cluster.
    pub cluster: Cluster,
    /// Digest of the module that this one was built with.
    pub own: Arc<str>,
    /// What this one serves.
    pub served: watch::Receiver<Vec<Arc<str>>>,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
    /// Told who lives.
    pub live: watch::Sender<Arc<[Live]>>,
}

struct Seen {
    lease: Lease,
    since: Instant,
}

impl Replicas {
    /// Until the process drains.
    pub async fn run(mut self, mut draining: watch::Receiver<bool>) {
        let lease = self.cluster.config.lease.clone();
        let api: Api<Lease> = self.cluster.ours();
        let selector = format!("{LABEL}={}", lease.name);
        let events =
            watcher::watcher(api.clone(), watcher::Config::default().labels(&selector)).default_backoff();
        let mut events = std::pin::pin!(events);
        let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
        let mut fresh = BTreeSet::new();
        let mut announce = true;
        let mut next = Instant::now();
        loop {
            if announce || next <= Instant::now() {
                announce = false;
                next = Instant::now() + lease.renew.get();
                self.announce(&api).await;
                self.remove_dead(&api, &seen).await;
            }
            self.tell(&seen);
            tokio::select! {
                () = drained(&mut draining) => break,
                Ok(()) = self.served.changed() => announce = true,
                Some(event) = events.next() => match event {
                    Ok(Event::Init) => fresh.clear(),
                    Ok(Event::InitApply(lease)) => {
                        fresh.insert(lease.name_any());
                        note(&mut seen, lease);
                    }
                    Ok(Event::InitDone) => seen.retain(|name, _| fresh.contains(name)),
                    Ok(Event::Apply(lease)) => note(&mut seen, lease),
                    Ok(Event::Delete(lease)) => {
                        seen.remove(&lease.name_any());
                    }
                    Err(error) => tracing::debug!(%error, "the watch of replicas was interrupted"),
                },
                () = sleep(next.saturating_duration_since(Instant::now())) => {}
            }
        }
        let gone = async { api.delete(&self.name(), &DeleteParams::default()).await };
        if !matches!(timeout(lease.duration.get() / 3, gone).await, Ok(Ok(_))) {
            tracing::info!("this replica's Lease was not removed; the leader does that later");
        }
    }

    fn name(&self) -> String {
        format!("{}-{}", self.cluster.config.lease.name, self.cluster.identity)
    }

    async fn announce(&mut self, api: &Api<Lease>) {
        let mut metadata = self.cluster.metadata(&self.name());
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(LABEL.to_owned(), self.cluster.config.lease.name.clone());
        let served = self.served.borrow_and_update().join(",");
        let annotations = [(OWN, self.own.to_string()), (SERVED, served)];
        metadata.annotations = Some(annotations.map(|(key, value)| (key.to_owned(), value)).into());
        let lease = Lease {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(self.cluster.identity.to_string()),
                lease_duration_seconds: i32::try_from(self.cluster.config.lease.duration.get().as_secs())
                    .ok(),
                renew_time: Some(MicroTime(Timestamp::now())),
                ..LeaseSpec::default()
            }),
        };
        let (name, parameters) = (self.name(), PatchParams::apply(MANAGER).force());
        let patch = Patch::Apply(&lease);
        let written = api.patch(&name, &parameters, &patch);
        if let Err(error) = call("write", format!("Lease {name}"), written).await {
            tracing::warn!(%error, "this replica cannot announce itself");
        }
    }

    fn tell(&self, seen: &BTreeMap<String, Seen>) {
        let duration = self.cluster.config.lease.duration.get();
        let live: Arc<[Live]> = seen
            .values()
            .filter(|seen| seen.since.elapsed() < duration)
            .map(|seen| live(&seen.lease))
            .collect();
        self.live.send_if_modified(|told| {
            let changed = *told != live;
            if changed {
                *told = live;
            }
            changed
        });
    }

    async fn remove_dead(&self, api: &Api<Lease>, seen: &BTreeMap<String, Seen>) {
        if !self.leadership.borrow().leading {
            return;
        }
        let limit = self.cluster.config.lease.duration.get() * DEAD;
        for name in seen.iter().filter(|(_, seen)| seen.since.elapsed() >= limit).map(|(name, _)| name) {
            tracing::info!(name, "the Lease of a replica that is dead is removed");
            let parameters = DeleteParams::default();
            let gone = call("delete", format!("Lease {name}"), api.delete(name, &parameters));
            if let Err(error) = gone.await {
                tracing::debug!(%error, "it stays for now");
            }
        }
    }
}

fn note(seen: &mut BTreeMap<String, Seen>, lease: Lease) {
    let time = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.renew_time.clone());
    match seen.get_mut(&lease.name_any()) {
        Some(known) if time(&known.lease) == time(&lease) => known.lease = lease,
        _ => {
            seen.insert(lease.name_any(), Seen { lease, since: Instant::now() });
        }
    }
}

fn live(lease: &Lease) -> Live {
    let annotation = |key: &str| lease.annotations().get(key).map(String::as_str).unwrap_or_default();
    Live {
        identity: lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default(),
        own: annotation(OWN).into(),
        modules: annotation(SERVED).split(',').filter(|one| !one.is_empty()).map(Arc::from).collect(),
    }
}
