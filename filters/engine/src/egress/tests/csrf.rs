//! CSRF on top of every credential (AG §9), and what is kept for sending a request again.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const SESSION: Option<(&str, &[&str])> = Some(("ours", &["sid=ours", "x=1"]));

/// What the manual port makes of a GET, with `warm` and the session `csrf` there.
fn get(route: EgressRoute, lines: &[(&str, &str)]) -> Vec<String> {
    let table = only(EgressRoute { csrf: Some("csrf".into()), ..route });
    let grants = Broker(BTreeMap::from([
        ("warm", granted(3, "Bearer granted", None)),
        ("csrf", granted(5, "", SESSION)),
    ]));
    forward(&table, &grants, lines, text)
}

fn forward<R>(
    table: &Table<Egress>,
    grants: &Broker,
    lines: &[(&str, &str)],
    with: impl FnOnce(&Step<'_>) -> R,
) -> R {
    let pipeline = Pipeline::new(&config(&["*"], &[(8080, Mode::Manual)]));
    let mut all = vec![(":path", "/app/svc"), (":method", "GET")];
    all.extend(lines);
    block(&all, |headers| with(&pipeline.on_request(headers, &Peer::default(), Some(table), grants)))
}

#[test]
fn token_and_cookies_come_on_top_of_every_credential() {
    cover("AG-6-r07");
    for (credential, authorization) in [
        (Credential::None, None),
        (Credential::Static("Basic eDp5".into()), Some("authorization: Basic eDp5")),
        (Credential::Grant("warm".into()), Some("authorization: Bearer granted")),
    ] {
        let mut expected = vec!["forward", ":authority: t:8443", "x-fairlead-profile: fairlead.t.1"];
        expected.extend(authorization);
        expected.extend(["x-csrf-token: ours", "cookie: sid=ours; x=1", ":path: /base"]);
        assert_eq!(get(EgressRoute { credential, ..route() }, &[]), expected);
    }
}

#[test]
fn a_callers_token_is_overwritten_and_its_cookies_follow() {
    let ops = get(route(), &[("x-csrf-token", "theirs"), ("cookie", "a=1; sid=theirs")]);
    assert!(ops.contains(&"x-csrf-token: ours".to_owned()) && !ops.contains(&"-cookie".to_owned()));
    assert!(ops.contains(&"cookie: sid=ours; x=1; a=1".to_owned()), "{ops:?}");
    let twice = [("x-csrf-token", "1"), ("x-csrf-token", "2"), ("cookie", "a=1"), ("cookie", "b=2; a=3")];
    let ops = get(route(), &twice);
    let at = |op: &str| ops.iter().position(|there| there == op).unwrap();
    assert!(at("-x-csrf-token") < at("x-csrf-token: ours"));
    assert!(at("-cookie") < at("cookie: sid=ours; x=1; a=1; b=2"));
}

#[test]
fn custom_headers_do_not_come_beside_them() {
    let custom = [("x-csrf-token", "c"), ("cookie", "c=1"), ("x-other", "c")];
    let headers = custom.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let added = |ops: Vec<String>| ops.into_iter().filter(|op| op.starts_with('+')).collect::<Vec<_>>();
    assert_eq!(added(get(EgressRoute { headers: headers.clone(), ..route() }, &[])), ["+x-other: c"]);
    // A session without cookies leaves a custom one its place.
    let table = only(EgressRoute { headers, csrf: Some("csrf".into()), ..route() });
    let grants = Broker(BTreeMap::from([("csrf", granted(1, "", Some(("", &[]))))]));
    let ops = forward(&table, &grants, &[], text);
    assert!(ops.contains(&"x-csrf-token: ".to_owned()), "an empty token is one: {ops:?}");
    assert_eq!(added(ops), ["+cookie: c=1", "+x-other: c"]);
}

#[test]
fn an_access_token_does_not_switch_it_off() {
    cover("AG-6-r03");
    let ops = get(
        EgressRoute { credential: Credential::Grant("cold".into()), ..route() },
        &[("access-token", "Bearer own")],
    );
    assert!(ops.contains(&"authorization: Bearer own".to_owned()), "{ops:?}");
    assert!(ops.contains(&"x-csrf-token: ours".to_owned()), "{ops:?}");
}

#[test]
fn each_grant_is_waited_for_in_its_turn() {
    let table = only(EgressRoute {
        credential: Credential::Grant("warm".into()),
        csrf: Some("csrf".into()),
        ..route()
    });
    let none = Broker::new(&[]);
    assert_eq!(forward(&table, &none, &[], text), ["wait Grant(\"warm\")"]);
    let warm = Broker::new(&[("warm", "Bearer granted")]);
    assert_eq!(forward(&table, &warm, &[], text), ["wait Grant(\"csrf\")"]);
}

/// How much of the body is kept, if the request is.
fn kept(route: EgressRoute, lines: &[(&str, &str)]) -> Option<u32> {
    let grants = Broker::new(&[("warm", "Bearer granted")]);
    forward(&only(route), &grants, lines, |step| match step {
        Step::Forward(forward) => forward.keep,
        other => panic!("{other:?}"),
    })
}

#[test]
fn only_requests_with_a_grant_are_kept() {
    let oauth = || EgressRoute { credential: Credential::Grant("warm".into()), ..route() };
    assert_eq!(kept(oauth(), &[]), Some(1024 * 1024));
    assert_eq!(kept(EgressRoute { replay_bytes: Some(7), ..oauth() }, &[]), Some(7));
    assert_eq!(kept(EgressRoute { no_replay: true, ..oauth() }, &[]), None);
    assert_eq!(kept(oauth(), &[("access-token", "Bearer own")]), None);
    assert_eq!(kept(oauth(), &[("upgrade", "websocket")]), None);
    for credential in [Credential::None, Credential::Static("Basic x".into())] {
        assert_eq!(kept(EgressRoute { credential, ..route() }, &[]), None);
    }
}

#[test]
fn the_bulkhead_lets_so_many_calls_of_an_application_in_and_counts_them_until_their_end() {
    let record = |concurrency| EgressOutcome::Route(Box::new(EgressRoute { concurrency, ..route() }));
    let table = table(vec![
        ("app/svc/one", true, record(Some(2))),
        ("app/other/one", true, record(Some(2))),
        ("next/svc/one", true, record(None)),
        ("free/svc/one", true, record(Some(0))),
    ]);
    let mut limited = config(&["*"], &[(8080, Mode::Manual)]);
    limited.concurrency = 1;
    let pipeline = Pipeline::new(&limited);
    let call = |path: &str| {
        block(&[(":path", path)], |headers| {
            match pipeline.on_request(headers, &Peer::default(), Some(&table), &Broker::new(&[])) {
                Step::Forward(forward) => forward.permit.ok_or(Refusal::empty(0, Reason::Other)),
                Step::Answer(refusal) => Err(refusal),
                other => panic!("{other:?}"),
            }
        })
    };
    let first = call("/app/svc").unwrap();
    let _second = call("/app/other").unwrap();
    let refusal = call("/app/svc/one").unwrap_err();
    assert_eq!((refusal.status, refusal.reason), (503, Reason::ConcurrencyLimited));
    assert_eq!(refusal.retry_after, Some(1));
    let _neighbour = call("/next/svc").unwrap();
    assert!(call("/next/svc").is_err(), "the installation's limit");
    let _free: Vec<_> = (0..10).map(|_| call("/free/svc").unwrap()).collect();
    drop(first);
    call("/app/svc").unwrap();
}
