use std::{cell::RefCell, collections::BTreeMap};

use fairlead_wire::grant::{GrantAnswer, Granted};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::{
    call::Answer,
    grants::{GrantTable, Outcome},
    snapshot::{GrantState, Grants as _},
};

const KEY: &str = "fairlead.grant.g";

/// The host's data. Between a read and the write that follows, others may write.
#[derive(Default)]
struct Host {
    values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    /// Written by others after each of the next reads, the last one first.
    others: RefCell<Vec<Vec<u8>>>,
}

impl Host {
    fn put(&self, value: Vec<u8>) {
        let mut values = self.values.borrow_mut();
        let version = values.get(KEY).map_or(0, |(_, version)| *version) + 1;
        values.insert(KEY.to_owned(), (value, version));
    }

    fn value(&self) -> Vec<u8> {
        self.values.borrow().get(KEY).map(|(value, _)| value.clone()).unwrap_or_default()
    }

    fn serial(&self) -> Option<u64> {
        decode(&self.value()).map(|held| held.serial())
    }
}

impl SharedData for Host {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        let read = self.values.borrow().get(key).cloned();
        if let Some(other) = self.others.borrow_mut().pop() {
            self.put(other);
        }
        read
    }

    fn write(&self, key: &str, value: &[u8], version: u32) -> bool {
        assert_eq!(key, KEY);
        let there = self.values.borrow().get(key).map(|(_, version)| *version);
        let unchanged = there.is_none_or(|there| there == version);
        if unchanged {
            self.put(value.to_vec());
        }
        unchanged
    }
}

fn held(serial: u64, refresh_at: u64, expires_at: u64) -> Held {
    let authorization = format!("Bearer {serial}").into_bytes().into();
    Held { grant: Grant { authorization, csrf: None, serial, same_since: serial }, refresh_at, expires_at }
}

fn value(table: &GrantTable, now_ms: u64) -> Option<String> {
    match table.at(now_ms).grant("g") {
        GrantState::Ready(grant) => Some(String::from_utf8(grant.authorization.to_vec()).unwrap()),
        GrantState::Missing => None,
    }
}

/// How many calls are due, and how many grants were found.
fn due(table: &mut GrantTable, now_ms: u64, host: &Host) -> (usize, usize) {
    let due = table.due(now_ms, host);
    (due.calls.len(), due.found.len())
}

/// The control plane gives grant `serial`, which is due for a refresh after 5 s and over after 9 s.
fn given(table: &mut GrantTable, serial: u64, now_ms: u64, needed: bool, host: &Host) {
    let authorization = format!("Bearer {serial}");
    let granted =
        Granted { serial, authorization, refresh_ms: Some(5_000), expires_ms: Some(9_000), csrf: None };
    let body = serde_json::to_vec(&GrantAnswer::Granted(granted)).unwrap();
    let answer = Answer::Served { status: 200, body: &body };
    assert_eq!(table.answered("g", now_ms, answer, true, needed), Outcome::Ready);
    table.publish("g", now_ms, host);
}

/// Two VMs, the first of which was given grant 1 at 0.
fn two(host: &Host) -> [GrantTable; 2] {
    let mut tables = [GrantTable::new(1), GrantTable::new(2)];
    tables[0].want("g");
    assert_eq!(due(&mut tables[0], 0, host), (1, 0));
    given(&mut tables[0], 1, 0, true, host);
    tables
}

#[test]
fn what_one_vm_was_given_serves_the_other_without_a_call() {
    let host = Host::default();
    let [_, mut other] = two(&host);
    other.want("g");
    assert_eq!(due(&mut other, 4_000, &host), (0, 1));
    assert_eq!(value(&other, 4_000).unwrap(), "Bearer 1");
    assert_eq!(value(&other, 9_000), None, "it ends when it ends for the one that was given it");
}

#[test]
fn refresh_of_one_vm_is_taken_by_the_other() {
    let host = Host::default();
    let [mut one, mut other] = two(&host);
    other.want("g");
    due(&mut other, 1, &host);
    assert!(value(&one, 5_000).is_some() && value(&other, 5_000).is_some());
    assert_eq!(due(&mut one, 5_000, &host), (1, 0), "nobody has a newer one");
    given(&mut one, 2, 5_001, true, &host);
    assert_eq!(due(&mut other, 5_002, &host), (0, 1));
    assert_eq!(value(&other, 5_002).unwrap(), "Bearer 2");
}

#[test]
fn newer_grant_that_is_due_itself_does_not_end_a_refresh() {
    let host = Host::default();
    let [mut one, _] = two(&host);
    host.put(encode(&held(2, 4_000, 8_000)));
    value(&one, 5_000);
    assert_eq!(due(&mut one, 5_000, &host), (1, 0));
}

#[test]
fn waiting_request_whose_call_failed_gets_what_another_vm_was_given_meanwhile() {
    let host = Host::default();
    let mut table = GrantTable::new(1);
    table.want("g");
    assert_eq!(due(&mut table, 0, &host), (1, 0));
    assert_eq!(table.answered("g", 1, Answer::Lost, true, true), Outcome::Retry);
    assert_eq!(due(&mut table, 2, &host), (0, 0));
    assert!(!table.has_queue(), "requests have nothing to send meanwhile");
    host.put(encode(&held(7, 5_000, 9_000)));
    assert_eq!(due(&mut table, 400, &host), (0, 1));
    assert_eq!(value(&table, 400).unwrap(), "Bearer 7");
}

#[test]
fn older_serial_never_replaces_a_newer_one() {
    let host = Host::default();
    for (serial, there) in [(5, 5), (4, 5), (6, 6), (6, 6)] {
        publish(&host, "g", &held(serial, 10, 20), 0);
        assert_eq!(host.serial(), Some(there));
    }
    // Written between the look and the write.
    for (first, second) in [(7, 9), (9, 7)] {
        let host = Host::default();
        *host.others.borrow_mut() = vec![encode(&held(second, 10, 20))];
        publish(&host, "g", &held(first, 10, 20), 0);
        assert_eq!(host.serial(), Some(9));
    }
}

#[test]
fn writers_that_never_rest_end_the_attempt() {
    let host = Host::default();
    *host.others.borrow_mut() = vec![encode(&held(1, 10, 20)); 100];
    publish(&host, "g", &held(2, 10, 20), 0);
    assert_eq!(host.others.borrow().len(), 100 - ATTEMPTS);
}

#[test]
fn dead_grant_is_not_taken_and_gives_way() {
    let host = Host::default();
    host.put(encode(&held(u64::MAX, 10, 20)));
    assert!(better(&host, "g", None, None, 20).is_none());
    publish(&host, "g", &held(1, 100, 200), 20);
    assert_eq!(host.serial(), Some(1));
}

#[test]
fn value_is_emptied_with_the_last_record_that_names_it() {
    let host = Host::default();
    let [mut one, mut other] = two(&host);
    one.drop_grant("g", &host);
    assert_eq!(host.value(), b"");
    other.want("g");
    assert_eq!(due(&mut other, 1, &host), (1, 0), "an empty value is none");
    other.drop_grant("g", &host);
    given(&mut other, 2, 2, false, &host);
    assert_eq!(host.value(), b"", "what nobody needs any longer is not shown");
}

#[test]
fn what_cannot_be_read_does_not_count() {
    let good = encode(&held(1, 10, 20));
    let mut other_layout = good.clone();
    other_layout[0] = 3;
    let mut lengths_beyond = good.clone();
    lengths_beyond[0] = LAYOUT_CSRF;
    for bad in [
        &b""[..],
        &[LAYOUT],
        &good[..24],
        &other_layout,
        &lengths_beyond,
        &[&good[..], b"\r\nx: y"].concat(),
        &[&good[..], b"\0"].concat(),
    ] {
        let host = Host::default();
        host.put(bad.to_vec());
        assert!(better(&host, "g", None, None, 0).is_none(), "{bad:?}");
        publish(&host, "g", &held(1, 10, 20), 0);
        assert_eq!(host.serial(), Some(1), "{bad:?}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_ignored(bytes: Vec<u8>) {
            if let Some(held) = decode(&bytes) {
                prop_assert_eq!(encode(&held), bytes);
            }
        }

        #[test]
        fn any_bytes_after_the_layout_are_read_or_ignored(bytes: Vec<u8>) {
            for layout in [LAYOUT, LAYOUT_CSRF] {
                let bytes = [&[layout], &bytes[..]].concat();
                if let Some(held) = decode(&bytes) {
                    prop_assert_eq!(encode(&held), bytes);
                }
            }
        }

        #[test]
        fn what_is_written_is_read(
            texts in proptest::array::uniform3("[\t -~\u{80}-\u{fff}]{0,200}"),
            with_session: bool,
            times: [u64; 3],
        ) {
            let [serial, refresh_at, expires_at] = times;
            let [authorization, token, cookies] = texts.map(String::into_bytes);
            let csrf = Session::from_parts(&token, &cookies).filter(|_| with_session);
            let grant = Grant { authorization: authorization.into(), csrf, serial, same_since: serial };
            let written = Held { grant, refresh_at, expires_at };
            let read = decode(&encode(&written)).unwrap();
            prop_assert!(read.grant.is_like(&written.grant));
            prop_assert_eq!(read.serial(), serial);
            prop_assert_eq!((read.refresh_at, read.expires_at), (refresh_at, expires_at));
        }
    }
}
