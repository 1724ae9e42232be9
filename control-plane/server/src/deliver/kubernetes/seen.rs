//! What the API server has of ours in one namespace, by watches.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    Client, ResourceExt,
    api::DynamicObject,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};

use super::object::{self, Key, Kind};

/// News of one kind, or that its watch failed and is begun again.
pub(super) type News = (Kind, Result<Event<DynamicObject>, watcher::Error>);

/// Watches these kinds in a namespace, by our labels.
pub(super) fn watch(client: &Client, namespace: &str, kinds: &[Kind]) -> BoxStream<'static, News> {
    let config = || watcher::Config::default().labels(&object::selector());
    let of = |kind: Kind| {
        let changes = watcher::watcher(kind.api(client, namespace), config()).default_backoff();
        changes.map(move |event| (kind, event)).boxed()
    };
    stream::select_all(kinds.iter().copied().map(of)).boxed()
}

/// The objects.
pub(super) struct Seen {
    /// How many kinds are watched.
    kinds: usize,
    objects: BTreeMap<Key, Entry>,
    /// Kinds that are listed completely.
    complete: BTreeSet<Kind>,
    /// What a list that runs has so far.
    listing: BTreeMap<Kind, BTreeSet<String>>,
}

struct Entry {
    object: DynamicObject,
    since: Since,
}

/// Since when an object is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Longer than we look.
    Before,
    /// Since then.
    At(Instant),
}

impl Seen {
    /// Of so many kinds, with nothing known yet.
    pub(super) fn new(kinds: usize) -> Self {
        Self { kinds, objects: BTreeMap::new(), complete: BTreeSet::new(), listing: BTreeMap::new() }
    }

    /// Takes news in; says which objects may be different now.
    pub(super) fn take(&mut self, kind: Kind, event: Event<DynamicObject>) -> Vec<Key> {
        match event {
            Event::Apply(object) => self.set(kind, object),
            Event::Delete(object) => {
                let key = Key { kind, name: object.name_any() };
                self.objects.remove(&key);
                vec![key]
            }
            Event::Init => {
                self.listing.insert(kind, BTreeSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listing.entry(kind).or_default().insert(object.name_any());
                self.set(kind, object)
            }
            Event::InitDone => {
                let listed = self.listing.remove(&kind).unwrap_or_default();
                let gone = |key: &Key, _: &mut Entry| key.kind == kind && !listed.contains(&key.name);
                let gone: Vec<Key> = self.objects.extract_if(.., gone).map(|(key, _)| key).collect();
                self.complete.insert(kind);
                gone
            }
        }
    }

    /// Notes an object as the API server gave it; older news than what is known is nothing.
    pub(super) fn set(&mut self, kind: Kind, mut object: DynamicObject) -> Vec<Key> {
        let key = Key { kind, name: object.name_any() };
        let before = self.objects.get(&key);
        if before.is_some_and(|before| version(&object) < version(&before.object)) {
            return Vec::new();
        }
        // The longest part, and only its managers' names are read.
        for entry in object.metadata.managed_fields.iter_mut().flatten() {
            entry.fields_v1 = None;
        }
        let first = if self.complete.contains(&kind) { Since::At(Instant::now()) } else { Since::Before };
        let since = before.map_or(first, |before| before.since);
        self.objects.insert(key.clone(), Entry { object, since });
        vec![key]
    }

    /// All kinds are known.
    pub(super) fn complete(&self) -> bool {
        self.complete.len() == self.kinds
    }

    pub(super) fn get(&self, key: &Key) -> Option<&DynamicObject> {
        self.objects.get(key).map(|entry| &entry.object)
    }

    /// The names of all objects.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// Transport profiles that are there.
    pub(super) fn profiles(&self) -> impl Iterator<Item = (&str, Since)> {
        self.objects.values().filter_map(|entry| Some((object::profile(&entry.object)?, entry.since)))
    }
}

/// Versions of objects of one kind grow; one that is no number counts as new.
fn version(object: &DynamicObject) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(u64::MAX)
}
