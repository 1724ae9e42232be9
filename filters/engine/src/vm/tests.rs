#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use fairlead_wire::{
    feed::{Credential, EgressOutcome, EgressRecord, EgressRoute, Keyed, Poll, Records},
    grant::{GrantAnswer, Granted},
};

use super::*;
use crate::snapshot::{Egress, GrantState};

fn config() -> PluginConfig {
    PluginConfig { hold_ms: 5_000, max_held: 3, ..PluginConfig::default() }
}

fn record(grant: &str) -> EgressRecord {
    let route = EgressRoute {
        profile: "fairlead.t.0".to_owned(),
        authority: "t".to_owned(),
        credential: Credential::Grant(grant.to_owned()),
        ..EgressRoute::default()
    };
    EgressRecord { manual: true, outcome: EgressOutcome::Route(Box::new(route)) }
}

fn keyed(grant: &str) -> Keyed<EgressRecord> {
    Keyed { key: "a/s/e".to_owned(), hash: String::new(), record: record(grant) }
}

fn poll(resync: bool, revision: u64, changed: Vec<Keyed<EgressRecord>>) -> Vec<u8> {
    let epoch = "e".to_owned();
    serde_json::to_vec(&Poll { epoch, revision, resync, more: false, changed, removed: Vec::new() }).unwrap()
}

fn feed(vm: &mut Vm<Egress>, now: u64, body: &[u8]) -> Vec<Release> {
    vm.answered(Purpose::Feed, now, Answer::Served { status: 200, body }, &())
}

fn sent(vm: &mut Vm<Egress>, now: u64) -> Vec<Purpose> {
    vm.session_mut().calls(now, &()).0.into_iter().map(|(purpose, _)| purpose).collect()
}

/// Completes the view with one record that needs `grant`; returns who was released.
fn complete(vm: &mut Vm<Egress>, now: u64, grant: &str) -> Vec<Release> {
    assert_eq!(sent(vm, now), [Purpose::Feed]);
    assert_eq!(feed(vm, now, &poll(true, 1, Vec::new())), []);
    assert_eq!(sent(vm, now), [Purpose::Feed]);
    let page = Records { epoch: "e".to_owned(), records: vec![keyed(grant)], more: false };
    let released = feed(vm, now, &serde_json::to_vec(&page).unwrap());
    assert_eq!(sent(vm, now), [Purpose::Feed], "and polls at once");
    released
}

fn contexts(releases: &[Release]) -> Vec<u32> {
    releases.iter().map(|release| release.context).collect()
}

fn reasons(releases: &[Release]) -> Vec<Reason> {
    releases.iter().map(|release| release.answer.as_ref().unwrap().reason).collect()
}

fn granted(vm: &mut Vm<Egress>, id: &str, now: u64, answer: &GrantAnswer) -> Vec<Release> {
    let body = serde_json::to_vec(answer).unwrap();
    vm.answered(Purpose::Grant(id.into()), now, Answer::Served { status: 200, body: &body }, &())
}

#[test]
fn cold_requests_go_on_in_order_when_the_view_is_complete() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    assert!(vm.table().is_none());
    for context in [7, 5, 9] {
        vm.session_mut().hold(context, WaitFor::Snapshot, 0).unwrap();
    }
    vm.session_mut().forget(9);
    let released = complete(&mut vm, 10, "g");
    assert_eq!(contexts(&released), [5, 7]);
    assert!(released.iter().all(|release| release.answer.is_none()));
    assert!(vm.table().is_some());
    assert_eq!(vm.session().waiting(), 0);
}

#[test]
fn cold_requests_get_503_with_retry_after_when_their_time_is_over() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    vm.session_mut().hold(1, WaitFor::Snapshot, 0).unwrap();
    vm.session_mut().hold(2, WaitFor::Snapshot, 100).unwrap();
    assert_eq!(vm.session_mut().tick(4_999), []);
    let over = vm.session_mut().tick(5_000);
    assert_eq!((contexts(&over), reasons(&over)), (vec![1], vec![Reason::Cold]));
    let refusal = over[0].answer.as_ref().unwrap();
    assert_eq!((refusal.status, refusal.retry_after), (503, Some(1)));
    assert_eq!(vm.session().waiting(), 1);
}

#[test]
fn a_profile_that_envoy_lacks_is_reported_beside_the_poll() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    complete(&mut vm, 0, "g");
    let entry = std::rc::Rc::clone(vm.table().unwrap().get(b"a/s").unwrap());
    let exchange = Exchange::new(Vec::new(), 0, Some(entry), crate::replay::Used::default());
    vm.session_mut().local_answer(&exchange, b"upstream_reset");
    assert_eq!(sent(&mut vm, 1), []);
    vm.session_mut().local_answer(&exchange, CLUSTER_NOT_FOUND);
    assert_eq!(sent(&mut vm, 1), [Purpose::Report]);
    vm.session_mut().not_sent(&Purpose::Report, 1);
    assert_eq!(sent(&mut vm, 2_001), [Purpose::Report]);
    assert_eq!(vm.answered(Purpose::Report, 2_002, Answer::Served { status: 200, body: b"{" }, &()), []);
    assert_eq!(sent(&mut vm, 9_000), [], "what came back is not read");
    let unsupplied = b"upstream_reset_before_response_started{connection_failure|TLS_error:_Secret_is_not_supplied_by_SDS}";
    vm.session_mut().local_answer(&exchange, unsupplied);
    assert_eq!(sent(&mut vm, 70_000), [Purpose::Report]);
}

#[test]
fn requests_beyond_the_bound_are_refused_at_once() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    for context in 1..=3 {
        vm.session_mut().hold(context, WaitFor::Snapshot, 0).unwrap();
    }
    let refusal = vm.session_mut().hold(4, WaitFor::Snapshot, 0).unwrap_err();
    assert_eq!((refusal.status, refusal.reason), (503, Reason::TooManyHeld));
    vm.session_mut().forget(2);
    vm.session_mut().hold(4, WaitFor::Snapshot, 0).unwrap();
}

#[test]
fn a_request_that_waits_again_gets_no_second_time() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    complete(&mut vm, 0, "g");
    let mut now = 0;
    let refused = loop {
        if let Err(refusal) = vm.session_mut().hold(1, WaitFor::Grant("g"), now) {
            break refusal;
        }
        sent(&mut vm, now);
        now += 1_000;
        let short = Granted {
            serial: now,
            authorization: "Bearer".to_owned(),
            refresh_ms: None,
            expires_ms: Some(0),
            csrf: None,
        };
        assert_eq!(contexts(&granted(&mut vm, "g", now, &GrantAnswer::Granted(short))), [1]);
    };
    assert_eq!((now, refused.reason), (u64::from(WAIT_MS), Reason::GrantTimeout));
}

#[test]
fn grant_answers_all_who_wait_for_it_and_nobody_else() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    complete(&mut vm, 0, "g");
    vm.session_mut().hold(1, WaitFor::Grant("g"), 0).unwrap();
    vm.session_mut().hold(2, WaitFor::Grant("other"), 0).unwrap();
    vm.session_mut().hold(3, WaitFor::Grant("g"), 0).unwrap();
    assert_eq!(sent(&mut vm, 0), [Purpose::Grant("g".into()), Purpose::Grant("other".into())]);
    let good = Granted { serial: 1, authorization: "Bearer x".to_owned(), ..Granted::default() };
    assert_eq!(contexts(&granted(&mut vm, "g", 1, &GrantAnswer::Granted(good))), [1, 3]);
    assert!(
        matches!(vm.session().grants(2).grant("g"), GrantState::Ready(grant) if &*grant.authorization == b"Bearer x")
    );
    let refusal = Refusal::json(502, Reason::TokenEndpointStatus, "x");
    let refused = granted(&mut vm, "other", 1, &GrantAnswer::Refused(refusal));
    assert_eq!((contexts(&refused), reasons(&refused)), (vec![2], vec![Reason::TokenEndpointStatus]));
}

#[test]
fn unknown_grant_is_503_and_the_view_is_polled() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    complete(&mut vm, 0, "g");
    feed(&mut vm, 1, &poll(false, 1, Vec::new()));
    vm.session_mut().hold(1, WaitFor::Grant("g"), 2).unwrap();
    assert_eq!(sent(&mut vm, 2), [Purpose::Grant("g".into())], "the feed pauses after an early empty answer");
    let released = granted(&mut vm, "g", 3, &GrantAnswer::Unknown);
    assert_eq!(reasons(&released), [Reason::GrantUnknown]);
    assert_eq!(released[0].answer.as_ref().unwrap().retry_after, Some(1));
    assert_eq!(sent(&mut vm, 3), [Purpose::Feed]);
}

#[test]
fn grant_whose_record_changed_is_dropped_and_who_waits_looks_again() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    complete(&mut vm, 0, "g");
    vm.session_mut().hold(1, WaitFor::Grant("g"), 0).unwrap();
    sent(&mut vm, 0);
    let released = feed(&mut vm, 1, &poll(false, 2, vec![keyed("h")]));
    assert_eq!(released, [Release { context: 1, answer: None }]);
    let late = Granted { serial: 1, authorization: "Bearer".to_owned(), ..Granted::default() };
    assert_eq!(granted(&mut vm, "g", 2, &GrantAnswer::Granted(late)), []);
    assert!(matches!(vm.session().grants(3).grant("g"), GrantState::Missing));
}

#[test]
fn calls_of_a_context_that_is_gone_are_sent_again() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    complete(&mut vm, 0, "g");
    vm.session_mut().hold(1, WaitFor::Grant("g"), 0).unwrap();
    let purposes = sent(&mut vm, 0);
    for purpose in [Purpose::Feed].iter().chain(&purposes) {
        vm.session_mut().abandoned(purpose);
    }
    assert_eq!(sent(&mut vm, 1), [Purpose::Feed, Purpose::Grant("g".into())]);
}

#[test]
fn age_is_warned_of_once_each_time() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    complete(&mut vm, 0, "g");
    let warning = config().stale_warning_ms;
    let stale: Vec<_> =
        [warning, warning + 1, warning + 2].map(|now| vm.session_mut().has_become_stale(now)).into();
    assert_eq!(stale, [false, true, false]);
    feed(&mut vm, warning + 3, &poll(false, 1, Vec::new()));
    assert!(!vm.session_mut().has_become_stale(warning + 4));
    assert!(vm.session_mut().has_become_stale(3 * warning));
}

/// The data of a host: one value and its version.
#[derive(Default)]
struct Host(std::cell::RefCell<Option<(Vec<u8>, u32)>>);

impl Host {
    fn is_emptied(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|(value, _)| value.is_empty())
    }
}

impl SharedData for Host {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        assert_eq!(key, "fairlead.grant.g");
        self.0.borrow().clone()
    }

    fn write(&self, _: &str, value: &[u8], version: u32) -> bool {
        let mut there = self.0.borrow_mut();
        let version = there.as_ref().map_or(Some(1), |(_, is)| (*is == version).then_some(is + 1));
        *there = version.map(|version| (value.to_vec(), version)).or_else(|| there.take());
        version.is_some()
    }
}

/// A VM that was given the grant, and the data that it shares.
fn sharing() -> (Vm<Egress>, Host) {
    let (mut vm, host) = (Vm::<Egress>::new(&config(), 1), Host::default());
    complete(&mut vm, 0, "g");
    vm.session_mut().hold(1, WaitFor::Grant("g"), 0).unwrap();
    sent(&mut vm, 0);
    let good = Granted { serial: 1, authorization: "Bearer x".to_owned(), ..Granted::default() };
    let body = serde_json::to_vec(&GrantAnswer::Granted(good)).unwrap();
    let answer = Answer::Served { status: 200, body: &body };
    assert_eq!(contexts(&vm.answered(Purpose::Grant("g".into()), 1, answer, &host)), [1]);
    assert!(!host.is_emptied());
    (vm, host)
}

#[test]
fn requests_go_on_at_once_with_the_grant_of_another_vm() {
    let (_, host) = sharing();
    let mut vm = Vm::<Egress>::new(&config(), 2);
    complete(&mut vm, 0, "g");
    vm.session_mut().hold(5, WaitFor::Grant("g"), 2).unwrap();
    let (calls, released) = vm.session_mut().calls(2, &host);
    assert!(calls.is_empty());
    assert_eq!(released, [Release { context: 5, answer: None }]);
    assert_eq!(vm.session().waiting(), 0);
    assert!(
        matches!(vm.session().grants(2).grant("g"), GrantState::Ready(grant) if &*grant.authorization == b"Bearer x")
    );
    assert!(!vm.session().has_calls(), "from now on it costs no more than an own one");
}

#[test]
fn shared_grant_is_emptied_when_its_record_changes_and_when_the_control_plane_does_not_know_it() {
    let (mut vm, host) = sharing();
    let body = poll(false, 2, vec![keyed("h")]);
    vm.answered(Purpose::Feed, 2, Answer::Served { status: 200, body: &body }, &host);
    assert!(host.is_emptied());

    let (mut vm, host) = sharing();
    let body = serde_json::to_vec(&GrantAnswer::Unknown).unwrap();
    vm.answered(Purpose::Grant("g".into()), 2, Answer::Served { status: 200, body: &body }, &host);
    assert!(host.is_emptied());
    assert!(matches!(vm.session().grants(2).grant("g"), GrantState::Missing));
}

/// A VM that holds grant 1 of `g`.
fn holding() -> Vm<Egress> {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    complete(&mut vm, 0, "g");
    vm.session_mut().hold(9, WaitFor::Grant("g"), 0).unwrap();
    assert_eq!(sent(&mut vm, 0), [Purpose::Grant("g".into())]);
    assert_eq!(contexts(&granted(&mut vm, "g", 0, &grant(1))), [9]);
    vm.session_mut().forget(9);
    vm
}

fn grant(serial: u64) -> GrantAnswer {
    let authorization = format!("Bearer {serial}");
    GrantAnswer::Granted(Granted { serial, authorization, ..Granted::default() })
}

#[test]
fn those_whose_grant_was_rejected_share_one_call_for_a_newer_one() {
    let mut vm = holding();
    for context in [1, 2, 3] {
        vm.session_mut().hold(context, WaitFor::Newer("g", 1), 10).unwrap();
    }
    // One too many is not held, and says so.
    let refusal = vm.session_mut().hold(4, WaitFor::Newer("g", 1), 10).unwrap_err();
    assert_eq!(refusal.reason, Reason::TooManyHeld);
    assert_eq!(sent(&mut vm, 10), [Purpose::Grant("g".into())]);
    vm.session_mut().rejected("g", 1, 11);
    assert_eq!(sent(&mut vm, 11), []);
    let released = granted(&mut vm, "g", 12, &grant(2));
    assert_eq!(contexts(&released), [1, 2, 3]);
    assert!(released.iter().all(|release| release.answer.is_none()));
}

#[test]
fn a_limit_reaches_those_who_wait_for_a_newer_grant_and_nobody_who_can_use_the_old_one() {
    let mut vm = holding();
    vm.session_mut().hold(1, WaitFor::Newer("g", 1), 10).unwrap();
    vm.session_mut().hold(2, WaitFor::Grant("g"), 10).unwrap();
    assert_eq!(sent(&mut vm, 10), [Purpose::Grant("g".into())]);
    let limited = Refusal::retry(Reason::GrantLimited, 60, "x");
    let released = granted(&mut vm, "g", 11, &GrantAnswer::Refused(limited));
    assert_eq!(contexts(&released), [1, 2]);
    assert_eq!(released[0].answer.as_ref().unwrap().reason, Reason::GrantLimited);
    assert_eq!(released[1].answer, None);
    // Nobody else waits for what is not to be had.
    let refusal = vm.session_mut().hold(3, WaitFor::Newer("g", 1), 12).unwrap_err();
    assert_eq!(refusal.reason, Reason::GrantLimited);
    assert_eq!((sent(&mut vm, 12), vm.session().waiting()), (vec![], 0));
}

#[test]
fn what_came_before_the_rejection_ends_no_waiting_and_time_does() {
    let mut vm = holding();
    vm.session_mut().hold(1, WaitFor::Newer("g", 5), 10).unwrap();
    assert_eq!(sent(&mut vm, 10), [Purpose::Grant("g".into())]);
    // A control plane that was started again counts from where it is; this one said too little.
    let released = granted(&mut vm, "g", 11, &grant(5));
    assert_eq!(reasons(&released), [Reason::GrantLimited]);
    let mut vm = holding();
    vm.session_mut().hold(1, WaitFor::Newer("g", 1), 10).unwrap();
    assert_eq!(vm.session_mut().tick(10 + u64::from(WAIT_MS) - 1), []);
    assert_eq!(reasons(&vm.session_mut().tick(10 + u64::from(WAIT_MS))), [Reason::GrantTimeout]);
}

#[test]
fn the_two_grants_of_a_request_have_their_own_time_each() {
    let mut vm = Vm::<Egress>::new(&config(), 1);
    complete(&mut vm, 0, "g");
    vm.session_mut().hold(1, WaitFor::Grant("g"), 0).unwrap();
    assert_eq!(contexts(&granted(&mut vm, "g", 9_000, &grant(1))), [1]);
    vm.session_mut().hold(1, WaitFor::Grant("c"), 9_000).unwrap();
    assert_eq!(vm.session_mut().tick(20_999), []);
    assert_eq!(reasons(&vm.session_mut().tick(21_000)), [Reason::GrantTimeout]);
}
