//! `spec.fairlead`: limits and replay (decisions 21, 22, 30), and the proxy.

use fairlead_model::{Effect, Installation, Proxy, Trust};
use fairlead_wire::{Reason, idle::Idle, profile::is_profile};
use serde_json::{Value, json};

use crate::support::{World, error, one_with};

const KEY: &str = "app/svc/api";

fn with(url: &str, fairlead: Value) -> Value {
    one_with(json!({"targetUrl": url}), json!({"fairlead": fairlead}))
}

#[test]
fn limits_are_the_applications_and_else_the_installations() {
    for replay in [true, false] {
        let mut world = World::with(&Installation { replay, ..Installation::default() });
        world.apply(with("https://t.example", json!({})));
        let route = world.route(KEY);
        assert_eq!((route.concurrency, route.idle, route.replay_bytes), (None, None, None));
        assert_eq!((route.headers_timeout_ms, route.no_replay), (None, !replay));

        world.apply(with(
            "https://t.example",
            json!({"concurrency": 0, "timeouts": {"headers": "1500ms", "idle": "10m"},
                "replay": {"enabled": !replay, "maxRequestBytes": 10}}),
        ));
        let route = world.route(KEY);
        assert_eq!(
            (route.concurrency, route.idle, route.replay_bytes),
            (Some(0), Some(Idle::QuarterHour), Some(10))
        );
        assert_eq!((route.headers_timeout_ms, route.no_replay), (Some(1500), replay));
        assert_eq!(world.index.problems("app"), []);
    }
}

#[test]
fn what_is_out_of_bounds_is_told() {
    let mut world = World::new();
    world.apply(with("https://t.example", json!({"replay": {"maxRequestBytes": 1_u64 << 40}})));
    assert_eq!(world.route(KEY).replay_bytes, Some(16 * 1024 * 1024));
    let field = "spec.fairlead.replay.maxRequestBytes";
    assert_eq!(world.problems("app"), [(field, Reason::FieldInvalid, Effect::Warning)]);
}

fn proxied() -> Installation {
    let networks = |list: &[&str]| list.iter().map(|network| network.parse().unwrap()).collect();
    Installation {
        proxy: Some(Proxy { host: "proxy.example".to_owned(), port: 3128 }),
        refused_networks: networks(&["127.0.0.0/8", "169.254.0.0/16", "::/96"]),
        allowed_networks: networks(&["127.0.0.2/32"]),
        ..Installation::default()
    }
}

#[test]
fn a_proxy_is_the_installations_unless_the_application_names_another_or_none() {
    let mut world = World::with(&proxied());
    let mut ids = Vec::new();
    for (url, fairlead, trust, proxy) in [
        ("https://t.example", json!({}), Trust::System, Some("proxy.example:3128")),
        ("http://t.example", json!({}), Trust::Plain, Some("proxy.example:3128")),
        ("https://t.example", json!({"proxy": "http://Own.example"}), Trust::System, Some("own.example:80")),
        ("https://t.example", json!({"proxy": "none"}), Trust::System, None),
        ("https://127.0.0.2", json!({}), Trust::System, Some("proxy.example:3128")),
    ] {
        world.delete_application("app");
        let changes = world.apply(with(url, fairlead));
        let profile = changes.profiles.added.values().next().unwrap();
        assert_eq!(
            (&profile.trust, profile.proxy.as_ref().map(ToString::to_string)),
            (&trust, proxy.map(str::to_owned))
        );
        assert!(is_profile(profile.id.as_bytes()) && world.route(KEY).profile == profile.id);
        ids.push(profile.id.clone());
    }
    assert_eq!(ids[0], ids[4], "a host is no profile");
    ids.truncate(4);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn what_no_gateway_could_judge_behind_a_proxy_is_refused_before() {
    for url in [
        "http://127.0.0.1/",
        "https://169.254.169.254/",
        "http://0x7f.1/",
        "http://[::1]:80/",
        "http://localhost/",
        "https://a.localhost./",
        "https://kubernetes.default.svc/",
    ] {
        let mut world = World::with(&proxied());
        world.apply(with(url, json!({})));
        let refusal = world.refusal(KEY);
        assert_eq!(
            (refusal.status, refusal.reason, refusal.body.as_str()),
            (502, Reason::TargetRefused, ""),
            "{url}"
        );
    }
    // Without a proxy the gateway's own guard judges, after resolution.
    let mut world = World::with(&Installation { proxy: None, ..proxied() });
    world.apply(with("http://127.0.0.1/", json!({})));
    assert_eq!(world.route(KEY).authority, "127.0.0.1");
}

#[test]
fn a_proxy_that_cannot_be_used_refuses_calls_instead_of_going_past_it() {
    for (proxy, text) in [
        ("http://user:c4n4ry@proxy.example", "it has a user name or a password"),
        ("https://proxy.example", "plain HTTP"),
        ("proxy", "write http://host:port"),
        ("", "write http://host:port"),
        ("http://169.254.169.254:80", "an address that is never called"),
        ("http://kubernetes.default:443", "an address that is never called"),
    ] {
        let mut world = World::with(&proxied());
        world.apply(with("https://t.example", json!({"proxy": proxy})));
        let refusal = world.refusal(KEY);
        assert_eq!((refusal.status, refusal.reason), (500, Reason::ProxyInvalid), "{proxy}");
        assert!(error(refusal).contains(text) && !refusal.body.contains("c4n4ry"), "{refusal:?}");
        assert_eq!(world.problems("app"), [("spec.fairlead.proxy", Reason::ProxyInvalid, Effect::Refused)]);
        assert!(!world.index.problems("app")[0].message.contains("c4n4ry"));
    }
}
