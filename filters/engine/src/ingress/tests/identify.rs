//! `identify` mode: says who it is, and leaves the rest to others.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn identified(path: &str, xfcc: &str, peer: &Peer, view: Option<u64>) -> Vec<String> {
    let lines = [
        (":authority", "gateway.example"),
        (":path", path),
        ("x-application", "spoofed"),
        ("x-envoy-retry-on", "theirs"),
        ("x-forwarded-client-cert", xfcc),
    ];
    let table = table();
    let view = view.map(|age_ms| View { table: &table, age_ms });
    block(&lines, |headers| text(&pipeline(Mode::Identify).on_request(headers, peer, view)))
}

#[test]
fn the_application_in_the_path_or_with_the_certificate_s_name_is_set() {
    for (path, xfcc, name) in [
        ("/shop/v1/events", SHOP, "shop"),
        ("/any/where", SHOP, "shop"),
        ("/", SHOP, "shop"),
        ("/managed/x", SHOP, "shop"),
        ("/managed/x", r#"Subject="CN=id1""#, "managed"),
    ] {
        let expected = ["pass".to_owned(), "-x-application".to_owned(), format!("x-application: {name}")];
        assert_eq!(identified(path, xfcc, &PEER, Some(0)), expected, "{path} {xfcc}");
    }
}

#[test]
fn who_is_nobody_s_application_passes_without_the_header() {
    for (path, xfcc) in [
        ("/shop/v1/events", OTHER),
        ("/shop/v1/events", ""),
        ("/shop/v1/events", "garbage"),
        ("/x", r#"Subject="CN=id1""#),
        ("/strict/x", r#"Subject="CN=strict""#),
        ("/x", r#"Subject="CN=managed""#),
    ] {
        assert_eq!(identified(path, xfcc, &PEER, Some(0)), ["pass", "-x-application"], "{path} {xfcc}");
    }
    let elsewhere = Peer { server_name: Some("other.example"), ..PEER };
    assert_eq!(identified("/shop/x", SHOP, &elsewhere, Some(0)), ["pass", "-x-application"]);
}

#[test]
fn the_view_matters_only_where_there_is_a_certificate() {
    assert_eq!(identified("/shop/x", "", &PEER, None), ["pass", "-x-application"]);
    assert_eq!(identified("/shop/x", SHOP, &PEER, None), ["wait Snapshot"]);
    assert!(identified("/shop/x", SHOP, &PEER, Some(u64::MAX))[0].starts_with("503 stale "));
}
