//! Transport profiles (design decision 11; decisions 23, 32) and limits (decision 21).

use fairlead_model::{Effect, Profile, Trust};
use fairlead_wire::{Reason, profile::is_profile};
use serde_json::{Value, json};

use crate::support::{World, application, error, one_with, secret, service};

const KEY: &str = "app/svc/api";
/// Not a real certificate, but DER and PEM.
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";

fn with(url: &str, spec: Value) -> Value {
    one_with(json!({"targetUrl": url}), spec)
}

fn own_ca() -> Value {
    json!({"fairlead": {"caSecretName": "ca"}})
}

#[test]
fn each_trust_has_its_profile_and_its_id_stays() {
    let private = Trust::Private { ca_pem: PEM.to_owned() };
    // The ids are written down: another spelling of the JSON would replace every cluster at an upgrade.
    for (url, spec, trust, id) in [
        (
            "http://t.example",
            json!({"skipVerify": true}),
            Trust::Plain,
            "fairlead.t.1ef176e4f42edf1275f114eae7f04e08",
        ),
        ("https://t.example", json!({}), Trust::System, "fairlead.t.d0b27edab26ac9bec873f3cb1f3c9c49"),
        (
            "https://t.example",
            json!({"skipVerify": true}),
            Trust::Unverified,
            "fairlead.t.89eb7404029c7aacbfb907b000800b38",
        ),
        ("https://t.example", own_ca(), private, "fairlead.t.6c2a2b069b309de2c4719761bb8bc040"),
        ("http://t.example", own_ca(), Trust::Plain, "fairlead.t.1ef176e4f42edf1275f114eae7f04e08"),
    ] {
        let mut world = World::new();
        world.put(secret("ca", json!({"ca.crt": PEM})));
        let changes = world.apply(with(url, spec));
        let profile = Profile::new(trust);
        assert!(is_profile(profile.id.as_bytes()), "{}", profile.id);
        assert_eq!((world.route(KEY).profile.as_str(), profile.id.as_str()), (id, id));
        assert_eq!(
            changes.profiles.added.values().map(|added| (**added).clone()).collect::<Vec<_>>(),
            [profile]
        );
    }
}

#[test]
fn only_certificates_leave_a_ca_secret() {
    let key = "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n";
    let mut profiles = Vec::new();
    for (name, value) in
        [("ca.crt", PEM.to_owned()), ("tls.ca", format!("notBefore=x\r\n{key}{PEM}").replace('\n', "\r\n"))]
    {
        let mut world = World::new();
        world.put(secret("ca", json!({name: value})));
        let changes = world.apply(with("https://t.example", own_ca()));
        profiles.extend(changes.profiles.added.into_values());
    }
    assert_eq!(profiles[0].trust, Trust::Private { ca_pem: PEM.to_owned() });
    assert_eq!(profiles[0], profiles[1]);
}

#[test]
fn an_unusable_ca_is_refused_and_named() {
    let mut world = World::new();
    world.apply(with("https://t.example", own_ca()));
    assert_eq!(
        error(world.refusal(KEY)),
        "failed to read API for name of svc service, secret 'ca' not found"
    );
    assert_eq!(
        world.problems("app"),
        [("spec.fairlead.caSecretName", Reason::SecretMissing, Effect::Refused)]
    );
    for values in [
        json!({}),
        json!({"ca.crt": ""}),
        json!({"ca.crt": "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n"}),
        json!({"ca.crt": PEM.replace("MAMC", "MBMC")}),
        json!({"ca.crt": PEM.replace('M', "!")}),
    ] {
        world.apply(secret("ca", values));
        let refusal = world.refusal(KEY);
        assert_eq!((refusal.status, refusal.reason), (500, Reason::SecretInvalid));
        assert_eq!(
            world.problems("app"),
            [("spec.fairlead.caSecretName", Reason::SecretInvalid, Effect::Refused)]
        );
    }
    world.apply(secret("ca", json!({"ca.crt": PEM})));
    assert_eq!(world.index.problems("app"), []);
}

#[test]
fn a_changed_profile_comes_before_the_old_one_goes() {
    let mut world = World::new();
    let system = world.apply(with("https://t.example", json!({}))).profiles;
    let system = system.added.into_keys().next().unwrap();
    let changes = world.apply(with("https://t.example", json!({"skipVerify": true})));
    assert_eq!(changes.profiles.unused, [system]);
    assert_eq!(changes.profiles.added.keys().collect::<Vec<_>>(), [&world.route(KEY).profile]);
    let changes = world.apply(with("https://other.example", json!({"skipVerify": true})));
    assert!(changes.profiles.is_empty(), "a host is no profile");
}

#[test]
fn limits_and_spelling_are_the_applications() {
    for (spec, millis, encode) in [
        (json!({}), None, true),
        (json!({"fairlead": {"timeouts": {"headers": "1m30s"}}}), Some(90_000), true),
        (
            json!({"encodeUrl": false, "fairlead": {"timeouts": {"headers": "0s", "idle": "1h"}}}),
            Some(0),
            false,
        ),
    ] {
        let mut world = World::new();
        world.apply(with("https://t.example", spec));
        assert_eq!((world.route(KEY).headers_timeout_ms, world.route(KEY).encode_url), (millis, encode));
    }
}

#[test]
fn what_holds_for_the_application_is_told_once() {
    let entry = |name: &str| json!({"type": "API", "name": name, "targetUrl": "https://t.example"});
    let mut spec = own_ca();
    spec["services"] = json!([service("svc", json!([entry("a"), entry("b")]))]);
    let mut world = World::new();
    world.apply(application("app", spec));
    assert_eq!(
        world.problems("app"),
        [("spec.fairlead.caSecretName", Reason::SecretMissing, Effect::Refused)]
    );
}
