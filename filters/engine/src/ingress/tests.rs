use fairlead_cases::cover;
use fairlead_wire::{feed::Organization, header::KEPT_PREFIX};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::testing::{Peer, block, config, text};

mod identify;

const SHOP: &str = r#"Hash=h;Cert="c";Subject="O=client organization,CN=shop";URI="#;
const OTHER: &str = r#"Hash=h;Subject="CN=other";URI="#;

const V1: &str =
    "500 certificate_missing {\"code\":500,\"error\":\"X-Forwarded-Client-Cert header not found\"}";
const V2: &str = "400 unknown_path {\"code\":400,\"error\":\"application name not specified\"}";
const V4: &str = "403 subject_refused {\"code\":403,\"error\":\"no valid subject found\"}";
const V5: &str = "404 unknown_path {\"code\":404,\"error\":\"could not determine destination host, requested resource not found\"}";

fn v3(name: &str) -> String {
    format!(
        "404 unknown_application {{\"code\":404,\"error\":\"while getting application ClientIds: application data for name {name} \
         is not found in the cache. Please retry\"}}"
    )
}

fn record(common_names: &[&str]) -> IngressRecord {
    IngressRecord {
        common_names: common_names.iter().map(|name| (*name).to_owned()).collect(),
        organization: None,
        sink: Some(Sink {
            profile: "fairlead.t.sink".into(),
            authority: "publisher:80".into(),
            publish_path: "/publish".into(),
        }),
    }
}

/// `shop` (its own name), `managed` (client ids), `strict` (organisation and unit), `dry` (no sink).
fn table() -> Table<IngressRecord> {
    let mut table = Table::default();
    let organization = Organization { organization: "tenant".into(), unit: "group".into() };
    table.insert("shop", None, record(&["shop"]));
    table.insert("managed", None, record(&["id1", "id2", ""]));
    table.insert("strict", None, IngressRecord { organization: Some(organization), ..record(&["strict"]) });
    table.insert("dry", None, IngressRecord { sink: None, ..record(&["dry"]) });
    table
}

const PEER: Peer = Peer { port: None, server_name: Some("Gateway.example"), subject: None };

fn pipeline(mode: Mode) -> Pipeline {
    Pipeline::new(&config(&["gateway.example"], &[(8443, mode)]))
}

/// What the pipeline in `route` mode makes of a POST of `path` by whoever shows `xfcc`, with further lines.
fn post(path: &str, xfcc: &str, lines: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![(":authority", "gateway.example:443"), (":path", path), (":method", "POST")];
    all.extend([("x-forwarded-client-cert", xfcc)].iter().filter(|_| !xfcc.is_empty()));
    all.extend(lines);
    let table = table();
    let view = View { table: &table, age_ms: 0 };
    block(&all, |headers| text(&pipeline(Mode::Route).on_request(headers, &PEER, Some(view))))
}

#[test]
fn a_listener_that_admits_one_server_name_is_not_asked_for_it() {
    let table = table();
    let ask = |hosts: &[&str], matched: bool, host: &str| {
        let config = PluginConfig { server_name_matched: matched, ..config(hosts, &[(8443, Mode::Route)]) };
        let lines = [(":authority", host), (":path", "/shop/events"), ("x-forwarded-client-cert", SHOP)];
        let view = View { table: &table, age_ms: 0 };
        // Whoever asks this peer is told that there was no server name.
        let step = |headers: &HeaderBlock<'_>| {
            text(&Pipeline::new(&config).on_request(headers, &Peer::default(), Some(view)))
        };
        block(&lines, step).swap_remove(0)
    };
    assert_eq!(ask(&["one.example"], true, "one.example:443"), "forward");
    assert!(ask(&["one.example"], false, "one.example:443").starts_with("421 "));
    assert!(ask(&["one.example", "two.example"], true, "one.example").starts_with("421 "));
    assert!(ask(&["*"], true, "one.example").starts_with("421 "));
    assert_eq!(ask(&["one.example"], true, "two.example"), "pass");
}

#[test]
fn an_event_goes_to_the_sink_without_the_certificate() {
    assert_eq!(
        post("/shop/v1/events?a=b", SHOP, &[("ce-id", "1"), ("authorization", "own"), ("x-request-id", "r")]),
        [
            "forward",
            "-x-forwarded-client-cert",
            ":authority: publisher:80",
            "x-fairlead-profile: fairlead.t.sink",
            ":path: /shop/v1/events?a=b",
        ]
    );
    assert_eq!(post("/shop/v2/events/x", SHOP, &[]).last().unwrap(), ":path: /publish");
    assert_eq!(post("/shop//events?q", SHOP, &[]).last().unwrap(), ":path: /publish?q");
}

#[test]
fn internal_headers_of_a_client_are_removed_before_ours_are_set() {
    let kept = format!("{KEPT_PREFIX}x-request-id");
    let lines = [
        ("x-application", "other"),
        ("x-fairlead-profile", "p"),
        ("x-envoy-retry-on", "5xx"),
        (kept.as_str(), "r"),
    ];
    assert_eq!(
        post("/shop/events", SHOP, &lines),
        [
            "forward",
            "-x-application",
            "-x-fairlead-profile",
            "-x-envoy-retry-on",
            "-x-forwarded-client-cert",
            ":authority: publisher:80",
            "x-fairlead-profile: fairlead.t.sink",
            ":path: /publish",
        ]
    );
}

#[test]
fn a_path_without_application_is_a_plain_404_before_anything_else() {
    for path in ["", "/", "/shop", "/shop?/v1/events", "*"] {
        assert_eq!(post(path, "", &[]), ["404 unknown_path 404 page not found"], "{path}");
    }
}

#[test]
fn v1_no_certificate() {
    cover("CV-3-r01");
    for path in ["/shop/v1/events", "/unknown/v1/events", "/shop/nothing", "//v1/events"] {
        assert_eq!(post(path, "", &[]), [V1], "{path}");
        assert_eq!(post(path, " ", &[]), [V1], "{path}");
    }
}

#[test]
fn a_certificate_for_another_host_name_does_not_count() {
    let table = table();
    let view = View { table: &table, age_ms: 0 };
    let lines =
        [(":authority", "gateway.example"), (":path", "/shop/events"), ("x-forwarded-client-cert", SHOP)];
    for server_name in [None, Some(""), Some("connector-service.example"), Some("gateway.example.")] {
        let peer = Peer { server_name, ..PEER };
        let step =
            block(&lines, |headers| text(&pipeline(Mode::Route).on_request(headers, &peer, Some(view))));
        assert!(step[0].starts_with("421 server_name_mismatch {\"code\":421,\"error\":\""), "{step:?}");
    }
}

#[test]
fn v2_no_application_name() {
    cover("CV-3-r02");
    for path in ["//", "//v1/events", "//shop/v1/events"] {
        assert_eq!(post(path, SHOP, &[]), [V2], "{path}");
    }
}

#[test]
fn v3_no_such_application() {
    cover("CV-3-r03");
    for (path, name) in [
        ("/unknown/v1/events", "unknown"),
        ("/unknown/nothing", "unknown"),
        ("/Shop/v1/events", "Shop"),
        ("/my%20app/v1/events", "my app"),
        ("/shop%2Fx/v1/events", "shop/x"),
        ("/a%22%ff/v1/events", "a\\\"\u{fffd}"),
    ] {
        assert_eq!(post(path, OTHER, &[]), [v3(name)], "{path}");
    }
}

/// One request sees one table, so an Application cannot vanish between two steps of it as in Kyma: it is there, or it
/// is answered by V3.
#[test]
fn an_application_that_vanishes_is_v3_from_then_on() {
    cover("CV-3-r06");
    let pipeline = pipeline(Mode::Route);
    let lines =
        [(":authority", "gateway.example"), (":path", "/shop/events"), ("x-forwarded-client-cert", SHOP)];
    let step = |table: &Table<IngressRecord>| {
        block(&lines, |headers| text(&pipeline.on_request(headers, &PEER, Some(View { table, age_ms: 0 }))))
    };
    assert_eq!(step(&table())[0], "forward");
    assert_eq!(step(&Table::default()), [v3("shop")]);
}

#[test]
fn v4_no_acceptable_subject() {
    cover("CV-3-r04");
    for (path, xfcc) in [
        ("/shop/v1/events", OTHER),
        ("/shop/nothing", OTHER),
        ("/managed/v1/events", r#"Subject="CN=managed""#),
        ("/managed/v1/events", r#"Subject="O=x""#),
        ("/strict/v1/events", r#"Subject="CN=strict""#),
        ("/strict/v1/events", r#"Subject="CN=strict,O=tenant,OU=other""#),
        ("/shop/v1/events", "Hash=h"),
        ("/shop/v1/events", "garbage"),
        ("/shop/v1/events", r#"Subject="CN=other",Subject="CN=shop""#),
    ] {
        assert_eq!(post(path, xfcc, &[]), [V4], "{path} {xfcc}");
    }
    for (path, xfcc) in [
        ("/managed/v1/events", r#"Subject="CN=id2""#),
        ("/strict/v1/events", r#"Subject="CN=strict,OU=group,O=tenant""#),
    ] {
        assert_eq!(post(path, xfcc, &[])[0], "forward", "{path} {xfcc}");
    }
}

#[test]
fn of_several_header_lines_only_the_last_counts() {
    let first = ("x-forwarded-client-cert", SHOP);
    assert_eq!(post("/shop/events", OTHER, &[first])[0], "forward");
    assert_eq!(post("/shop/events", SHOP, &[("x-forwarded-client-cert", OTHER)]), [V4]);
}

#[test]
fn v5_no_such_path_or_no_sink() {
    cover("CV-3-r05");
    for path in [
        "/shop/",
        "/shop/v1/metadata/services",
        "/shop/v3/events",
        "/shop/v1/eventsfoo",
        "/shop/v1/events/..",
    ] {
        assert_eq!(post(path, SHOP, &[]), [V5], "{path}");
    }
    assert_eq!(post("/dry/v1/events", r#"Subject="CN=dry""#, &[]), [V5]);
}

#[test]
fn a_cold_plugin_waits_only_where_the_view_decides() {
    let step = |path: &str, xfcc: &[(&str, &str)]| {
        let mut lines = vec![(":authority", "gateway.example"), (":path", path)];
        lines.extend(xfcc);
        block(&lines, |headers| text(&pipeline(Mode::Route).on_request(headers, &PEER, None)))
    };
    assert_eq!(step("/shop/events", &[("x-forwarded-client-cert", SHOP)]), ["wait Snapshot"]);
    assert_eq!(step("/shop/events", &[]), [V1]);
}

#[test]
fn a_view_that_is_too_old_refuses() {
    let table = table();
    let lines =
        [(":authority", "gateway.example"), (":path", "/shop/events"), ("x-forwarded-client-cert", SHOP)];
    let max = PluginConfig::default().max_staleness_ms;
    for (age_ms, fresh) in [(0, true), (max, true), (max + 1, false), (u64::MAX, false)] {
        let view = View { table: &table, age_ms };
        let step =
            block(&lines, |headers| text(&pipeline(Mode::Route).on_request(headers, &PEER, Some(view))));
        assert_eq!(step[0].starts_with("forward"), fresh, "{step:?}");
        assert_eq!(step[0].starts_with("503 stale {\"code\":503,"), !fresh, "{step:?}");
        assert_eq!(step[0].ends_with("retry after 10"), !fresh, "{step:?}");
    }
}

#[test]
fn what_is_not_ours_passes_whatever_the_view_s_state() {
    let table = table();
    let lines = [
        (":authority", "theirs"),
        (":path", "/shop/events"),
        ("x-forwarded-client-cert", OTHER),
        ("x-application", "spoofed"),
        ("x-fairlead-profile", "p"),
        ("x-envoy-retry-on", "theirs"),
    ];
    for view in [None, Some(View { table: &table, age_ms: u64::MAX })] {
        let step = |lines: &[(&str, &str)]| {
            block(lines, |headers| text(&pipeline(Mode::Route).on_request(headers, &Peer::default(), view)))
        };
        assert_eq!(step(&lines), ["pass", "-x-application", "-x-fairlead-profile"]);
        assert_eq!(step(&lines[..3]), ["pass"]);
    }
}

#[test]
fn the_connection_s_own_subject_can_be_the_source() {
    let config = PluginConfig {
        identity: IdentitySource::Connection,
        ..config(&["gateway.example"], &[(8443, Mode::Route)])
    };
    let pipeline = Pipeline::new(&config);
    let table = table();
    let step = |subject: Option<&'static str>| {
        let lines =
            [(":authority", "gateway.example"), (":path", "/shop/events"), ("x-forwarded-client-cert", SHOP)];
        let view = View { table: &table, age_ms: 0 };
        let peer = Peer { subject, ..PEER };
        block(&lines, |headers| text(&pipeline.on_request(headers, &peer, Some(view))))
    };
    assert_eq!(step(Some("CN=shop,C=DE"))[0], "forward");
    assert_eq!(step(Some("CN=other")), [V4]);
    assert_eq!(step(None), [V1]);
    // A certificate with an empty subject is nobody's, but it is one.
    assert_eq!(step(Some("")), [V4]);
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_path_and_no_xfcc_panic_or_let_another_in(
            path in "/(shop|managed|x)?[/v12events.%?]{0,20}", xfcc in "[\\PC\"=;,]{0,40}"
        ) {
            let step = post(&path, &xfcc, &[]);
            prop_assert_ne!(&step[0], "forward");
        }

        #[test]
        fn what_goes_on_is_below_its_own_application(path in "/shop/[v12evnts/.%2e?]{0,20}") {
            let step = post(&path, SHOP, &[]);
            if step[0] == "forward" {
                let sent = step.last().unwrap();
                prop_assert!(sent.starts_with(":path: /shop/v1/events") || sent.starts_with(":path: /publish"));
                let plain = !sent.contains("..") && !sent.contains("%2e%2e");
                prop_assert!(plain, "{}", sent);
            }
        }
    }
}
