//! `targetUrl` (AG §4, §5, §14 E11; decision 26).

use fairlead_cases::cover;
use fairlead_model::Installation;
use fairlead_wire::Reason;
use serde_json::json;

use crate::support::{World, error, one};

const KEY: &str = "app/svc/api";

#[test]
fn targets_are_taken_apart_as_spelt() {
    for (url, tls, authority, path, query) in [
        ("http://t.example", false, "t.example", "", ""),
        ("HTTPS://T.Example/", true, "t.example", "/", ""),
        (
            "https://user:word@t.example:8443/a%20b/(c)?x=1&y#frag",
            true,
            "t.example:8443",
            "/a%20b/(c)",
            "x=1&y",
        ),
        ("http://t.example?q", false, "t.example", "", "q"),
        ("http://t.example:/x", false, "t.example", "/x", ""),
        ("https://t.example:443/x", true, "t.example:443", "/x", ""),
        ("https://bücher.example/ä b?ü=\"", true, "xn--bcher-kva.example", "/ä b", "%C3%BC=\""),
        ("http://127.0.0.2:28080/a:b/@c", false, "127.0.0.2:28080", "/a:b/@c", ""),
        ("http://[2001:DB8::1]:80/", false, "[2001:db8::1]:80", "/", ""),
        ("http://t.example//a/../b", false, "t.example", "//a/../b", ""),
        ("http://under_score.example", false, "under_score.example", "", ""),
    ] {
        let mut world = World::new();
        world.apply(one(json!({"targetUrl": url})));
        let route = world.route(KEY);
        let got = (route.tls, route.authority.as_str(), route.base_path.as_str(), route.query.as_str());
        assert_eq!(got, (tls, authority, path, query), "{url}");
        assert_eq!(world.index.problems("app"), []);
    }
}

#[test]
fn what_is_no_url_is_e11() {
    cover("AG-14-r13");
    cover("AG-14-r29");
    for url in [
        "http://t.example/%zz",
        "http://t.example/%2",
        "http://t.ex ample/",
        "http://t.example:port/",
        "http://t%41.example/",
        "http://[::1/",
        "http://t.example/\u{7}",
        "://t.example",
        ":t",
        "1http://t.example",
        "127.0.0.1:80/x",
    ] {
        let mut world = World::new();
        world.apply(one(json!({"targetUrl": url})));
        let refusal = world.refusal(KEY);
        assert_eq!((refusal.status, refusal.reason), (500, Reason::TargetInvalid), "{url}");
        let begin = format!("failed to parse target url '{url}': '");
        assert!(error(refusal).starts_with(&begin), "{refusal:?}");
        assert_eq!(world.index.problems("app")[0].field, "spec.services[0].entries[0].targetUrl");
    }
    let mut world = World::new();
    world.apply(one(json!({"targetUrl": "http://user:word@t.example/%zz"})));
    assert!(!world.refusal(KEY).body.contains("word"), "{:?}", world.refusal(KEY));
}

#[test]
fn what_leads_nowhere_is_an_empty_502() {
    cover("AG-14-r30");
    for url in [
        "",
        "t.example/x",
        "/x",
        "t.example:8080/x",
        "ftp://t.example",
        "http:t.example",
        "http:///x",
        "http://:80/",
        "http://t.example:0",
        "http://t.example:65536",
    ] {
        let mut world = World::new();
        world.apply(one(json!({"targetUrl": url})));
        let refusal = world.refusal(KEY);
        assert_eq!(
            (refusal.status, refusal.reason, refusal.body.as_str()),
            (502, Reason::TargetUnsupported, ""),
            "{url}"
        );
        assert_eq!(world.index.problems("app").len(), 1);
    }
}

#[test]
fn our_own_are_never_targets() {
    let refused_authorities = vec!["Control.Example".to_owned(), "api.example:6443".to_owned()];
    let installation = Installation { refused_authorities, ..Installation::default() };
    for (url, refused) in [
        ("https://control.example", true),
        ("https://CONTROL.example.:18443/x", true),
        ("https://api.example:6443", true),
        ("https://api.example", false),
        ("https://kubernetes.default.svc", true),
        ("https://sub.control.example", false),
    ] {
        let mut world = World::with(&installation);
        world.apply(one(json!({"targetUrl": url})));
        if refused {
            let refusal = world.refusal(KEY);
            assert_eq!(
                (refusal.status, refusal.reason, refusal.body.as_str()),
                (502, Reason::TargetRefused, ""),
                "{url}"
            );
        } else {
            world.route(KEY);
        }
    }
}
