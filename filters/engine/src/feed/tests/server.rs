//! The control plane's side of the contract, as small as it can be said.

use std::collections::BTreeMap;

use fairlead_wire::feed::{EgressRecord, Hashes, Keyed, Poll, Records, Wanted, record_hash};

use super::record;
use crate::{
    call::Call,
    snapshot::{Egress, Table},
};

#[derive(Debug)]
pub(super) struct Server {
    epoch: String,
    revision: u64,
    records: BTreeMap<String, EgressRecord>,
    /// Key → revision of its last change, removals included.
    history: BTreeMap<String, u64>,
    /// Nothing older is known.
    oldest: u64,
}

impl Server {
    pub(super) fn new(epoch: &str) -> Self {
        Self {
            epoch: epoch.to_owned(),
            revision: 0,
            records: BTreeMap::new(),
            history: BTreeMap::new(),
            oldest: 0,
        }
    }

    pub(super) fn set(&mut self, key: &str, record: EgressRecord) {
        self.revision += 1;
        self.records.insert(key.to_owned(), record);
        self.history.insert(key.to_owned(), self.revision);
    }

    /// Sets an entry; if it answers to the manual port, no other of its application does.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn set_entry(&mut self, app: u8, entry: u8, value: u8, manual: bool) {
        for other in (0..4).filter(|other| manual && *other != entry) {
            let key = format!("app{app}/s/e{other}");
            if let Some(old) = self.records.get(&key).filter(|old| old.manual) {
                let new = EgressRecord { manual: false, ..old.clone() };
                self.set(&key, new);
            }
        }
        self.set(&format!("app{app}/s/e{entry}"), record(&format!("{value}"), manual));
    }

    pub(super) fn delete(&mut self, key: &str) {
        if self.records.remove(key).is_some() {
            self.revision += 1;
            self.history.insert(key.to_owned(), self.revision);
        }
    }

    pub(super) fn restart(&mut self, epoch: &str) {
        self.epoch = epoch.to_owned();
        self.revision = 0;
        self.forget_history();
    }

    pub(super) fn forget_history(&mut self) {
        self.history.clear();
        self.oldest = self.revision;
    }

    /// Whether a client's table holds exactly these records, by both keys.
    pub(super) fn equals(&self, table: &Table<Egress>) -> bool {
        let holds = |key: &str, record: &EgressRecord| {
            table.get(key.as_bytes()).is_some_and(|entry| {
                format!("{entry:?}") == format!("{:?}", Egress::from(record.outcome.clone()))
            })
        };
        let alias = |key: &str| key.rsplit_once('/').unwrap().0.to_owned();
        let aliases: BTreeMap<_, _> =
            self.records.iter().filter(|(_, r)| r.manual).map(|(key, r)| (alias(key), r)).collect();
        self.records.len() == table.len()
            && self.records.iter().all(|(key, record)| holds(key, record))
            && aliases.iter().all(|(key, record)| holds(key, record))
            && (0..12).all(|n| {
                let key = format!("app{n}/s");
                aliases.contains_key(&key) == table.get(key.as_bytes()).is_some()
            })
    }

    pub(super) fn answer(&self, call: &Call) -> Vec<u8> {
        let (path, query) = call.path.split_once('?').unwrap();
        let query: BTreeMap<_, _> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
        let bytes: usize = query["bytes"].parse().unwrap();
        match (call.method, path.strip_prefix("/feed/v1/egress").unwrap()) {
            ("GET", "") => self.poll(query["epoch"], query["revision"].parse().unwrap(), bytes),
            ("GET", "/records") => {
                let (page, more) = self.page(self.after(query["after"]), bytes);
                json(&Records { epoch: self.epoch.clone(), records: page, more })
            }
            ("GET", "/hashes") => {
                let (page, more) = self.page(self.after(query["after"]), bytes);
                let hashes = page.into_iter().map(|keyed| (keyed.key, keyed.hash)).collect();
                json(&Hashes { epoch: self.epoch.clone(), hashes, more })
            }
            ("POST", "/records") => {
                let wanted: Wanted = serde_json::from_slice(&call.body).unwrap();
                let (page, more) = self.page(wanted.keys.into_iter(), bytes);
                json(&Records { epoch: self.epoch.clone(), records: page, more })
            }
            other => panic!("{other:?}"),
        }
    }

    fn poll(&self, epoch: &str, revision: u64, bytes: usize) -> Vec<u8> {
        let mut poll = Poll {
            epoch: self.epoch.clone(),
            revision: self.revision,
            resync: epoch != self.epoch || revision < self.oldest || revision > self.revision,
            more: false,
            changed: Vec::new(),
            removed: Vec::new(),
        };
        if !poll.resync {
            let mut changes: Vec<_> = self.history.iter().filter(|(_, at)| **at > revision).collect();
            changes.sort_by_key(|(_, at)| **at);
            let mut size = 0;
            for (key, at) in changes {
                if size >= bytes {
                    poll.more = true;
                    break;
                }
                size += 100;
                poll.revision = *at;
                match self.records.get(key) {
                    Some(_) => poll.changed.push(self.keyed(key)),
                    None => poll.removed.push(key.clone()),
                }
            }
            if !poll.more {
                poll.revision = self.revision;
            }
        }
        json(&poll)
    }

    fn after(&self, key: &str) -> impl Iterator<Item = String> {
        self.records.keys().filter(move |known| known.as_str() > key).cloned()
    }

    fn page(&self, keys: impl Iterator<Item = String>, bytes: usize) -> (Vec<Keyed<EgressRecord>>, bool) {
        let (mut page, mut size) = (Vec::new(), 0);
        for key in keys.filter(|key| self.records.contains_key(key)) {
            if size >= bytes {
                return (page, true);
            }
            size += 100;
            page.push(self.keyed(&key));
        }
        (page, false)
    }

    fn keyed(&self, key: &str) -> Keyed<EgressRecord> {
        let record = self.records[key].clone();
        Keyed { key: key.to_owned(), hash: record_hash(&record).unwrap(), record }
    }
}

fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}
