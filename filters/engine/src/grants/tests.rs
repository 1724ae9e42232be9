#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use fairlead_wire::{
    Reason, Refusal,
    grant::{Csrf, Granted},
};

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
        GrantState::Ready(grant) => Some(String::from_utf8(grant.authorization.to_vec()).unwrap()),
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

/// An answer with this content.
fn with(serial: u64, authorization: &str, csrf: Option<Csrf>) -> Vec<u8> {
    let authorization = authorization.to_owned();
    let granted = Granted { serial, authorization, csrf, ..Granted::default() };
    serde_json::to_vec(&GrantAnswer::Granted(granted)).unwrap()
}

fn refused(reason: Reason, retry_after: Option<u32>) -> Vec<u8> {
    let refusal = Refusal { retry_after, ..Refusal::json(503, reason, "x") };
    serde_json::to_vec(&GrantAnswer::Refused(refusal)).unwrap()
}

#[test]
fn a_rejected_grant_is_renewed_once_however_many_reject_it_and_serves_others_meanwhile() {
    let mut table = holding(None, None);
    for _ in 0..1_000 {
        table.reject("g", 1, 10).unwrap();
    }
    assert_eq!(asked(&mut table, 10), [Some(1)]);
    table.reject("g", 1, 11).unwrap();
    assert_eq!(asked(&mut table, 11), []);
    assert_eq!(value(&table, 12).unwrap(), "Bearer 1");
    assert_eq!(table.answered("g", 20, served(&granted(2, None, None)), true, true), Outcome::Ready);
    assert_eq!(value(&table, 20).unwrap(), "Bearer 2");
    // Latecomers find the newer one.
    table.reject("g", 1, 30).unwrap();
    assert!(!table.has_queue());
    table.reject("g", 2, 31).unwrap();
    assert_eq!(asked(&mut table, 31), [Some(2)]);
}

#[test]
fn a_refresh_that_was_under_way_when_the_grant_was_rejected_is_followed_by_another_call() {
    let mut table = holding(Some(1_000), Some(60_000));
    value(&table, 1_000);
    assert_eq!(asked(&mut table, 1_000), [None]);
    table.reject("g", 1, 1_001).unwrap();
    assert_eq!(asked(&mut table, 1_001), []);
    let same = granted(1, Some(1_000), Some(60_000));
    assert_eq!(table.answered("g", 1_002, served(&same), true, true), Outcome::Ready);
    assert_eq!(asked(&mut table, 1_002), [Some(1)]);
    // A newer one is what a refresh gives as well.
    assert_eq!(table.answered("g", 1_003, served(&granted(2, None, None)), true, true), Outcome::Ready);
    assert!(!table.has_queue() && value(&table, 1_004).unwrap() == "Bearer 2");
}

#[test]
fn a_limit_on_rejections_is_kept_without_asking_and_the_old_grant_stays() {
    let mut table = holding(None, None);
    table.reject("g", 1, 0).unwrap();
    asked(&mut table, 0);
    let limited = refused(Reason::GrantLimited, Some(30));
    let outcome = table.answered("g", 1, served(&limited), true, true);
    assert!(matches!(outcome, Outcome::Refused(refusal) if refusal.reason == Reason::GrantLimited));
    assert_eq!(value(&table, 2).unwrap(), "Bearer 1");
    for now in [2, 29_999] {
        assert_eq!(table.reject("g", 1, now).unwrap_err().reason, Reason::GrantLimited);
        assert!(!table.has_queue());
    }
    table.reject("g", 1, 30_001).unwrap();
    assert_eq!(asked(&mut table, 30_001), [Some(1)]);
}

#[test]
fn a_limit_is_not_believed_for_ever() {
    let mut table = holding(None, None);
    table.reject("g", 1, 0).unwrap();
    asked(&mut table, 0);
    table.answered("g", 0, served(&refused(Reason::GrantLimited, Some(u32::MAX))), true, true);
    assert!(table.reject("g", 1, 59_999).is_err());
    assert!(table.reject("g", 1, 60_000).is_ok());
}

#[test]
fn an_answer_that_is_not_newer_although_asked_for_is_a_refusal() {
    let mut table = holding(None, None);
    table.reject("g", 1, 0).unwrap();
    asked(&mut table, 0);
    let outcome = table.answered("g", 1, served(&granted(1, None, None)), true, true);
    assert!(matches!(outcome, Outcome::Refused(_)));
    assert_eq!(value(&table, 1).unwrap(), "Bearer 1");
    assert!(table.reject("g", 1, 2).is_err());
}

#[test]
fn a_failed_renewal_leaves_a_good_grant_and_drops_one_that_is_over() {
    for (now, left) in [(10, Some("Bearer 1")), (2_000, None)] {
        let mut table = holding(None, Some(2_000));
        table.reject("g", 1, 1).unwrap();
        assert_eq!(asked(&mut table, 1), [Some(1)]);
        table.answered("g", now, served(&refused(Reason::TokenEndpointStatus, None)), true, true);
        assert_eq!(value(&table, now).as_deref(), left);
    }
}

#[test]
fn a_grant_says_since_when_its_content_is_the_same() {
    let mut table = holding(None, None);
    let differs = |table: &GrantTable, serial| match table.at(0).grant("g") {
        GrantState::Ready(grant) => grant.differs_from(serial),
        GrantState::Missing => panic!("no grant"),
    };
    for (serial, content, since) in [(2, "Bearer 1", 1), (3, "Bearer 1", 1), (4, "Bearer 4", 4)] {
        table.reject("g", serial - 1, 0).unwrap();
        asked(&mut table, 0);
        table.answered("g", 0, served(&with(serial, content, None)), true, true);
        for older in 0..serial {
            assert_eq!(differs(&table, older), since > older, "{older} and {serial}");
        }
    }
}

#[test]
fn a_session_is_held_and_one_that_no_header_can_carry_is_no_grant() {
    let csrf = |token: &str, cookie: &str| Csrf { token: token.to_owned(), cookies: vec![cookie.to_owned()] };
    let mut table = GrantTable::new(1);
    table.want("g");
    asked(&mut table, 0);
    let bad = with(1, "", Some(csrf("t", "a=b\r\nc: d")));
    assert_eq!(table.answered("g", 0, served(&bad), true, true), Outcome::Retry);
    asked(&mut table, 10_000);
    table.answered("g", 0, served(&with(1, "", Some(csrf("t", "a=b")))), true, true);
    let now = table.at(0);
    let GrantState::Ready(grant) = now.grant("g") else { panic!("no grant") };
    assert_eq!(grant.csrf.as_ref().unwrap().own_cookies(), b"a=b");
    assert!(!format!("{grant:?}").contains("a=b"));
}
