#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use fairlead_wire::{
    Reason, Refusal,
    feed::{EgressOutcome, EgressRecord},
};

use super::{Records as _, Table};
use crate::snapshot::Egress;

fn record(body: &str, manual: bool) -> EgressRecord {
    EgressRecord { manual, outcome: EgressOutcome::Refusal(Refusal::json(400, Reason::Other, body)) }
}

fn body(table: &Table<Egress>, key: &str) -> Option<String> {
    table.get(key.as_bytes()).map(|entry| match &**entry {
        Egress::Refusal(refusal) => refusal.body.clone(),
        Egress::Route(_) => String::new(),
    })
}

fn says(table: &Table<Egress>, key: &str, word: &str) -> bool {
    body(table, key).is_some_and(|body| body.contains(word))
}

#[test]
fn table_finds_a_manual_record_by_both_keys_and_others_by_one() {
    let mut table = Table::<Egress>::default();
    table.insert("app/svc/one", Some(1), record("first", true));
    table.insert("app/svc/two", Some(2), record("second", false));
    assert!(says(&table, "app/svc/one", "first") && says(&table, "app/svc", "first"));
    assert!(says(&table, "app/svc/two", "second"));
    table.remove("app/svc/one");
    assert!(table.get(b"app/svc").is_none() && table.get(b"app/svc/one").is_none());
    assert!(says(&table, "app/svc/two", "second"));
}

#[test]
fn table_hands_an_alias_over_whatever_comes_first() {
    let mut table = Table::<Egress>::default();
    table.insert("a/s/one", Some(1), record("one", true));
    table.insert("a/s/two", Some(2), record("two", true));
    table.remove("a/s/one");
    assert!(says(&table, "a/s", "two"));
    table.insert("a/s/one", Some(1), record("one", true));
    table.insert("a/s/two", Some(3), record("two", false));
    assert!(says(&table, "a/s", "one"), "the older claim counts again");
    table.insert("a/s", Some(4), record("ambiguous", false));
    table.insert("a/s/one", Some(5), record("one", false));
    assert!(says(&table, "a/s", "ambiguous"));
    table.remove("a/s");
    assert!(table.get(b"a/s").is_none());
}

#[test]
fn listing_drops_at_its_end_what_it_did_not_name() {
    let mut table = Table::<Egress>::default();
    for (key, digest) in [("a/s/e", 1), ("b/s/e", 2), ("c/s/e", 3)] {
        table.insert(key, Some(digest), record(key, true));
    }
    table.begin_listing();
    assert!(table.confirm("a/s/e", Some(1)));
    assert!(!table.confirm("b/s/e", Some(9)), "another hash must be fetched");
    assert!(!table.confirm("d/s/e", Some(4)), "an unknown key must be fetched");
    table.insert("b/s/e", Some(9), record("b, changed", true));
    assert!(says(&table, "c/s", "c/s/e"), "nothing is forgotten before the end");
    assert_eq!(table.end_listing(), 1);
    assert!(table.get(b"c/s").is_none() && says(&table, "b/s", "changed") && says(&table, "a/s", "a/s/e"));
}

#[test]
fn unreadable_record_refuses_by_both_keys_and_is_fetched_again() {
    let mut table = Table::<Egress>::default();
    table.insert("a/s/e", Some(1), record("fine", true));
    assert!(!table.read("a/s/e", Some(2), b"{\"manual\":true,\"outcome\":{\"dance\":1}}"));
    assert!(says(&table, "a/s", "cannot read") && says(&table, "a/s/e", "cannot read"));
    table.begin_listing();
    assert!(!table.confirm("a/s/e", Some(1)));
}

#[test]
fn records_of_one_application_share_its_calls_also_with_those_that_replace_them() {
    let route = || EgressRecord { manual: false, outcome: EgressOutcome::Route(Box::default()) };
    let mut table = Table::<Egress>::default();
    let calls = |table: &Table<Egress>, key: &str| match table.get(key.as_bytes()).map(|entry| &**entry) {
        Some(Egress::Route(route)) => route.calls.clone(),
        other => panic!("{other:?}"),
    };
    for key in ["a/s/one", "a/t/one", "b/s/one"] {
        table.insert(key, None, route());
    }
    let permit = calls(&table, "a/s/one").enter();
    table.insert("a/s/one", None, route());
    for (key, count) in [("a/s/one", 1), ("a/t/one", 1), ("b/s/one", 0)] {
        assert_eq!(calls(&table, key).in_progress(), count, "{key}");
    }
    table.remove("a/s/one");
    table.remove("a/t/one");
    assert_eq!(table.calls.len(), 1, "nothing is kept of an Application that is gone");
    drop(permit);
}
