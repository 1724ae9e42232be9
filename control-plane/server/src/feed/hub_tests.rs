//! The hub against a plugin that follows the protocol: whatever happens, it ends with the hub's records.

use std::collections::BTreeMap;

use fairlead_model::Record;
use fairlead_wire::feed::{self, Hashes, IngressRecord, Poll, Records, Wanted};
use proptest::prelude::*;

use super::{hub::*, page};

const EPOCH: &str = "00000000000000000000000000000001";

fn record(name: u8) -> IngressRecord {
    IngressRecord { common_names: vec![format!("cn-{name}")], organization: None, sink: None }
}

fn set(hub: &mut Hub, key: &str, name: u8) -> bool {
    hub.apply(&key.into(), Some(&Record::new(&record(name))))
}

fn remove(hub: &mut Hub, key: &str) -> bool {
    hub.apply(&key.into(), None::<&Record<IngressRecord>>)
}

/// What a plugin does, as `wire::feed` says.
#[derive(Default)]
struct Plugin {
    epoch: String,
    revision: u64,
    records: BTreeMap<String, (String, IngressRecord)>,
    resyncs: usize,
}

impl Plugin {
    fn catch_up(&mut self, hub: &Hub, bytes: u32) {
        loop {
            let answer = page::poll(hub, &self.epoch, self.revision, bytes);
            let poll: Poll<IngressRecord> = serde_json::from_slice(&answer).unwrap();
            if poll.resync {
                self.resync(hub, bytes);
            }
            for keyed in poll.changed {
                assert_eq!(keyed.hash, feed::record_hash(&keyed.record).unwrap());
                self.records.insert(keyed.key, (keyed.hash, keyed.record));
            }
            for key in poll.removed {
                self.records.remove(&key);
            }
            (self.epoch, self.revision) = (poll.epoch, poll.revision);
            if !poll.more && !poll.resync {
                return;
            }
        }
    }

    /// By hashes, so that only differences are fetched.
    fn resync(&mut self, hub: &Hub, bytes: u32) {
        self.resyncs += 1;
        let mut listed = BTreeMap::new();
        loop {
            let after = listed.last_key_value().map(|(key, _): (&String, _)| key.clone()).unwrap_or_default();
            let hashes: Hashes = serde_json::from_slice(&page::hashes(hub, &after, bytes)).unwrap();
            listed.extend(hashes.hashes);
            if !hashes.more {
                break;
            }
        }
        self.records.retain(|key, _| listed.contains_key(key));
        let mut keys: Vec<String> = listed
            .into_iter()
            .filter(|(key, hash)| self.records.get(key).is_none_or(|(known, _)| known != hash))
            .map(|(key, _)| key)
            .collect();
        while !keys.is_empty() {
            let wanted = Wanted { epoch: hub.epoch().to_owned(), keys: keys.clone() };
            let got: Records<IngressRecord> =
                serde_json::from_slice(&page::wanted(hub, &wanted, bytes)).unwrap();
            let last = got.records.last().map(|keyed| keyed.key.clone());
            self.records.extend(got.records.into_iter().map(|k| (k.key, (k.hash, k.record))));
            match last.filter(|_| got.more) {
                Some(last) => keys.retain(|key| *key > last),
                None => keys.clear(),
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        self.records.keys().map(String::as_str).collect()
    }
}

#[test]
fn hub_gives_only_what_changed() {
    let mut hub = Hub::new(EPOCH, TOMBSTONES);
    assert!(set(&mut hub, "a", 1));
    assert!(set(&mut hub, "b", 1));
    assert!(!set(&mut hub, "a", 1), "an equal record is no change");
    assert!(!remove(&mut hub, "c"), "nothing to remove");
    let poll: Poll<IngressRecord> = serde_json::from_slice(&page::poll(&hub, EPOCH, 1, 1024)).unwrap();
    assert_eq!(poll.changed.iter().map(|k| &*k.key).collect::<Vec<_>>(), ["b"]);
    assert!(remove(&mut hub, "a"));
    let poll: Poll<IngressRecord> = serde_json::from_slice(&page::poll(&hub, EPOCH, 2, 1024)).unwrap();
    assert_eq!((poll.removed, poll.revision, poll.changed.len()), (vec!["a".to_owned()], 3, 0));
}

#[test]
fn hub_tells_another_epoch_and_another_future_to_resync() {
    let mut hub = Hub::new(EPOCH, TOMBSTONES);
    set(&mut hub, "a", 1);
    for (epoch, revision) in [("", 0), ("00000000000000000000000000000002", 1), (EPOCH, 2)] {
        let poll: Poll<IngressRecord> =
            serde_json::from_slice(&page::poll(&hub, epoch, revision, 1024)).unwrap();
        assert!(poll.resync && poll.revision == 1 && poll.changed.is_empty(), "{epoch} {revision}");
    }
}

#[test]
fn hub_forgets_old_removals_and_then_says_resync() {
    let mut hub = Hub::new(EPOCH, 8);
    let mut plugin = Plugin::default();
    for n in 0..20u8 {
        set(&mut hub, &format!("k{n}"), n);
    }
    plugin.catch_up(&hub, 1024);
    assert_eq!(plugin.resyncs, 1);
    for n in 0..8 {
        remove(&mut hub, &format!("k{n}"));
    }
    plugin.catch_up(&hub, 1024);
    assert_eq!((plugin.resyncs, plugin.records.len()), (1, 12), "within the bound by the log");
    for n in 8..20 {
        remove(&mut hub, &format!("k{n}"));
    }
    plugin.catch_up(&hub, 1024);
    assert_eq!((plugin.resyncs, plugin.records.len()), (2, 0), "beyond it by comparison");
}

#[test]
fn page_is_bounded_and_never_empty() {
    let mut hub = Hub::new(EPOCH, TOMBSTONES);
    for n in 0..100u8 {
        set(&mut hub, &format!("k{n:03}"), n);
    }
    for bytes in [0, 1, 500, 5_000, u32::MAX] {
        let page = page::records(&hub, "", bytes);
        let records: Records<IngressRecord> = serde_json::from_slice(&page).unwrap();
        assert!(!records.records.is_empty());
        assert!(page.len() <= usize::try_from(bytes).unwrap().max(1) + 250, "{} for {bytes}", page.len());
        assert_eq!(records.more, records.records.len() < 100);
    }
    let records: Records<IngressRecord> = serde_json::from_slice(&page::records(&hub, "k099", 10)).unwrap();
    assert!(records.records.is_empty() && !records.more);
}

#[test]
fn wanted_keys_that_are_gone_are_left_out() {
    let mut hub = Hub::new(EPOCH, TOMBSTONES);
    set(&mut hub, "b", 1);
    let wanted = Wanted { epoch: EPOCH.into(), keys: vec!["a".into(), "b".into(), "c".into()] };
    let got: Records<IngressRecord> = serde_json::from_slice(&page::wanted(&hub, &wanted, 1024)).unwrap();
    assert_eq!(got.records.iter().map(|k| &*k.key).collect::<Vec<_>>(), ["b"]);
    assert!(!got.more);
}

proptest! {
    /// Any order of changes, any page size, polls at any time, few tombstones, restarts: the plugin ends equal.
    #[test]
    fn hub_and_plugin_agree(
        steps in prop::collection::vec((0u8..12, 0u8..4, any::<bool>()), 1..120),
        bytes in 1u32..2_000,
        tombstones in 1usize..6,
        restart in 0usize..120,
    ) {
        let mut hub = Hub::new(EPOCH, tombstones);
        let mut plugin = Plugin::default();
        let mut truth = BTreeMap::new();
        for (at, (key, value, look)) in steps.into_iter().enumerate() {
            let key = format!("app-{key}");
            if value == 0 {
                truth.remove(&key);
                remove(&mut hub, &key);
            } else {
                truth.insert(key.clone(), record(value));
                set(&mut hub, &key, value);
            }
            if at == restart {
                hub = Hub::new("00000000000000000000000000000002", tombstones);
                for (key, record) in &truth {
                    hub.apply(&key.as_str().into(), Some(&Record::new(record)));
                }
            }
            if look {
                plugin.catch_up(&hub, bytes);
                prop_assert_eq!(plugin.names(), truth.keys().map(String::as_str).collect::<Vec<_>>());
            }
        }
        plugin.catch_up(&hub, bytes);
        prop_assert_eq!(
            plugin.records.into_iter().map(|(key, (_, record))| (key, record)).collect::<BTreeMap<_, _>>(),
            truth
        );
        prop_assert_eq!(plugin.epoch.as_str(), hub.epoch());
    }
}
