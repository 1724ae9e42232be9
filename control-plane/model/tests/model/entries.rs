//! One entry: credentials and parameters (AG §8, §10, §14 E8–E10).

use fairlead_cases::cover;
use fairlead_model::Effect;
use fairlead_wire::{Reason, feed::Credential};
use serde_json::{Value, json};

use crate::support::{World, error, one, secret, secret_in};

const KEY: &str = "app/svc/api";

fn with_credentials(kind: &str, secret: &str) -> Value {
    one(json!({"targetUrl": "https://t.example", "credentials": {"type": kind, "secretName": secret}}))
}

#[test]
fn basic_is_made_of_the_secret_and_missing_keys_are_empty() {
    let mut world = World::new();
    world.put(secret("s", json!({"username": "user", "password": "pass"})));
    world.apply(with_credentials("Basic", "s"));
    assert_eq!(world.route(KEY).credential, Credential::Static("Basic dXNlcjpwYXNz".to_owned()));
    world.apply(secret("s", json!({})));
    assert_eq!(world.route(KEY).credential, Credential::Static("Basic Og==".to_owned()));
    assert_eq!(world.index.problems("app"), []);
}

#[test]
fn a_missing_secret_is_e8() {
    cover("AG-14-r09");
    cover("AG-14-r28");
    for (entry, field) in [
        (json!({"credentials": {"type": "Basic", "secretName": "gone"}}), "credentials.secretName"),
        (json!({"credentials": {"type": "Whatever", "secretName": "gone"}}), "credentials.secretName"),
        (json!({"requestParametersSecretName": "gone"}), "requestParametersSecretName"),
    ] {
        let mut world = World::new();
        let mut entry = entry;
        entry["targetUrl"] = json!("http://t.example");
        world.apply(one(entry));
        let refusal = world.refusal(KEY);
        assert_eq!((refusal.status, refusal.reason), (500, Reason::SecretMissing));
        assert_eq!(error(refusal), "failed to read API for name of svc service, secret 'gone' not found");
        assert!(world.egress[KEY].manual);
        let field = format!("spec.services[0].entries[0].{field}");
        assert_eq!(world.problems("app"), [(field.as_str(), Reason::SecretMissing, Effect::Refused)]);
        let text = &world.index.problems("app")[0].message;
        assert!(text.contains("kyma-system or kyma-integration"), "{text}");

        let changes = world.apply(secret("gone", json!({})));
        assert_eq!(changes.problems, ["app"]);
        assert_eq!(world.route(KEY).authority, "t.example");
    }
}

#[test]
fn parameters_become_lines_and_pairs() {
    let mut world = World::new();
    world.put(secret(
        "p",
        json!({"headers": r#"{"X-Multi": ["1", "2"], "X-A": ["a"]}"#, "queryParameters": r#"{"sap-client": ["100"]}"#}),
    ));
    world.apply(one(json!({"targetUrl": "http://t.example", "requestParametersSecretName": "p"})));
    let lines = [("x-a", "a"), ("x-multi", "1"), ("x-multi", "2")];
    assert_eq!(world.route(KEY).headers, lines.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(world.route(KEY).query_parameters, [("sap-client".to_owned(), vec!["100".to_owned()])]);
}

#[test]
fn bad_parameters_are_e9_and_e10() {
    cover("AG-14-r11");
    cover("AG-14-r12");
    for (values, text, key) in [
        (json!({"headers": r#"{"a": "x"}"#}), "Failed to unmarshal headers, ", "'headers'"),
        (json!({"headers": ""}), "Failed to unmarshal headers, ", "'headers'"),
        (json!({"headers": r#"{"a": ["x\r\nb: c"]}"#}), "Failed to unmarshal headers, ", "'headers'"),
        (json!({"queryParameters": "[]"}), "Failed to unmarshal query parameters, ", "'queryParameters'"),
    ] {
        let mut world = World::new();
        world.put(secret("p", values));
        world.apply(one(json!({"targetUrl": "http://t.example", "requestParametersSecretName": "p"})));
        let refusal = world.refusal(KEY);
        assert_eq!((refusal.status, refusal.reason), (500, Reason::SecretInvalid));
        let begin = format!("failed to read API for name of svc service, {text}");
        assert!(error(refusal).starts_with(&begin), "{refusal:?}");
        let problem = &world.index.problems("app")[0];
        assert!(problem.message.contains(key) && problem.message.contains("kyma-system/p"), "{problem}");
    }
}

#[test]
fn empty_credentials_are_none() {
    let mut world = World::new();
    world.apply(with_credentials("", ""));
    assert_eq!(world.route(KEY).credential, Credential::None);
    assert_eq!(world.index.problems("app"), []);
}

#[test]
fn an_unknown_type_carries_no_credential_and_is_told() {
    let mut world = World::new();
    world.put(secret("s", json!({})));
    world.apply(with_credentials("basic", "s"));
    assert_eq!(world.route(KEY).credential, Credential::None);
    let field = "spec.services[0].entries[0].credentials.type";
    assert_eq!(world.problems("app"), [(field, Reason::CredentialUnsupported, Effect::Warning)]);
}

#[test]
fn the_first_namespace_wins_and_it_is_told() {
    let mut world = World::new();
    world.put(secret_in("elsewhere", "s", json!({"username": "never"})));
    world.put(secret_in("kyma-integration", "s", json!({"username": "b"})));
    world.apply(with_credentials("Basic", "s"));
    assert_eq!(world.route(KEY).credential, Credential::Static("Basic Yjo=".to_owned()));
    assert_eq!(world.index.problems("app"), []);

    world.apply(secret("s", json!({"username": "a"})));
    assert_eq!(world.route(KEY).credential, Credential::Static("Basic YTo=".to_owned()));
    let field = "spec.services[0].entries[0].credentials.secretName";
    assert_eq!(world.problems("app"), [(field, Reason::Ambiguous, Effect::Warning)]);

    world.delete_secret("kyma-system", "s");
    assert_eq!(world.route(KEY).credential, Credential::Static("Basic Yjo=".to_owned()));
    assert_eq!(world.index.problems("app"), []);
}
