//! The [`Deliver`] of a gateway in a mesh: says what is needed to the [`writer`](super::writer), and hears from it what
//! the API server has.
//!
//! istiod gathers changes for 100 ms and pushes them; nothing tells that a gateway has taken one. So an object counts as
//! known by the gateway a moment after the API server has it. What is known too late is answered with 503 and
//! `Retry-After`, and reported by the plugin (decision 31).

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use fairlead_model::{ClientPair, Profile};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{super::rendered, seen::Since};
use crate::deliver::Deliver;

/// From the API server having an object to the gateway's having it: 0.2 s, measured from the write to the first answer.
const PUSHED: Duration = Duration::from_millis(350);

/// What it takes longer if Envoy asks istiod for a certificate as well.
const CERTIFICATE: Duration = Duration::from_millis(650);
/// What it takes longer if there is a proxy: Envoy knows its cluster, and the twin's listener, when its name is resolved.
const TUNNEL: Duration = Duration::from_secs(2);

/// What records need.
#[derive(Clone, Default)]
pub(super) struct Needed {
    pub(super) profiles: BTreeMap<String, Wanted>,
    /// All that is there at the start is counted.
    pub(super) complete: bool,
}

/// A profile that records need.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) profile: Arc<fairlead_render::Profile>,
    /// Its client certificate.
    pub(super) client: Option<Arc<ClientPair>>,
}

/// What the API server has, and since when.
pub(super) type There = Arc<BTreeMap<String, Since>>;

/// See the module.
pub struct MeshProfiles {
    needed: watch::Sender<Needed>,
    there: watch::Receiver<There>,
    settle: Duration,
}

impl MeshProfiles {
    pub(super) fn new(settle: Duration, there: watch::Receiver<There>) -> (Self, watch::Receiver<Needed>) {
        let (needed, told) = watch::channel(Needed::default());
        (Self { needed, there, settle: settle.max(PUSHED) }, told)
    }

    fn usable(&self, id: &str, since: Since) -> Option<Instant> {
        let Since::At(at) = since else { return None };
        let needed = self.needed.borrow();
        let profile = needed.profiles.get(id).map(|wanted| &wanted.profile);
        let more = match profile {
            Some(profile) if profile.proxy.is_some() => TUNNEL,
            Some(profile) if profile.client.is_some() => CERTIFICATE,
            _ => Duration::ZERO,
        };
        Some(at + self.settle + more)
    }
}

impl Deliver for MeshProfiles {
    fn add(&mut self, profile: &Profile) {
        let wanted = Wanted { profile: Arc::new(rendered(profile)), client: profile.client.clone() };
        self.needed.send_modify(|needed| {
            needed.profiles.insert(profile.id.clone(), wanted);
        });
    }

    fn release(&mut self, id: &str) {
        self.needed.send_modify(|needed| {
            needed.profiles.remove(id);
        });
    }

    fn has(&self, id: &str) -> bool {
        let there = self.there.borrow();
        there.get(id).is_some_and(|since| self.usable(id, *since).is_none_or(|at| at <= Instant::now()))
    }

    fn work(&mut self) -> Option<Instant> {
        self.needed.send_if_modified(|needed| !std::mem::replace(&mut needed.complete, true));
        let now = Instant::now();
        let there = Arc::clone(&self.there.borrow_and_update());
        let usable = there.iter().filter_map(|(id, since)| self.usable(id, *since));
        usable.filter(|at| *at > now).min()
    }

    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.there.changed().await.is_err() {
                // The writer has ended, and the process is about to.
                std::future::pending::<()>().await;
            }
        })
    }

    fn count(&self) -> usize {
        self.there.borrow().len()
    }
}
