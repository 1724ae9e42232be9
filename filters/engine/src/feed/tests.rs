#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use fairlead_wire::{
    Reason, Refusal,
    config::Control,
    feed::{EgressOutcome, EgressRecord, Keyed, MAX_MISSING, MAX_WANTED, Poll, Report, View},
};

use super::{Client, IDLE_MS, Settings};
use crate::{
    call::{Answer, Call},
    snapshot::{Egress, Table},
};
use server::Server;

mod server;

/// A client with its table.
pub(super) struct Side {
    pub(super) client: Client,
    pub(super) table: Table<Egress>,
}

impl Side {
    pub(super) fn new(page_bytes: u32) -> Self {
        let control = Control { page_bytes, ..Control::default() };
        Self { client: Client::new(View::Egress, Settings::from(&control), 1), table: Table::default() }
    }

    fn next(&mut self, now: u64) -> Call {
        self.client.next(now).expect("a call is due")
    }

    pub(super) fn answered(&mut self, now: u64, answer: Answer<'_>) {
        self.client.answered(&mut self.table, now, answer);
    }

    fn served(&mut self, now: u64, body: &str) {
        self.answered(now, Answer::Served { status: 200, body: body.as_bytes() });
    }

    /// Exchanges calls until a poll has nothing to say. Returns the calls.
    fn settle(&mut self, server: &Server, now: u64) -> Vec<Call> {
        let mut calls = Vec::new();
        loop {
            let Some(call) = self.client.next(now) else { return calls };
            let answer = server.answer(&call);
            self.answered(now, Answer::Served { status: 200, body: &answer });
            calls.push(call);
        }
    }
}

pub(super) fn record(text: &str, manual: bool) -> EgressRecord {
    EgressRecord { manual, outcome: EgressOutcome::Refusal(Refusal::json(400, Reason::Other, text)) }
}

fn texts(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.path.split('?').next().unwrap()).collect()
}

#[test]
fn cold_client_lists_records_and_is_complete_only_at_the_end() {
    let mut server = Server::new("e1");
    for n in 0..50 {
        server.set(&format!("app{n}/s/e"), record("x", true));
    }
    let mut side = Side::new(1000);
    let mut calls = 0;
    while !side.client.is_complete() {
        let call = side.next(0);
        let answer = server.answer(&call);
        side.answered(0, Answer::Served { status: 200, body: &answer });
        calls += 1;
    }
    assert!(calls > 5, "pages are small: {calls}");
    assert_eq!(side.table.len(), 50);
    assert!(server.equals(&side.table));
    assert_eq!(side.client.revision(), 50);
}

#[test]
fn another_epoch_fetches_differences_only_and_drops_at_the_end() {
    let mut server = Server::new("e1");
    for n in 0..2000 {
        server.set(&format!("app{n}/s/e"), record("x", true));
    }
    let mut side = Side::new(64 * 1024);
    side.settle(&server, 0);
    server.restart("e2");
    server.set("app7/s/e", record("changed", true));
    server.set("new/s/e", record("new", true));
    server.delete("app9/s/e");
    let before = side.client.counters().records;
    let calls = side.settle(&server, IDLE_MS);
    assert_eq!(side.client.counters().records - before, 2);
    assert!(server.equals(&side.table));
    assert!(side.table.get(b"app9/s").is_none());
    assert!(!texts(&calls).contains(&"/feed/v1/egress/records") || calls.iter().any(|c| c.method == "POST"));
    assert!(calls.iter().filter(|c| c.method == "POST").count() == 2, "two pages of hashes differ");
}

#[test]
fn wanted_keys_come_in_bounded_batches() {
    let mut server = Server::new("e1");
    server.set("a/s/e", record("x", true));
    let mut side = Side::new(1024 * 1024);
    side.settle(&server, 0);
    server.restart("e2");
    for n in 0..3000 {
        server.set(&format!("app{n}/s/e"), record("x", true));
    }
    let calls = side.settle(&server, IDLE_MS);
    assert!(server.equals(&side.table));
    for call in calls.iter().filter(|call| call.method == "POST") {
        let wanted: fairlead_wire::feed::Wanted = serde_json::from_slice(&call.body).unwrap();
        assert!((1..=MAX_WANTED).contains(&wanted.keys.len()));
    }
}

#[test]
fn a_cold_client_asks_again_within_the_time_that_requests_are_held() {
    let mut side = Side::new(1000);
    let mut now = 0;
    for _ in 0..20 {
        side.next(now);
        side.answered(now, Answer::Lost);
        now += 625;
    }
    let server = Server::new("e1");
    side.settle(&server, now);
    for _ in 0..20 {
        now += 10_000;
        side.next(now);
        side.answered(now, Answer::Lost);
    }
    assert!(
        side.client.next(now + 5_000).is_none(),
        "a client that has its view leaves the other side in peace"
    );
}

#[test]
fn a_lost_answer_backs_off_and_asks_the_same_again() {
    let mut side = Side::new(1000);
    let call = side.next(0);
    side.answered(0, Answer::Lost);
    assert_eq!(side.client.next(180), None);
    assert_eq!(side.next(400), call);
    assert_eq!(side.client.next(400), None, "one call at a time");
    side.answered(400, Answer::Served { status: 503, body: b"" });
    assert_eq!(side.client.next(600), None);
    assert_eq!(side.client.counters().lost, 2);
    assert_eq!(side.client.age_ms(600), None);
}

#[test]
fn what_cannot_be_read_changes_nothing_and_after_three_times_everything_is_listed() {
    let mut server = Server::new("e1");
    server.set("a/s/e", record("x", true));
    let mut side = Side::new(1000);
    side.settle(&server, 0);
    let half = r#"{"epoch":"e1","revision":9,"changed":[{"key":"b/s/e","hash":"00"}"#;
    for (n, body) in ["", half, "[]"].into_iter().enumerate() {
        let now = 100_000 * (n as u64 + 1);
        assert!(side.next(now).path.contains("epoch=e1&revision=1"));
        side.served(now, body);
        assert!(server.equals(&side.table));
    }
    assert_eq!(side.client.counters().malformed, 3);
    assert!(side.next(900_000).path.contains("epoch=&revision=0"));
}

#[test]
fn listings_that_go_in_circles_or_name_strangers_are_malformed() {
    for page in [
        r#"{"epoch":"e","records":[],"more":true}"#,
        r#"{"epoch":"e","records":[{"key":"b","hash":"","record":1},{"key":"a","hash":"","record":1}]}"#,
        r#"{"epoch":"e","records":[{"key":"","hash":"","record":1}]}"#,
    ] {
        let mut side = Side::new(1000);
        side.next(0);
        side.served(0, r#"{"epoch":"e","revision":1,"resync":true}"#);
        side.next(0);
        side.served(0, page);
        assert_eq!(side.client.counters().malformed, 1, "{page}");
        assert!(!side.client.is_complete() && side.table.is_empty());
    }
}

#[test]
fn a_record_of_a_newer_control_plane_refuses_alone() {
    let mut side = Side::new(1000);
    side.next(0);
    side.served(0, r#"{"epoch":"e","revision":1,"resync":true,"new":{"a":[1]}}"#);
    side.next(0);
    let fine = serde_json::to_string(&Keyed {
        key: "b/s/e".to_owned(),
        hash: "0".repeat(32),
        record: record("fine", true),
    })
    .unwrap();
    side.served(
        0,
        &format!(
            r#"{{"epoch":"e","records":[{{"key":"a/s/e","hash":"x","record":{{"outcome":{{"teleport":1}}}}}},{fine}]}}"#
        ),
    );
    assert!(side.client.is_complete());
    assert_eq!(side.client.counters().unreadable, 1);
    assert!(
        matches!(&**side.table.get(b"a/s/e").unwrap(), Egress::Refusal(refusal) if refusal.status == 503)
    );
    assert!(matches!(&**side.table.get(b"b/s").unwrap(), Egress::Refusal(refusal) if refusal.status == 400));
}

#[test]
fn report_names_missing_profiles_until_a_poll_took_it() {
    let mut side = Side::new(1000);
    for n in 0..100 {
        side.client.report_missing(&format!("fairlead.t.{n}"));
    }
    let report = |call: &Call| serde_json::from_str::<Report>(call.report.as_ref().unwrap()).unwrap();
    assert_eq!(report(&side.next(0)).missing_profiles.len(), MAX_MISSING);
    side.answered(0, Answer::Lost);
    let first = report(&side.next(1000));
    assert_eq!(first.missing_profiles.len(), MAX_MISSING);
    assert_eq!((first.epoch.as_str(), first.revision), ("", 0));
    side.client.report_missing("fairlead.t.late");
    let server = Server::new("e1");
    let poll: Poll<()> = Poll {
        epoch: "e1".to_owned(),
        revision: 0,
        resync: true,
        more: false,
        changed: Vec::new(),
        removed: Vec::new(),
    };
    side.served(1000, &serde_json::to_string(&poll).unwrap());
    side.settle(&server, 1000);
    assert!(side.client.next(1000).is_none(), "an empty answer that came at once is followed by a pause");
    assert_eq!(report(&side.next(1000 + IDLE_MS)).missing_profiles, Vec::<String>::new());
}

#[test]
fn report_of_a_missing_profile_does_not_wait_for_the_end_of_a_poll() {
    let mut server = Server::new("e1");
    server.set("a/s/e", record("x", true));
    let mut side = Side::new(1000);
    side.client.report_missing("fairlead.t.early");
    assert_eq!(side.client.report(0), None, "the first poll says it");
    side.settle(&server, 0);
    side.next(IDLE_MS);
    assert_eq!(side.client.report(1_000), None);
    side.client.report_missing("fairlead.t.late");
    let call = side.client.report(1_000).unwrap();
    assert!(call.path.starts_with("/feed/v1/egress?epoch=e1&revision="), "{}", call.path);
    assert!(call.path.ends_with("&wait=0&bytes=1"), "{}", call.path);
    let said =
        |call: &Call| serde_json::from_str::<Report>(call.report.as_ref().unwrap()).unwrap().missing_profiles;
    assert_eq!(said(&call), ["fairlead.t.late"]);
    side.client.report_missing("fairlead.t.later");
    assert_eq!(side.client.report(9_000), None, "one at a time");
    side.client.reported(false);
    let call = side.client.report(9_000).unwrap();
    assert_eq!(said(&call), ["fairlead.t.late", "fairlead.t.later"], "what was not taken comes again");
    side.client.reported(true);
    assert_eq!(side.client.report(20_000), None);
    side.client.report_missing("fairlead.t.late");
    assert_eq!(side.client.report(10_999), None, "not more often than every two seconds");
    assert_eq!(said(&side.client.report(11_000).unwrap()), ["fairlead.t.late"]);
    side.client.reported(true);
    assert_eq!(side.client.next(20_000), None, "the poll is in flight all the while");
}

#[test]
fn age_counts_from_the_last_poll_that_was_answered() {
    let mut server = Server::new("e1");
    server.set("a/s/e", record("x", true));
    let mut side = Side::new(1000);
    side.settle(&server, 100);
    assert_eq!(side.client.age_ms(1_100), Some(1_000));
    side.next(10_000);
    side.answered(40_000, Answer::Lost);
    assert_eq!(side.client.age_ms(40_100), Some(40_000));
    side.settle(&server, 50_000);
    assert_eq!(side.client.age_ms(50_001), Some(1));
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Event {
        Set(u8, u8, bool),
        Delete(u8),
        Restart,
        Forget,
        /// The client asks, and is answered truly.
        Exchange,
        /// The answer is lost, refused, cut short, or of another time.
        Lose,
        Refuse,
        Cut(u16),
        Late,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            6 => (0..12_u8, any::<u8>(), any::<bool>()).prop_map(|(k, v, m)| Event::Set(k, v, m)),
            3 => (0..12_u8).prop_map(Event::Delete),
            1 => Just(Event::Restart),
            1 => Just(Event::Forget),
            12 => Just(Event::Exchange),
            1 => Just(Event::Lose),
            1 => Just(Event::Refuse),
            1 => any::<u16>().prop_map(Event::Cut),
            1 => Just(Event::Late),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn client_equals_server_after_quiescence(
            events in proptest::collection::vec(event(), 0..120),
            page in prop_oneof![Just(1_u32), Just(300), Just(64 * 1024)],
        ) {
            let mut server = Server::new("e0");
            let mut side = Side::new(page);
            let (mut now, mut epochs, mut kept) = (0, 0, None);
            for event in events {
                now += 20_000;
                match event {
                    // One of an application's four entries at most answers to the manual port.
                    Event::Set(k, v, manual) => server.set_entry(k / 4, k % 4, v, manual),
                    Event::Delete(k) => server.delete(&format!("app{}/s/e{}", k / 4, k % 4)),
                    Event::Restart => {
                        epochs += 1;
                        server.restart(&format!("e{epochs}"));
                    }
                    Event::Forget => server.forget_history(),
                    Event::Exchange | Event::Lose | Event::Refuse | Event::Cut(_) | Event::Late => {
                        let Some(call) = side.client.next(now) else { continue };
                        let body = server.answer(&call);
                        match event {
                            Event::Lose => side.answered(now, Answer::Lost),
                            Event::Refuse => side.answered(now, Answer::Served { status: 500, body: b"{}" }),
                            Event::Cut(at) => {
                                let body = &body[..usize::from(at) % body.len()];
                                side.answered(now, Answer::Served { status: 200, body });
                            }
                            Event::Late => {
                                let late = kept.replace(body.clone()).unwrap_or(body);
                                // An answer to another question: the client must get over it.
                                side.answered(now, Answer::Served { status: 200, body: &late });
                                server.restart(&format!("late{now}"));
                            }
                            _ => side.answered(now, Answer::Served { status: 200, body: &body }),
                        }
                    }
                }
            }
            for _ in 0..400 {
                now += 20_000;
                if let Some(call) = side.client.next(now) {
                    let body = server.answer(&call);
                    side.answered(now, Answer::Served { status: 200, body: &body });
                }
            }
            prop_assert!(side.client.is_complete());
            prop_assert!(server.equals(&side.table), "{:?} {:?}", server, side.table);
        }

        #[test]
        fn no_bytes_make_it_panic(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..8)) {
            let mut side = Side::new(1);
            for (n, body) in bodies.iter().enumerate() {
                let now = n as u64 * 100_000;
                side.client.next(now);
                side.answered(now, Answer::Served { status: 200, body });
            }
        }
    }
}
