use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use fairlead_model::{Index, Installation, Profile};
use fairlead_wire::feed::View;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::sync::{Notify, watch};

use super::*;
use crate::{
    config::{GrantsConfig, LogLevel, TargetsConfig},
    dial,
    grants::broker::Broker,
    state::Core,
    telemetry::{level::LevelSwitch, metrics::Metrics},
};

/// A gateway that gets a profile when the test says so.
#[derive(Clone, Default)]
struct Gateway {
    asked: Arc<Mutex<BTreeSet<String>>>,
    has: Arc<Mutex<BTreeSet<String>>>,
    arrived: Arc<Notify>,
}

impl Gateway {
    fn arrive(&self) {
        *self.has.lock().unwrap() = self.asked.lock().unwrap().clone();
        self.arrived.notify_one();
    }
}

impl Deliver for Gateway {
    fn add(&mut self, profile: &Profile) {
        self.asked.lock().unwrap().insert(profile.id.clone());
    }

    fn release(&mut self, id: &str) {
        self.asked.lock().unwrap().remove(id);
        self.has.lock().unwrap().remove(id);
    }

    fn has(&self, id: &str) -> bool {
        self.has.lock().unwrap().contains(id)
    }

    fn work(&mut self) -> Option<Instant> {
        None
    }

    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.arrived.notified())
    }

    fn count(&self) -> usize {
        self.has.lock().unwrap().len()
    }
}

struct Bed {
    index: Index,
    publisher: Publisher,
    state: Shared,
    gateway: Gateway,
    _drain: watch::Sender<bool>,
}

impl Bed {
    fn new() -> Self {
        let (drain, draining) = watch::channel(false);
        let metrics = Metrics::new();
        let dialler = dial::from_config(&TargetsConfig::default(), &[]).unwrap();
        let broker = Broker::new(dialler, GrantsConfig::default(), metrics.clone());
        let level = LevelSwitch::new(LogLevel::Info, false, |_| {});
        let state: Shared = Arc::new(Core::new(broker, None, metrics, draining, level));
        let gateway = Gateway::default();
        let publisher = Publisher::new(state.clone(), Some(Box::new(gateway.clone())), None);
        Self { index: Index::new(&Installation::default()), publisher, state, gateway, _drain: drain }
    }

    /// An Application with one service, whose target is verified or not: two profiles.
    fn apply(&mut self, name: &str, target: &str, skip: bool) {
        let manifest = json!({
            "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
            "metadata": { "name": name },
            "spec": { "skipVerify": skip, "services": [{
                "id": "svc", "name": "svc", "displayName": "svc", "providerDisplayName": "p", "description": "d",
                "entries": [{ "type": "API", "targetUrl": target }],
            }] },
        });
        let object = fairlead_resources::Object::from_json(manifest, "1").unwrap();
        self.index.apply(object);
        let changes = self.index.changes();
        self.publisher.publish(&changes, Instant::now());
    }

    fn published(&self) -> usize {
        self.state.lane(View::Egress).read().len()
    }
}

#[tokio::test]
async fn a_record_waits_for_its_profile_and_others_pass_it() {
    let mut bed = Bed::new();
    bed.apply("first", "https://a.example", false);
    assert_eq!(bed.published(), 0, "its profile is on its way");
    assert!(!bed.publisher.settled(Instant::now() + Duration::from_millis(10)).await);
    bed.gateway.arrive();
    assert!(bed.publisher.settled(Instant::now() + Duration::from_secs(5)).await);
    assert_eq!(bed.published(), 1);

    bed.apply("other", "https://a.example", true);
    assert_eq!(bed.published(), 1, "another profile");
    bed.apply("second", "https://b.example", false);
    assert_eq!(bed.published(), 2, "it passes the one that waits");
    bed.apply("plain", "http://b.example", false);
    assert_eq!(bed.published(), 3, "every gateway has the plain profile");
    // The latest word about a key counts, and this one needs no new profile.
    bed.apply("other", "https://a.example", false);
    assert_eq!(bed.published(), 4);
    assert!(bed.publisher.settled(Instant::now()).await, "nothing waits");
}

#[tokio::test]
async fn what_is_in_force_keeps_its_profile_until_its_successor_is_there() {
    let mut bed = Bed::new();
    bed.apply("app", "https://a.example", false);
    bed.gateway.arrive();
    bed.publisher.advance();
    let before = bed.gateway.asked.lock().unwrap().clone();
    bed.apply("app", "https://a.example", true);
    let asked = bed.gateway.asked.lock().unwrap().clone();
    assert!(asked.is_superset(&before) && asked.len() == 2, "the old profile is needed still: {asked:?}");
    bed.gateway.arrive();
    bed.publisher.advance();
    let asked = bed.gateway.asked.lock().unwrap().clone();
    assert!(asked.is_disjoint(&before), "{asked:?}");
}
