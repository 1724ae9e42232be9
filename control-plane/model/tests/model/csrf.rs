//! CSRF tokens on top of every kind of credential (AG §9, E12, E20, E21).

use std::sync::Arc;

use fairlead_cases::cover;
use fairlead_model::{Changes, CsrfAuth, GrantKind, GrantSpec, Trust};
use fairlead_wire::{Reason, feed::Credential};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    certificates::{P256, RSA},
    support::{World, error, one_with, secret},
};

const KEY: &str = "app/svc/api";

fn entry(kind: &str, csrf: &str, spec: Value) -> Value {
    let credentials = json!({"type": kind, "secretName": "s", "authenticationUrl": "https://token.example",
        "csrfInfo": {"tokenEndpointURL": csrf}});
    one_with(json!({"targetUrl": "https://t.example", "credentials": credentials}), spec)
}

fn values(password: &str, (crt, key): (&str, &str)) -> Value {
    secret(
        "s",
        json!({"username": "u", "password": password, "clientId": "i", "clientSecret": "s", "crt": crt, "key": key,
            "headers": r#"{"X-A": ["1"]}"#}),
    )
}

fn of(changes: &Changes, id: &str) -> Arc<GrantSpec> {
    changes.grants.iter().find(|(known, _)| known == id).and_then(|(_, grant)| grant.clone()).unwrap()
}

#[test]
fn the_endpoint_is_asked_with_the_credential_of_the_entry() {
    for kind in ["Basic", "OAuth", "OAuthWithCert", "CertificateGen"] {
        let mut world = World::new();
        world.put(values("p", RSA));
        let changes = world.apply(entry(kind, "https://csrf.example/t?x=1", json!({})));
        let route = world.route(KEY);
        let csrf = of(&changes, route.csrf.as_ref().unwrap());
        assert_eq!(csrf.endpoint.as_ref().unwrap().url.as_str(), "https://csrf.example/t?x=1");
        assert!(csrf.headers.is_empty() && csrf.query_parameters.is_empty(), "AG §9: none of them");
        let GrantKind::Csrf { with } = &csrf.kind else { panic!("{csrf:?}") };
        match (with, &route.credential) {
            (CsrfAuth::Basic(value), Credential::Static(sent)) => assert_eq!(value.expose_secret(), sent),
            (CsrfAuth::Grant(token), Credential::Grant(sent)) => {
                assert_eq!(token.id, *sent);
                assert_eq!(of(&changes, sent).id, *sent, "the broker gets both");
            }
            (CsrfAuth::Certificate(pair), Credential::None) => {
                let profile = changes.profiles.added.values().next().unwrap();
                assert_eq!(profile.client.as_ref(), Some(pair));
                assert!(profile.pinned, "a call with a CSRF token may be replayed");
            }
            other => panic!("{kind}: {other:?}"),
        }
    }
}

#[test]
fn sessions_are_never_shared_across_credentials() {
    let mut world = World::new();
    world.put(values("p", RSA));
    let mut ids = Vec::new();
    for (kind, url, spec) in [
        ("Basic", "https://csrf.example", json!({})),
        ("Basic", "https://csrf.example/2", json!({})),
        ("Basic", "https://csrf.example", json!({"skipVerify": true})),
        ("Basic", "https://csrf.example", json!({"fairlead": {"proxy": "http://proxy.example"}})),
        ("OAuth", "https://csrf.example", json!({})),
        ("OAuthWithCert", "https://csrf.example", json!({})),
        ("CertificateGen", "https://csrf.example", json!({})),
    ] {
        world.apply(entry(kind, url, spec));
        ids.push(world.route(KEY).csrf.clone());
    }
    world.apply(values("other", P256));
    ids.push(world.route(KEY).csrf.clone());
    let mut other = values("p", RSA);
    other["metadata"]["name"] = json!("s2");
    world.put(other);
    let mut with_other = entry("CertificateGen", "https://csrf.example", json!({}));
    with_other["spec"]["services"][0]["entries"][0]["credentials"]["secretName"] = json!("s2");
    world.apply(with_other);
    ids.push(world.route(KEY).csrf.clone());
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "each has a session of its own");
}

#[test]
fn equal_entries_share_one_session_and_skip_verify_is_its_too() {
    let mut world = World::new();
    world.put(values("p", RSA));
    let changes = world.apply(entry("Basic", "https://csrf.example", json!({"skipVerify": true})));
    let csrf = of(&changes, world.route(KEY).csrf.as_ref().unwrap());
    assert_eq!(csrf.endpoint.as_ref().unwrap().trust, Trust::Unverified);
    let mut twin = entry("Basic", "https://csrf.example", json!({"skipVerify": true}));
    twin["metadata"]["name"] = json!("twin");
    assert!(world.apply(twin).grants.is_empty());
}

#[test]
fn a_bad_endpoint_refuses_the_grant_and_not_the_route() {
    cover("AG-14-r14");
    cover("AG-14-r23");
    for (url, status, reason, text) in [
        ("https://csrf.example/%zz", 500, Reason::TokenEndpointInvalid, "failed to create token request: "),
        (
            "csrf.example?key=k",
            502,
            Reason::CsrfEndpointUnreachable,
            "failed to make a request to 'csrf.example': ",
        ),
        (
            "https://kubernetes/",
            502,
            Reason::TargetRefused,
            "failed to make a request to 'https://kubernetes/': ",
        ),
    ] {
        let mut world = World::new();
        world.put(values("p", RSA));
        let changes = world.apply(entry("Basic", url, json!({})));
        let csrf = of(&changes, world.route(KEY).csrf.as_ref().unwrap());
        let refusal = csrf.endpoint.as_ref().unwrap_err();
        assert_eq!((refusal.status, refusal.reason), (status, reason), "{url}");
        assert!(error(refusal).starts_with(text), "{refusal:?}");
        let problem = &world.index.problems("app")[0];
        assert_eq!(problem.field, "spec.services[0].entries[0].credentials.csrfInfo.tokenEndpointURL");
    }
}

#[test]
fn an_unknown_type_or_an_empty_endpoint_fetches_none() {
    for (kind, url) in [("Other", "https://csrf.example"), ("Basic", "")] {
        let mut world = World::new();
        world.put(values("p", RSA));
        world.apply(entry(kind, url, json!({})));
        assert_eq!(world.route(KEY).csrf, None, "{kind}");
    }
}
