#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use fairlead_wire::{Reason, Refusal, grant::Granted};

use super::*;

fn granted(serial: u64, refresh_ms: Option<u64>, expires_ms: Option<u64>) -> Vec<u8> {
    let authorization = format!("Bearer {serial}");
    serde_json::to_vec(&GrantAnswer::Granted(Granted {
        serial,
        authorization,
        refresh_ms,
        expires_ms,
        csrf: None,
    }))
    .unwrap()
}

fn served(body: &[u8]) -> Answer<'_> {
    Answer::Served { status: 200, body }
}

fn value(table: &GrantTable, now_ms: u64) -> Option<String> {
    match table.at(now_ms).grant("g") {
        GrantState::Ready(value) => Some(String::from_utf8(value.to_vec()).unwrap()),
        GrantState::Missing => None,
    }
}

fn asked(table: &mut GrantTable, now_ms: u64) -> Vec<Option<u64>> {
    let calls = table.due(now_ms, &()).calls.into_iter();
    calls
        .map(|(id, call)| {
            assert_eq!((&*id, call.method, call.path.as_str()), ("g", "POST", "/grants/v1/g"));
            serde_json::from_slice::<GrantRequest>(&call.body).unwrap().rejected
        })
        .collect()
}

/// A table that holds grant 1 since 0.
fn holding(refresh_ms: Option<u64>, expires_ms: Option<u64>) -> GrantTable {
    let mut table = GrantTable::new(1);
    table.want("g");
    assert_eq!(asked(&mut table, 0), [None]);
    let answer = granted(1, refresh_ms, expires_ms);
    assert_eq!(table.answered("g", 0, served(&answer), true, true), Outcome::Ready);
    table
}

#[test]
fn grant_is_asked_for_once_however_many_wait() {
    let mut table = GrantTable::new(1);
    assert_eq!(value(&table, 0), None);
    for _ in 0..10 {
        table.want("g");
    }
    assert_eq!(asked(&mut table, 0), [None]);
    table.want("g");
    assert_eq!(asked(&mut table, 1), []);
    table.answered("g", 2, served(&granted(1, None, None)), true, true);
    assert_eq!(
        value(&table, u64::MAX - 1).unwrap(),
        "Bearer 1",
        "without a lifetime it is good until rejected"
    );
    assert!(!table.has_queue());
}

#[test]
fn grant_in_use_is_refreshed_ahead_and_stays_good_meanwhile() {
    let mut table = holding(Some(5_000), Some(9_000));
    assert_eq!(value(&table, 4_999).unwrap(), "Bearer 1");
    assert!(!table.has_queue());
    for now in [5_000, 5_001] {
        assert_eq!(value(&table, now).unwrap(), "Bearer 1");
    }
    assert_eq!(asked(&mut table, 5_001), [None]);
    assert_eq!(value(&table, 5_002).unwrap(), "Bearer 1");
    assert_eq!(asked(&mut table, 5_002), []);
    table.answered("g", 5_100, served(&granted(2, Some(5_000), Some(9_000))), false, true);
    assert_eq!(value(&table, 9_500).unwrap(), "Bearer 2");
}

#[test]
fn failed_refresh_is_repeated_with_pauses_until_the_end() {
    let mut table = holding(Some(1_000), Some(60_000));
    value(&table, 1_000);
    assert_eq!(asked(&mut table, 1_000).len(), 1);
    assert_eq!(table.answered("g", 1_001, Answer::Lost, false, true), Outcome::Retry);
    value(&table, 1_002);
    assert_eq!(asked(&mut table, 1_002), []);
    value(&table, 1_400);
    assert_eq!(asked(&mut table, 1_400).len(), 1);
    let refused = serde_json::to_vec(&GrantAnswer::Refused(Refusal::json(502, Reason::Other, "x"))).unwrap();
    table.answered("g", 1_500, served(&refused), false, true);
    assert_eq!(value(&table, 59_999).unwrap(), "Bearer 1");
}

#[test]
fn expired_grant_is_missing_and_its_serial_must_not_come_again() {
    let mut table = holding(None, Some(2_000));
    assert_eq!(value(&table, 2_000), None);
    table.want("g");
    assert_eq!(asked(&mut table, 2_000), [Some(1)]);
}

#[test]
fn lifetimes_of_nothing_do_not_make_a_loop() {
    let table = holding(Some(0), Some(0));
    assert!(value(&table, 1).is_some());
    assert!(!table.has_queue());
}

#[test]
fn refusal_and_unknown_leave_nothing_behind() {
    for (answer, outcome) in [
        (
            GrantAnswer::Refused(Refusal::json(502, Reason::TokenEndpointStatus, "x")),
            Outcome::Refused(Refusal::json(502, Reason::TokenEndpointStatus, "x")),
        ),
        (GrantAnswer::Unknown, Outcome::Unknown),
    ] {
        let mut table = GrantTable::new(1);
        table.want("g");
        table.due(0, &());
        let body = serde_json::to_vec(&answer).unwrap();
        assert_eq!(table.answered("g", 0, served(&body), true, true), outcome);
        assert!(table.entries.is_empty());
        table.want("g");
        assert_eq!(asked(&mut table, 0).len(), 1, "the next request asks again");
    }
}

#[test]
fn answers_that_say_nothing_are_asked_again_while_someone_waits() {
    let newline = br#"{"granted":{"serial":1,"authorization":"Bearer a\r\nb: c"}}"#;
    for answer in
        [Answer::Lost, served(b"{"), served(newline), Answer::Served { status: 500, body: b"\"unknown\"" }]
    {
        let mut table = GrantTable::new(1);
        table.want("g");
        table.due(0, &());
        assert_eq!(table.answered("g", 0, answer, true, true), Outcome::Retry);
        assert_eq!(asked(&mut table, 100), []);
        assert_eq!(asked(&mut table, 400).len(), 1);
        assert_eq!(table.answered("g", 500, answer, false, true), Outcome::Retry);
        assert!(table.entries.is_empty() && table.due(10_000, &()).calls.is_empty());
    }
}

#[test]
fn value_leaves_memory_with_the_last_record_that_names_it() {
    let mut table = holding(None, None);
    table.drop_grant("g", &());
    assert!(table.is_empty() && value(&table, 1).is_none());
    table.want("g");
    table.due(1, &());
    table.answered("g", 2, served(&granted(2, None, None)), false, false);
    assert!(table.is_empty(), "nobody needs it any longer");
}

#[test]
fn call_of_a_sender_that_is_gone_is_sent_again_only_if_someone_waits() {
    let mut table = GrantTable::new(1);
    table.want("g");
    table.due(0, &());
    table.abandoned("g", true);
    assert_eq!(asked(&mut table, 0).len(), 1);
    table.abandoned("g", false);
    assert!(table.due(0, &()).calls.is_empty() && table.entries.is_empty());
}

#[test]
fn debug_shows_no_value() {
    let table = holding(None, None);
    let shown = format!("{table:?} {:?} {:?}", table.at(0), table.at(0).grant("g"));
    assert!(!shown.contains("Bearer"), "{shown}");
}
