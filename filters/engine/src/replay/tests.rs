use std::{collections::BTreeMap, rc::Rc};

use fairlead_wire::{
    feed::{Credential, EgressOutcome, EgressRoute},
    profile::PLAIN,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::{
    egress::tests::granted,
    headers::serialise,
    response::Response,
    snapshot::{Egress, Grant},
};

mod answers;

/// Grants that are there.
struct Broker(BTreeMap<&'static str, Grant>);

impl Grants for Broker {
    fn grant(&self, id: &str) -> GrantState<'_> {
        self.0.get(id).map_or(GrantState::Missing, GrantState::Ready)
    }
}

/// The authorization of serial `authorization` and the session of serial `csrf`.
fn broker(authorization: u64, csrf: u64) -> Broker {
    let cookie = format!("sid={csrf}");
    Broker(BTreeMap::from([
        ("a", granted(authorization, &format!("Bearer {authorization}"), None)),
        ("c", granted(csrf, "", Some((&format!("token-{csrf}"), &[&cookie])))),
    ]))
}

fn route() -> EgressRoute {
    EgressRoute {
        profile: PLAIN.into(),
        authority: "t:8443".into(),
        base_path: "/base".into(),
        credential: Credential::Grant("a".into()),
        csrf: Some("c".into()),
        headers: vec![("x-custom".into(), "1".into()), ("x-request-id".into(), "custom".into())],
        ..EgressRoute::default()
    }
}

/// A request that went out with serial 1 of both grants of `route`.
fn exchange(route: EgressRoute) -> Exchange {
    let used = Used {
        authorization: NonZeroU64::new(matches!(route.credential, Credential::Grant(_)).into()),
        csrf: route.csrf.as_ref().and(NonZeroU64::new(1)),
        access_token: false,
        repeatable: true,
    };
    let entry = Rc::new(Egress::from(EgressOutcome::Route(Box::new(route))));
    Exchange::new(b"app/svc/base/x?q=1".to_vec(), 7, Some(entry), used)
}

const LINES: &[(&str, &str)] = &[
    (":authority", "gateway"),
    (":path", "/app/svc/x?q=1"),
    (":method", "POST"),
    (":scheme", "http"),
    ("authorization", "Bearer callers"),
    ("authorization", "Bearer second"),
    ("cookie", "sid=callers; a=1"),
    ("cookie", "b=2"),
    ("x-csrf-token", "callers"),
    ("content-type", "text/plain"),
    ("content-length", "3"),
    ("x-forwarded-for", "10.0.0.1"),
    ("x-forwarded-proto", "http"),
    ("x-request-id", "made by the host"),
    ("x-fairlead-kept-x-request-id", "callers id"),
    ("x-fairlead-kept-x-forwarded-proto", ""),
    ("x-envoy-internal", "true"),
    ("x-envoy-external-address", "10.0.0.1"),
    ("connection", "authorization"),
    ("keep-alive", "1"),
    ("te", "trailers"),
    ("x-fairlead-idle", "1h"),
];

fn replay() -> Replay {
    let mut replay = Replay::new(serialise(LINES), false, 10, &Budget::new(100));
    assert!(replay.wants(3, true));
    replay.keep(b"abc");
    replay
}

const ADDRESS: Option<&[u8]> = Some(b"10.1.2.3:443");

fn waits(next: &Next<'_>) -> (String, u64) {
    let Next::Wait(WaitFor::Newer(id, serial)) = next else { panic!("{next:?}") };
    ((*id).to_owned(), *serial)
}

#[test]
fn each_grant_is_renewed_in_its_turn_and_then_the_request_is_sent_again() {
    let (exchange, mut replay) = (exchange(route()), replay());
    assert_eq!(waits(&replay.next(&exchange, &broker(1, 1), ADDRESS, 10_000)), ("a".to_owned(), 1));
    assert_eq!(waits(&replay.next(&exchange, &broker(2, 1), ADDRESS, 10_000)), ("c".to_owned(), 1));
    let Next::Send(dispatch) = replay.next(&exchange, &broker(2, 2), ADDRESS, 10_000) else { panic!() };
    assert_eq!(dispatch.cluster, profile::pinned(PLAIN).unwrap());
    assert_eq!(dispatch.timeout_ms, 70_000);
    let block = HeaderBlock::parse(&dispatch.headers).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let lines: Vec<_> = block.iter().map(|(name, value)| (text(name), text(value))).collect();
    let expected = [
        (":authority", "t:8443"),
        (":path", "/base/x?q=1"),
        (":method", "POST"),
        (":scheme", "http"),
        ("x-csrf-token", "token-2"),
        ("content-type", "text/plain"),
        ("content-length", "3"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-request-id", "callers id"),
        ("authorization", "Bearer 2"),
        ("cookie", "sid=2; a=1; b=2"),
        ("x-custom", "1"),
        ("x-envoy-original-dst-host", "10.1.2.3:443"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", "10000"),
    ];
    assert_eq!(lines, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(replay.body(), b"abc");
    assert!(!format!("{dispatch:?} {replay:?}").contains("Bearer"));
}

#[test]
fn the_routes_own_time_out_holds_for_the_second_attempt_too() {
    for (own, line, whole) in [(Some(2_500), Some("2500"), 62_500), (Some(0), None, 300_000)] {
        let route = EgressRoute { headers_timeout_ms: own, ..route() };
        let Next::Send(dispatch) = replay().next(&exchange(route), &broker(2, 2), ADDRESS, 10_000) else {
            panic!()
        };
        let block = HeaderBlock::parse(&dispatch.headers).unwrap();
        let name = b"x-envoy-upstream-rq-per-try-timeout-ms";
        let lines: Vec<_> = block.iter().filter(|(line, _)| line == name).map(|(_, value)| value).collect();
        assert_eq!(lines, line.map(str::as_bytes).into_iter().collect::<Vec<_>>());
        assert_eq!(dispatch.timeout_ms, whole);
    }
}

#[test]
fn what_cannot_be_sent_again_passes() {
    let good = || exchange(route());
    // Nothing new came although it was waited for.
    let (exchange, mut waiting) = (good(), replay());
    waits(&waiting.next(&exchange, &broker(1, 1), ADDRESS, 0));
    assert!(matches!(waiting.next(&exchange, &broker(1, 1), ADDRESS, 0), Next::Pass));
    // What came is the same.
    let mut same = broker(2, 2);
    for grant in same.0.values_mut() {
        grant.same_since = 1;
    }
    assert!(matches!(replay().next(&good(), &same, ADDRESS, 0), Next::Pass));
    // One of them is enough.
    same.0.get_mut("c").unwrap().same_since = 2;
    assert!(matches!(replay().next(&good(), &same, ADDRESS, 0), Next::Send(_)));
    // Where it went is not known, or its profile has no twin.
    assert!(matches!(replay().next(&good(), &broker(2, 2), None, 0), Next::Pass));
    let no_twin = self::exchange(EgressRoute { profile: "other".into(), ..route() });
    assert!(matches!(replay().next(&no_twin, &broker(2, 2), ADDRESS, 0), Next::Pass));
    // The body is too large, or not all of it is here.
    for (size, ends) in [(11, true), (3, false)] {
        let mut replay = Replay::new(serialise(LINES), false, 10, &Budget::new(100));
        if replay.wants(size, ends) {
            replay.keep(&vec![b'x'; size]);
        }
        assert!(matches!(replay.next(&good(), &broker(2, 2), ADDRESS, 0), Next::Pass));
    }
}

#[test]
fn a_head_is_known_by_its_method() {
    assert!(!replay().is_head());
    let lines = [(":method", "HEAD"), ("x-method", "POST")];
    assert!(Replay::new(serialise(&lines), true, 0, &Budget::new(0)).is_head());
}

#[test]
fn only_what_went_out_is_renewed() {
    let oauth = exchange(EgressRoute { csrf: None, ..route() });
    assert_eq!(waits(&replay().next(&oauth, &broker(1, 1), ADDRESS, 0)).0, "a");
    assert!(matches!(replay().next(&oauth, &broker(2, 1), ADDRESS, 0), Next::Send(_)));
    let basic = exchange(EgressRoute { credential: Credential::Static("Basic x".into()), ..route() });
    assert_eq!(waits(&replay().next(&basic, &broker(1, 1), ADDRESS, 0)).0, "c");
    assert!(matches!(replay().next(&basic, &broker(1, 2), ADDRESS, 0), Next::Send(_)));
}

#[test]
fn limits_let_the_first_answer_pass_and_failures_are_502_without_a_body() {
    for reason in [Reason::GrantLimited, Reason::TooManyHeld] {
        assert_eq!(without_newer(&Refusal::retry(reason, 1, "x")), None);
    }
    for reason in [Reason::TokenEndpointStatus, Reason::GrantTimeout, Reason::CsrfEndpointStatus] {
        let expected = Refusal::empty(502, Reason::ReplayFailed);
        assert_eq!(without_newer(&Refusal::json(500, reason, "x")), Some(expected));
    }
}

#[test]
fn what_is_no_plain_exchange_is_not_held() {
    let manner = |lines: &[(&str, &str)]| Manner::of(&HeaderBlock::parse(&serialise(lines)).unwrap());
    for line in [
        ("upgrade", "websocket"),
        (":protocol", "websocket"),
        ("trailer", "x"),
        ("accept", "text/html, text/event-stream"),
        ("content-type", "application/grpc+proto"),
        (":method", "CONNECT"),
    ] {
        assert!(!manner(&[line]).holdable, "{line:?}");
    }
    let plain = manner(&[(":method", "PUT"), ("accept", "*/*"), ("content-type", "application/json")]);
    assert!(plain.holdable && plain.repeatable);
    assert!(!manner(&[(":method", "POST")]).repeatable);
}

/// An answer with these details that demands a CSRF token.
struct First(&'static str);

impl Response for First {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        (name == "x-csrf-token").then(|| b"Required".to_vec())
    }

    fn code_details(&self) -> Option<Vec<u8>> {
        Some(self.0.as_bytes().to_vec())
    }
}

#[test]
fn only_the_target_rejects_and_each_grant_is_named_by_its_serial() {
    let exchange = exchange(route());
    assert_eq!(exchange.rejection(403, &First("rbac_access_denied_matched_policy[x]")), None);
    let rejection = exchange.rejection(401, &First("via_upstream")).unwrap();
    assert_eq!(exchange.rejected(rejection).collect::<Vec<_>>(), [("a", 1), ("c", 1)]);
    assert_eq!(exchange.rejection(200, &First("via_upstream")), None);
    let own = Used { csrf: NonZeroU64::new(7), access_token: true, ..Used::default() };
    let entry = Rc::new(Egress::from(EgressOutcome::Route(Box::new(route()))));
    let own = Exchange::new(Vec::new(), 0, Some(entry), own);
    let rejection = own.rejection(403, &First("via_upstream")).unwrap();
    assert!(!rejection.again);
    assert_eq!(own.rejected(rejection).collect::<Vec<_>>(), [("c", 7)]);
}
