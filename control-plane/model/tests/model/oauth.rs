//! OAuth client credentials (AG §8.3, E12, E13; design decision 9).

use std::sync::Arc;

use fairlead_cases::cover;
use fairlead_model::{GrantKind, GrantSpec, Installation, Trust};
use fairlead_wire::{Reason, feed::Credential};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{World, error, one_with, secret};

const KEY: &str = "app/svc/api";

fn oauth(url: &str, spec: Value) -> Value {
    let credentials = json!({"type": "OAuth", "secretName": "s", "authenticationUrl": url});
    one_with(json!({"targetUrl": "https://t.example", "credentials": credentials}), spec)
}

fn client() -> Value {
    secret(
        "s",
        json!({"clientId": "id", "clientSecret": "c4n4ry", "headers": r#"{"X-A": ["1"]}"#, "queryParameters": r#"{"scope": ["s"]}"#}),
    )
}

fn grant(url: &str, spec: Value) -> (World, Arc<GrantSpec>) {
    let installation =
        Installation { refused_authorities: vec!["control.example".to_owned()], ..Installation::default() };
    let mut world = World::with(&installation);
    world.put(client());
    let changes = world.apply(oauth(url, spec));
    let grant = changes.grants[0].1.clone().unwrap();
    assert_eq!(world.route(KEY).credential, Credential::Grant(grant.id.clone()));
    (world, grant)
}

#[test]
fn a_grant_holds_what_the_broker_sends() {
    let (_, grant) = grant("https://user:x@token.example/t?a=1#f", json!({}));
    let endpoint = grant.endpoint.as_ref().unwrap();
    assert_eq!((endpoint.url.as_str(), &endpoint.trust), ("https://token.example/t?a=1", &Trust::System));
    let GrantKind::ClientCredentials { client_id, client_secret } = &grant.kind else { panic!("{grant:?}") };
    assert_eq!((client_id.expose_secret(), client_secret.expose_secret()), ("id", "c4n4ry"));
    assert_eq!((grant.headers[0].0.as_str(), grant.headers[0].1.expose_secret()), ("x-a", "1"));
    assert_eq!(
        (grant.query_parameters[0].0.as_str(), grant.query_parameters[0].1[0].expose_secret()),
        ("scope", "s")
    );
    assert_eq!(grant.secret, "kyma-system/s");
    assert!(!format!("{grant:?}").contains("c4n4ry"));
}

#[test]
fn skip_verify_is_the_token_endpoints_too() {
    for (url, spec, trust) in [
        ("https://token.example", json!({"skipVerify": true}), Trust::Unverified),
        ("http://token.example", json!({"skipVerify": true}), Trust::Plain),
    ] {
        assert_eq!(grant(url, spec).1.endpoint.as_ref().unwrap().trust, trust);
    }
}

#[test]
fn a_bad_token_endpoint_refuses_the_grant_and_not_the_route() {
    cover("AG-14-r14");
    cover("AG-14-r15");
    for (url, status, reason, text) in [
        ("https://token.example/%zz", 500, Reason::TokenEndpointInvalid, "failed to create token request: "),
        ("", 502, Reason::TokenEndpointUnreachable, "failed to make a request to '': "),
        (
            "token.example/x?key=k",
            502,
            Reason::TokenEndpointUnreachable,
            "failed to make a request to 'token.example/x': ",
        ),
        (
            "https://control.example/x",
            502,
            Reason::TargetRefused,
            "failed to make a request to 'https://control.example/x': ",
        ),
    ] {
        let (world, grant) = grant(url, json!({}));
        let refusal = grant.endpoint.as_ref().unwrap_err();
        assert_eq!((refusal.status, refusal.reason), (status, reason), "{url}");
        assert!(error(refusal).starts_with(text), "{refusal:?}");
        let problem = &world.index.problems("app")[0];
        assert_eq!(problem.field, "spec.services[0].entries[0].credentials.authenticationUrl");
    }
}

#[test]
fn equal_grants_are_one_and_another_version_is_another() {
    let (mut world, first) = grant("https://token.example", json!({}));
    let mut twin = oauth("https://token.example", json!({}));
    twin["metadata"]["name"] = json!("twin");
    assert!(world.apply(twin).grants.is_empty());
    assert!(world.delete_application("twin").grants.is_empty());

    let changes = world.apply(client());
    assert_eq!(changes.grants.len(), 2, "the new one, and the old one gone");
    assert!(changes.grants.iter().any(|(id, grant)| *id == first.id && grant.is_none()));
    assert_ne!(world.route(KEY).credential, Credential::Grant(first.id.clone()));
    assert_eq!(world.delete_application("app").grants.len(), 1);
}
