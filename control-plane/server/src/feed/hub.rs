//! One view's records with their history: a pure structure, no clock, no I/O, no lock.
//!
//! Records come from the model as JSON, which is shared with it, and go out as pages spliced from these bytes
//! (see [`page`](super::page)). Records may hold credentials: nothing here prints one.
//!
//! History: each key occurs once in the log, at its last change. A removed key leaves a tombstone; tombstones are
//! bounded, and a question from before the oldest one that was dropped is answered with `resync`.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use fairlead_model::Record;
use fairlead_wire::feed::{self, FeedRecord};

/// How many removed keys are remembered unless the configuration says otherwise.
pub const TOMBSTONES: usize = 10_000;

/// What a record looks like here.
pub(super) struct Stored {
    /// Revision of its last change: its place in the log.
    pub(super) revision: u64,
    /// [`feed::record_hash`], as a number.
    pub(super) hash: u128,
    /// The record as JSON.
    pub(super) json: Arc<[u8]>,
}

/// Records of one view by key, and what changed since when.
pub struct Hub {
    epoch: Box<str>,
    /// Counts single changes; the last one given.
    revision: u64,
    /// Questions from before this revision cannot be answered from the log.
    floor: u64,
    records: BTreeMap<Arc<str>, Stored>,
    log: BTreeMap<u64, Arc<str>>,
    /// Removed keys → revision of the removal; bounded by `max_tombstones`.
    removed: HashMap<Arc<str>, u64>,
    max_tombstones: usize,
}

impl Hub {
    /// An empty hub. `epoch` is 32 hex digits, new with each start (wire: `Poll::epoch`).
    #[must_use]
    pub fn new(epoch: &str, max_tombstones: usize) -> Self {
        Self {
            epoch: epoch.into(),
            revision: 0,
            floor: 0,
            records: BTreeMap::new(),
            log: BTreeMap::new(),
            removed: HashMap::new(),
            max_tombstones,
        }
    }

    /// Sets or removes (`None`) a record and returns whether that changed anything: an equal record and the removal of what is
    /// not there do not.
    pub fn apply<R: FeedRecord>(&mut self, key: &Arc<str>, record: Option<&Record<R>>) -> bool {
        match record {
            Some(record) => self.set(key, record.json()),
            None => self.remove(key),
        }
    }

    fn set(&mut self, key: &Arc<str>, json: &Arc<[u8]>) -> bool {
        let hash = number(&feed::short_sha256(json));
        let (key, old) = match self.records.get_key_value(key) {
            Some((_, stored)) if stored.hash == hash => return false,
            Some((key, stored)) => (key.clone(), Some(stored.revision)),
            None => match self.removed.remove_entry(key) {
                Some((key, revision)) => (key, Some(revision)),
                None => (key.clone(), None),
            },
        };
        let revision = self.note(&key, old);
        self.records.insert(key, Stored { revision, hash, json: json.clone() });
        true
    }

    fn remove(&mut self, key: &str) -> bool {
        let Some((key, stored)) = self.records.remove_entry(key) else { return false };
        let revision = self.note(&key, Some(stored.revision));
        self.removed.insert(key, revision);
        if self.removed.len() > self.max_tombstones {
            self.forget_oldest();
        }
        true
    }

    /// Moves `key` to the end of the log.
    fn note(&mut self, key: &Arc<str>, old: Option<u64>) -> u64 {
        if let Some(old) = old {
            self.log.remove(&old);
        }
        self.revision += 1;
        self.log.insert(self.revision, key.clone());
        self.revision
    }

    /// Drops a quarter of the tombstones at once, the oldest, so that the search for them is rare.
    fn forget_oldest(&mut self) {
        let mut revisions: Vec<u64> = self.removed.values().copied().collect();
        revisions.sort_unstable();
        let keep_from = revisions.get(revisions.len() / 4).copied().unwrap_or(u64::MAX);
        self.removed.retain(|_, revision| *revision >= keep_from);
        for revision in revisions.into_iter().take_while(|revision| *revision < keep_from) {
            self.log.remove(&revision);
            self.floor = self.floor.max(revision);
        }
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Revision of the last change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether a plugin at this point can go on from the log; otherwise it has to list everything.
    #[must_use]
    pub fn knows(&self, epoch: &str, revision: u64) -> bool {
        epoch == &*self.epoch && revision >= self.floor && revision <= self.revision
    }

    /// Changes after `revision`, oldest first: the revision, the key, and the record unless it was removed.
    pub(super) fn since(&self, revision: u64) -> impl Iterator<Item = (u64, &Arc<str>, Option<&Stored>)> {
        let after = (Bound::Excluded(revision), Bound::Unbounded);
        self.log.range(after).map(|(revision, key)| (*revision, key, self.records.get(&**key)))
    }

    /// Records in key order, those after `after` (all for an empty one: no key is empty).
    pub(super) fn after(&self, after: &str) -> impl Iterator<Item = (&Arc<str>, &Stored)> {
        self.records.range::<str, _>((Bound::Excluded(after), Bound::Unbounded))
    }

    /// One record.
    pub(super) fn get(&self, key: &str) -> Option<&Stored> {
        self.records.get(key)
    }
}

/// 32 hex digits as the number that they are: a quarter of the memory.
fn number(hash: &str) -> u128 {
    u128::from_str_radix(hash, 16).unwrap_or_default()
}
