//! One gateway's objects: the leader makes what the API server has into what should be there; followers only look.
//!
//! An object is written when it differs from what should be there, whoever made it differ, and never otherwise. What we
//! wrote once and nothing needs any longer is deleted, transport profiles after their grace period. The plugin comes when
//! everything else is there.

mod api;
mod collect;

use std::{
    collections::{BTreeMap, BTreeSet},
    future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use fairlead_render::mesh::Module;
use futures_util::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep_until};

use super::{
    desired::{Rendered, Which},
    object::{Key, Kind, needs, same},
    profiles::{Needed, There},
    secrets::{self, Sources},
    seen::{self, Seen},
};
use crate::{
    config::Config,
    kubernetes::{Cluster, KubernetesError, Pushes, Signals, anchor},
    state::drained,
};

/// After a failed write the next try comes after this time, twice as long each time up to [`LONGEST`].
const AGAIN: Duration = Duration::from_secs(1);
/// See [`AGAIN`].
const LONGEST: Duration = Duration::from_secs(30);
/// How many objects are written at once.
const AT_ONCE: usize = 8;

/// What the writer listens to.
pub(super) struct Inputs {
    pub(super) signals: Signals,
    pub(super) needed: watch::Receiver<Needed>,
    pub(super) never: watch::Receiver<Arc<[SocketAddr]>>,
    /// Of the ingress gateway.
    pub(super) sources: watch::Receiver<Sources>,
    pub(super) draining: watch::Receiver<bool>,
}

/// The writer of one gateway's objects.
pub(super) struct Writer {
    which: Which,
    cluster: Cluster,
    config: Arc<Config>,
    inputs: Inputs,
    there: watch::Sender<There>,
    seen: Seen,
    /// Owner of what we write in this namespace.
    owner: Option<OwnerReference>,
    desired: BTreeMap<Key, Value>,
    /// Objects that may differ from what they should be.
    dirty: BTreeSet<Key>,
    /// Since when nothing needs these.
    unneeded: BTreeMap<Key, Instant>,
    /// How often the plugin was pushed again when its object was last made, and what its object says of it.
    pushed: Pushes,
    push: Option<String>,
    /// What could not be written or deleted, when to try it again, and how long after that.
    failed: BTreeSet<Key>,
    retry: Option<Instant>,
    pause: Duration,
}

impl Writer {
    pub(super) fn new(
        which: Which,
        cluster: Cluster,
        config: Arc<Config>,
        inputs: Inputs,
        there: watch::Sender<There>,
    ) -> Self {
        Self {
            seen: Seen::new(which.kinds().len()),
            which,
            cluster,
            config,
            inputs,
            there,
            owner: None,
            desired: BTreeMap::new(),
            dirty: BTreeSet::new(),
            unneeded: BTreeMap::new(),
            pushed: Pushes::default(),
            push: None,
            failed: BTreeSet::new(),
            retry: None,
            pause: AGAIN,
        }
    }

    /// Runs until the process drains.
    pub(super) async fn run(mut self) {
        let namespace = self.which.namespace().to_owned();
        let mut news = seen::watch(&self.cluster.client, &namespace, self.which.kinds());
        self.render();
        loop {
            let wake = self.wake();
            let Inputs { signals, needed, never, sources, draining } = &mut self.inputs;
            let Signals { leadership, ca, module, pushes, .. } = signals;
            let mut rendered = true;
            tokio::select! {
                () = drained(draining) => return,
                Some((kind, event)) = news.next() => {
                    rendered = false;
                    match event {
                        Ok(event) => self.take(kind, event),
                        Err(error) => tracing::warn!(kind = kind.name(), namespace, %error, "our objects cannot be watched"),
                    }
                }
                () = changed(needed) => {}
                () = changed(never) => {}
                () = changed(sources) => {}
                () = changed(leadership) => {}
                () = changed(ca) => {}
                () = changed(module) => {}
                () = changed(pushes) => {}
                () = wake => rendered = false,
            }
            if rendered {
                self.render();
            }
            self.reconcile().await;
        }
    }

    /// When something is due by itself.
    fn wake(&self) -> impl Future<Output = ()> + use<> {
        let grace = self.config.profiles.grace.get();
        let collected = self.unneeded.values().map(|since| *since + grace);
        let at = collected.chain(self.retry).min();
        async move {
            match at {
                Some(at) => sleep_until(at.into()).await,
                None => future::pending().await,
            }
        }
    }

    fn take(&mut self, kind: Kind, event: kube::runtime::watcher::Event<DynamicObject>) {
        let keys = self.seen.take(kind, event);
        let profiles = keys.iter().any(|key| key.kind == Kind::EnvoyFilter) || kind == Kind::EnvoyFilter;
        self.dirty.extend(keys);
        if profiles {
            self.tell();
        }
    }

    /// Tells which profiles are there.
    fn tell(&self) {
        let there: BTreeMap<_, _> = self.seen.profiles().map(|(id, since)| (id.to_owned(), since)).collect();
        self.there.send_if_modified(|before| {
            **before != there && {
                *before = Arc::new(there);
                true
            }
        });
    }

    /// Makes the desired objects anew; what is different among them is to be looked at.
    fn render(&mut self) {
        let ca = self.inputs.signals.ca.borrow_and_update().clone();
        let never = self.inputs.never.borrow_and_update().clone();
        let rendered = Rendered::new(&self.which, &self.config, &self.cluster, &ca, &never);
        let mut objects = rendered.fixed();
        let module = self.inputs.signals.module.borrow_and_update().clone();
        self.note_push();
        objects.extend(module.map(|sha256| {
            let url = format!("{}/{sha256}.wasm", self.cluster.config.module.url.trim_end_matches('/'));
            rendered.plugin(&Module { url, sha256: sha256.to_string() }, self.push.as_deref())
        }));
        objects.extend(self.secrets(&ca));
        let needed = self.inputs.needed.borrow_and_update();
        objects.extend(rendered.profiles(needed.profiles.values()));
        drop(needed);
        self.inputs.signals.leadership.borrow_and_update();
        if let Some(owner) = &self.owner {
            for metadata in
                objects.iter_mut().filter_map(|object| object.get_mut("metadata")?.as_object_mut())
            {
                metadata.insert("ownerReferences".to_owned(), json!([owner]));
            }
        }
        let desired: BTreeMap<Key, Value> =
            objects.into_iter().filter_map(|object| Some((Key::of(&object)?, object))).collect();
        let differs = |key: &&Key| desired.get(*key) != self.desired.get(*key);
        self.dirty.extend(desired.keys().chain(self.desired.keys()).filter(differs).cloned());
        self.dirty.extend(self.seen.keys().filter(|key| !desired.contains_key(*key)).cloned());
        self.desired = desired;
    }

    /// A plugin that is to be pushed again differs in an annotation.
    fn note_push(&mut self) {
        let pushes = *self.inputs.signals.pushes.borrow_and_update();
        let (before, now) = match self.which {
            Which::Egress(_) => (self.pushed.egress, pushes.egress),
            Which::Ingress(_) => (self.pushed.ingress, pushes.ingress),
        };
        self.pushed = pushes;
        if now > before {
            self.push = Some(jiff::Timestamp::now().to_string());
            self.dirty.extend(self.desired.keys().filter(|key| key.kind == Kind::WasmPlugin).cloned());
        }
    }

    fn secrets(&mut self, ca: &str) -> Vec<Value> {
        let sources = self.inputs.sources.borrow_and_update();
        let Some((ingress, host)) = self.which.host(&self.cluster).filter(|_| sources.complete()) else {
            return Vec::new();
        };
        let key = Key { kind: Kind::Secret, name: crate::gateways::mesh::CREDENTIAL.to_owned() };
        // A pair that was made in this run stays until it is seen.
        let made = self.desired.get(&key).and_then(|made| serde_json::from_value(made.clone()).ok());
        let there = self.seen.get(&key).cloned().or(made);
        match secrets::wanted(ingress, &host, &sources, there.as_ref(), ca) {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::error!(%error, "the ingress gateway gets no certificate");
                Vec::new()
            }
        }
    }

    /// Writes and deletes what is to be, if this replica leads.
    async fn reconcile(&mut self) {
        if !self.seen.complete() || !self.leading() {
            return;
        }
        if self.retry.is_some_and(|retry| retry <= Instant::now()) {
            self.retry = None;
            self.dirty.append(&mut self.failed);
        }
        if self.dirty.iter().any(|key| self.differs(key))
            && let Err(error) = self.own().await
        {
            tracing::error!(%error, "the gateway's objects cannot be written");
            self.again();
            self.failed.append(&mut self.dirty);
            return;
        }
        let mut failed = Vec::new();
        for kind in self.which.kinds().iter().copied() {
            // Before a gateway loads the plugin everything that the plugin needs is there.
            let first = !self.seen.keys().any(|key| key.kind == Kind::WasmPlugin);
            if kind == Kind::WasmPlugin && first && !(failed.is_empty() && self.failed.is_empty()) {
                break;
            }
            let (mine, others): (BTreeSet<_>, _) =
                std::mem::take(&mut self.dirty).into_iter().partition(|key| key.kind == kind);
            self.dirty = others;
            let written = self.write(&mine).await;
            failed.extend(written);
        }
        // What was written last goes first: a Secret after whatever named it.
        for kind in self.which.kinds().iter().rev().copied() {
            failed.extend(self.collect(kind).await);
        }
        if !failed.is_empty() {
            self.failed.extend(failed);
            self.again();
        } else if self.failed.is_empty() {
            self.pause = AGAIN;
        }
    }

    /// What failed is tried again later, and holds up nothing else meanwhile.
    fn again(&mut self) {
        if self.retry.is_none() {
            self.retry = Some(Instant::now() + self.pause);
            self.pause = LONGEST.min(self.pause * 2);
        }
    }

    /// Finds the owner of what is about to be written; where it has gone, so shall we.
    async fn own(&mut self) -> Result<(), KubernetesError> {
        let owner = anchor::owner(&self.cluster, self.which.namespace()).await?;
        if owner != self.owner {
            self.owner = owner;
            self.render();
        }
        Ok(())
    }

    /// Whether an object that should be there is not, or is another.
    fn differs(&self, key: &Key) -> bool {
        let Some(wanted) = self.desired.get(key) else { return false };
        self.seen.get(key).is_none_or(|there| !same(there, wanted) || unpushed(there, wanted))
    }

    fn leading(&self) -> bool {
        self.inputs.signals.leadership.borrow().leading
    }

    /// Writes those of these objects that differ; gives back what failed.
    async fn write(&mut self, keys: &BTreeSet<Key>) -> Vec<Key> {
        let different = keys.iter().filter(|key| self.differs(key));
        let different = different.filter_map(|key| Some((key.clone(), self.desired.get(key)?.clone())));
        // A profile waits for its certificate.
        let lacks = |object: &Value| needs(object).is_some_and(|secret| self.seen.get(&secret).is_none());
        let (early, different): (Vec<_>, Vec<_>) = different.partition(|(_, object)| lacks(object));
        let (cluster, namespace) = (&self.cluster, self.which.namespace());
        let writes = different.into_iter().map(|(key, object)| async move {
            let written = api::apply(cluster, namespace, &key, &object).await;
            (key, written)
        });
        let results: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
        let mut failed: Vec<_> = early.into_iter().map(|(key, _)| key).collect();
        for (key, result) in results {
            match result {
                Ok(object) => {
                    tracing::info!(kind = key.kind.name(), name = key.name, "an object was written");
                    self.seen.set(key.kind, object);
                }
                Err(error) => {
                    tracing::error!(%error, "a gateway's object cannot be written; it is tried again");
                    failed.push(key);
                }
            }
        }
        self.tell();
        failed
    }
}

/// Whether the plugin is to be pushed again, and was not yet.
fn unpushed(there: &DynamicObject, wanted: &Value) -> bool {
    let wanted = wanted.pointer("/metadata/annotations").and_then(|all| all.get(super::PUSHED));
    let there = there.metadata.annotations.as_ref().and_then(|all| all.get(super::PUSHED));
    wanted.is_some() && wanted.and_then(Value::as_str) != there.map(String::as_str)
}

/// As [`watch::Receiver::changed`], for ever after the sender has gone.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        future::pending::<()>().await;
    }
}
