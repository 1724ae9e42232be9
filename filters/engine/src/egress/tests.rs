use std::collections::BTreeMap;

use fairlead_cases::cover;
use fairlead_credential_injector::csrf::Session;
use fairlead_wire::{
    Reason, Refusal,
    feed::{Credential, EgressOutcome, EgressRecord, EgressRoute},
    grant::Csrf,
    idle::Idle,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::{
    snapshot::{Grant, GrantState},
    testing::{Peer, block, config, text},
};

mod properties;

/// Grants that are there.
pub(super) struct Broker(BTreeMap<&'static str, Grant>);

impl Broker {
    pub(super) fn new(grants: &[(&'static str, &str)]) -> Self {
        Self(grants.iter().map(|(id, value)| (*id, granted(1, value, None))).collect())
    }
}

/// A grant as it was given; its content is new with it.
pub(crate) fn granted(serial: u64, authorization: &str, csrf: Option<(&str, &[&str])>) -> Grant {
    let csrf = csrf.map(|(token, cookies)| {
        let cookies = cookies.iter().map(|cookie| (*cookie).to_owned()).collect();
        Session::new(&Csrf { token: token.to_owned(), cookies }).unwrap()
    });
    Grant { authorization: authorization.as_bytes().into(), csrf, serial, same_since: serial }
}

impl Grants for Broker {
    fn grant(&self, id: &str) -> GrantState<'_> {
        self.0.get(id).map_or(GrantState::Missing, GrantState::Ready)
    }
}

fn route() -> EgressRoute {
    EgressRoute {
        profile: "fairlead.t.1".into(),
        tls: true,
        authority: "t:8443".into(),
        base_path: "/base".into(),
        encode_url: true,
        ..EgressRoute::default()
    }
}

fn table(records: Vec<(&str, bool, EgressOutcome)>) -> Table<Egress> {
    let mut table = Table::default();
    for (key, manual, outcome) in records {
        table.insert(key, None, EgressRecord { manual, outcome });
    }
    table
}

/// One route, reached as `app/svc` and as `app/svc/entry`.
fn only(route: EgressRoute) -> Table<Egress> {
    table(vec![("app/svc/entry", true, EgressOutcome::Route(Box::new(route)))])
}

/// What the pipeline for every host makes of a request by `mode`'s port.
fn step(mode: Mode, table: Option<&Table<Egress>>, lines: &[(&str, &str)]) -> Vec<String> {
    let pipeline = Pipeline::new(&config(&["*"], &[(8080, mode)]));
    let grants = Broker::new(&[("warm", "Bearer granted")]);
    block(lines, |headers| text(&pipeline.on_request(headers, &Peer::default(), table, &grants)))
}

/// A GET of `path` on the manual port, with further lines.
fn get(table: &Table<Egress>, path: &str, lines: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![(":authority", "gw"), (":path", path), (":method", "GET")];
    all.extend(lines);
    step(Mode::Manual, Some(table), &all)
}

/// The path in a forward's operations.
fn path_of(step: &[String]) -> &str {
    assert_eq!(step.first().map(String::as_str), Some("forward"), "{step:?}");
    step.iter().find_map(|op| op.strip_prefix(":path: ")).unwrap()
}

#[test]
fn a_route_without_credential_gets_target_and_profile_only() {
    cover("AG-4-r01");
    cover("AG-6-r01");
    cover("AG-6-r07");
    let lines = [
        ("authorization", "Bearer callers"),
        ("cookie", "a=b"),
        ("x-csrf-token", "c"),
        ("x-request-id", "r"),
        ("x-tenant", "t"),
    ];
    assert_eq!(
        get(&only(route()), "/app/svc/orders?a=1", &lines),
        ["forward", ":authority: t:8443", "x-fairlead-profile: fairlead.t.1", ":path: /base/orders?a=1"]
    );
}

#[test]
fn both_ports_reach_the_entry_by_their_own_grammar() {
    cover("AG-4-r01");
    let table = only(EgressRoute { encode_url: false, ..route() });
    for (mode, path, sent) in [
        (Mode::Manual, "/app/svc", "/base"),
        (Mode::Manual, "//app/svc/a%2Fb//c/", "/base/a%2Fb//c"),
        (Mode::Ucl, "/app/svc/entry", "/base"),
        (Mode::Ucl, "/app/svc/entry/x?", "/base/x?"),
    ] {
        assert_eq!(path_of(&step(mode, Some(&table), &[(":path", path)])), sent, "{path}");
    }
}

#[test]
fn only_a_websocket_over_tls_keeps_its_connection_from_http2() {
    let forced = |tls, lines: &[(&str, &str)]| {
        let table = only(EgressRoute { tls, ..route() });
        let pipeline = Pipeline::new(&config(&["*"], &[(8080, Mode::Manual)]));
        let lines = [&[(":path", "/app/svc")], lines].concat();
        block(&lines, |headers| {
            match pipeline.on_request(headers, &Peer::default(), Some(&table), &Broker::new(&[])) {
                Step::Forward(forward) => forward.only_http1,
                other => panic!("{other:?}"),
            }
        })
    };
    assert!(forced(true, &[("upgrade", "WebSocket")]));
    assert!(!forced(false, &[("upgrade", "websocket")]));
    assert!(!forced(true, &[("upgrade", "h2c")]));
    assert!(!forced(true, &[]));
}

#[test]
fn credentials_overwrite_authorization() {
    cover("AG-6-r02");
    for (credential, value) in [
        (Credential::Static("Basic eDp5".into()), "Basic eDp5"),
        (Credential::Grant("warm".into()), "Bearer granted"),
    ] {
        let table = only(EgressRoute { credential, ..route() });
        let expected = |removal: &[&str]| {
            let mut all = vec!["forward".to_owned()];
            all.extend(removal.iter().map(|op| (*op).to_owned()));
            all.push(":authority: t:8443".to_owned());
            all.push("x-fairlead-profile: fairlead.t.1".to_owned());
            all.push(format!("authorization: {value}"));
            all.push(":path: /base".to_owned());
            all
        };
        let one = ("authorization", "Bearer callers");
        assert_eq!(get(&table, "/app/svc", &[]), expected(&[]));
        assert_eq!(get(&table, "/app/svc", &[one]), expected(&[]));
        assert_eq!(get(&table, "/app/svc", &[one, one]), expected(&["-authorization"]));
    }
}

#[test]
fn a_missing_grant_is_waited_for() {
    let table = only(EgressRoute { credential: Credential::Grant("cold".into()), ..route() });
    assert_eq!(get(&table, "/app/svc/x", &[]), ["wait Grant(\"cold\")"]);
    // A path that is refused anyway waits for nothing.
    assert_eq!(
        get(&table, "/app/svc/%2e%2e/x", &[])[0].split(' ').take(2).collect::<Vec<_>>(),
        ["400", "path_leaves_base"]
    );
}

#[test]
fn an_access_token_is_copied_verbatim_instead_of_the_credential() {
    cover("AG-6-r03");
    let expected = [
        "forward",
        "-access-token",
        ":authority: t:8443",
        "x-fairlead-profile: fairlead.t.1",
        "authorization: Bearer  own\u{ff}",
        ":path: /base",
    ];
    for credential in
        [Credential::None, Credential::Static("Basic eDp5".into()), Credential::Grant("cold".into())]
    {
        let table = only(EgressRoute { credential, ..route() });
        let pipeline = Pipeline::new(&config(&["*"], &[(1, Mode::Manual)]));
        let lines: [(&[u8], &[u8]); 3] =
            [(b":path", b"/app/svc"), (b"access-token", b"Bearer  own\xff"), (b"access-token", b"second")];
        let bytes = crate::headers::serialise(&lines);
        let headers = HeaderBlock::parse(&bytes).unwrap();
        let grants = Broker::new(&[]);
        assert_eq!(text(&pipeline.on_request(&headers, &Peer::default(), Some(&table), &grants)), expected);
    }
}

#[test]
fn an_empty_access_token_passes_and_changes_nothing() {
    cover("AG-6-r03");
    let table = only(EgressRoute { credential: Credential::Static("Basic eDp5".into()), ..route() });
    assert_eq!(get(&table, "/app/svc", &[("access-token", "")]), get(&table, "/app/svc", &[]));
}

#[test]
fn custom_headers_are_added_where_absent() {
    cover("AG-6-r10");
    let custom = [
        ("authorization", "custom"),
        ("user-agent", "ours"),
        ("x-multi", "v1"),
        ("x-multi", "v2"),
        ("x-request-id", "id"),
    ];
    let headers = custom.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let added = |credential: Credential, lines: &[(&str, &str)]| {
        let table = only(EgressRoute { headers: headers.clone(), credential, ..route() });
        let all = get(&table, "/app/svc", lines);
        all.into_iter().filter(|op| op.starts_with('+')).collect::<Vec<_>>()
    };
    let [authorization, agent, first, second, id] = [
        "+authorization: custom",
        "+user-agent: ours",
        "+x-multi: v1",
        "+x-multi: v2",
        "+x-fairlead-kept-x-request-id: id",
    ];
    assert_eq!(added(Credential::None, &[]), [authorization, agent, first, second, id]);
    assert_eq!(added(Credential::Static("s".into()), &[]), [agent, first, second, id]);
    assert_eq!(added(Credential::None, &[("access-token", "t")]), [agent, first, second, id]);
    // A request id that the host made is no caller's.
    assert_eq!(
        added(
            Credential::None,
            &[("authorization", ""), ("user-agent", ""), ("x-request-id", "made by the host")]
        ),
        [first, second, id]
    );
    assert_eq!(
        added(Credential::None, &[("x-multi", "own"), ("x-fairlead-kept-x-request-id", "callers")]),
        [authorization, agent]
    );
}

#[test]
fn queries_are_joined_untouched() {
    for (target, sent, expected) in
        [("", "", ""), ("t=1", "", "?t=1"), ("", "?b=%7E&a=;", "?b=%7E&a=;"), ("t=%20", "?t=+", "?t=%20&t=+")]
    {
        let table = only(EgressRoute { query: target.into(), ..route() });
        assert_eq!(path_of(&get(&table, &format!("/app/svc/x{sent}"), &[])), format!("/base/x{expected}"));
    }
}

#[test]
fn custom_query_parameters_are_added_where_absent_and_all_is_written_again() {
    let parameters = vec![("k".to_owned(), vec!["v2".to_owned(), "v 1".to_owned()])];
    for (target, sent, expected) in [
        ("", "", "?k=v2&k=v+1"),
        ("z=1", "?a=%7E", "?a=~&k=v2&k=v+1&z=1"),
        ("k=target", "?b=2", "?b=2&k=target"),
        ("", "?k=callers&x=%zz", "?k=callers"),
    ] {
        let table =
            only(EgressRoute { query: target.into(), query_parameters: parameters.clone(), ..route() });
        assert_eq!(path_of(&get(&table, &format!("/app/svc{sent}"), &[])), format!("/base{expected}"));
    }
    let nothing = only(EgressRoute { query_parameters: vec![("k".to_owned(), vec![])], ..route() });
    assert_eq!(path_of(&get(&nothing, "/app/svc?;", &[])), "/base");
}

#[test]
fn a_route_s_own_time_out_is_named() {
    for (timeout, expected) in [(None, 0), (Some(0), 1), (Some(2500), 1)] {
        let table = only(EgressRoute { headers_timeout_ms: timeout, ..route() });
        let ops = get(&table, "/app/svc", &[]);
        let line = format!("x-envoy-upstream-rq-per-try-timeout-ms: {}", timeout.unwrap_or_default());
        assert_eq!(ops.iter().filter(|op| **op == line).count(), expected);
        assert_eq!(ops.len(), 4 + expected, "{ops:?}");
    }
}

#[test]
fn a_route_s_class_of_idle_time_is_named() {
    let table = only(EgressRoute { idle: Some(Idle::Hour), ..route() });
    assert!(get(&table, "/app/svc", &[]).contains(&"x-fairlead-idle: 1h".to_owned()));
}

#[test]
fn internal_headers_of_a_caller_are_removed_before_ours_are_set() {
    let lines = [
        ("x-fairlead-profile", "fairlead.t.evil"),
        ("x-fairlead-any", "1"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-internal", "true"),
        ("x-istio-attributes", "1"),
        ("x-fairlead-kept-x-request-id", "callers"),
        ("x-application", "callers own"),
    ];
    assert_eq!(
        get(&only(route()), "/app/svc", &lines),
        [
            "forward",
            "-x-fairlead-profile",
            "-x-fairlead-any",
            "-x-envoy-upstream-rq-timeout-ms",
            "-x-istio-attributes",
            ":authority: t:8443",
            "x-fairlead-profile: fairlead.t.1",
            ":path: /base",
        ]
    );
}

#[test]
fn what_is_not_ours_passes_whatever_the_table_s_state() {
    let pipeline = Pipeline::new(&config(&["ours"], &[(8080, Mode::Manual), (8082, Mode::Ucl)]));
    let table = only(route());
    let none = Broker::new(&[]);
    let lines = [
        (":authority", "theirs:80"),
        (":path", "/app/svc"),
        ("x-envoy-retry-on", "5xx"),
        ("access-token", "t"),
    ];
    for table in [None, Some(&table)] {
        let step = |lines: &[(&str, &str)], peer: &Peer| {
            block(lines, |headers| text(&pipeline.on_request(headers, peer, table, &none)))
        };
        assert_eq!(step(&lines, &Peer::default()), ["pass"]);
        let mut internal = lines.to_vec();
        internal.extend([("x-fairlead-profile", "p"), ("x-fairlead-kept-x-request-id", "r")]);
        assert_eq!(
            step(&internal, &Peer::default()),
            ["pass", "-x-fairlead-profile", "-x-fairlead-kept-x-request-id"]
        );
        // Our host on a listener that is not.
        let other = Peer { port: Some(9999), ..Peer::default() };
        assert_eq!(step(&[(":authority", "ours"), (":path", "/app/svc")], &other), ["pass"]);
    }
}

#[test]
fn a_cold_plugin_waits_for_the_view_but_not_for_a_path_that_is_too_short() {
    assert_eq!(step(Mode::Manual, None, &[(":path", "/app/svc")]), ["wait Snapshot"]);
    assert!(step(Mode::Manual, None, &[(":path", "/app")])[0].starts_with("400 "));
}

#[test]
fn short_paths_are_e1() {
    cover("AG-14-r01");
    cover("AG-14-r24");
    let e1 = "400 path_too_short {\"code\":400,\"error\":\"failed to extract API Identifier from path\"}";
    let table = only(route());
    for path in ["", "/", "/app", "/app/", "//app//", "/app?/svc"] {
        assert_eq!(step(Mode::Manual, Some(&table), &[(":path", path)]), [e1], "{path}");
    }
    for path in ["/app/svc", "/app/svc/"] {
        assert_eq!(step(Mode::Ucl, Some(&table), &[(":path", path)]), [e1], "{path}");
    }
    assert_eq!(step(Mode::Manual, Some(&table), &[(":method", "CONNECT")]), [e1]);
}

#[test]
fn unknown_names_are_e2_and_e3_with_the_segments_as_received() {
    for id in ["AG-4-r02", "AG-4-r04", "AG-14-r02", "AG-14-r03", "AG-14-r25"] {
        cover(id);
    }
    let table = only(route());
    for (mode, path, name) in [
        (Mode::Manual, "/app/other/x", "other not found"),
        (Mode::Manual, "/other/svc", "svc not found"),
        (Mode::Manual, "/app/SVC", "SVC not found"),
        (Mode::Manual, "/app//svc", " not found"),
        (Mode::Manual, "/app/a%20b", "a%20b not found"),
        (Mode::Manual, "/app/<&>", "\\u003c\\u0026\\u003e not found"),
        (Mode::Ucl, "/app/svc/other", "svc and entry name other not found"),
        (Mode::Ucl, "/other/svc/entry/x", "svc and entry name entry not found"),
    ] {
        let body = format!("{{\"code\":404,\"error\":\"service with name {name}\"}}");
        assert_eq!(
            step(mode, Some(&table), &[(":path", path)]),
            [format!("404 unknown_service {body}")],
            "{path}"
        );
    }
}

#[test]
fn an_application_segment_with_an_escape_is_unknown_and_dot_segments_are_refused() {
    cover("AG-4-r06");
    let table = only(route());
    assert!(get(&table, "/a%70p/svc", &[])[0].starts_with("404 unknown_service "));
    for path in ["/./svc", "/../svc", "/app/%2e%2e/x", "/app%2Fsvc/x", "/app/a%5Cb"] {
        assert_eq!(
            get(&table, path, &[]),
            ["400 path_refused {\"code\":400,\"error\":\"failed to extract API Identifier from path\"}"],
            "{path}"
        );
    }
}

#[test]
fn precomputed_refusals_are_answered_as_they_are() {
    cover("AG-4-r03");
    let refusal = Refusal {
        retry_after: Some(3),
        ..Refusal::json(
            400,
            Reason::Ambiguous,
            "failed to get service with name 'svc': multiple services found: …",
        )
    };
    let table = table(vec![("app/svc", false, EgressOutcome::Refusal(refusal.clone()))]);
    assert_eq!(get(&table, "/app/svc/x/../../..", &[]), [crate::testing::answer(&refusal)]);
}

#[test]
fn a_rest_that_cannot_be_sent_is_refused() {
    let table = only(EgressRoute { encode_url: false, ..route() });
    for (path, reason) in [
        ("/app/svc/a/../../b", "path_leaves_base"),
        ("/app/svc/%2e%2E", "path_leaves_base"),
        ("/app/svc/%zz", "path_refused"),
    ] {
        let answer = get(&table, path, &[]).concat();
        assert!(answer.starts_with(&format!("400 {reason} {{\"code\":400,\"error\":\"")), "{path}: {answer}");
    }
    assert_eq!(path_of(&get(&table, "/app/svc/a/../b", &[])), "/base/a/../b");
}

mod csrf;
