//! A change that breaks a Secret keeps the last good state; a deleted Secret revokes.

use fairlead_model::Effect;
use fairlead_resources::ObjectRef;
use fairlead_wire::{Reason, feed::Credential};
use serde_json::{Value, json};

use crate::support::{World, one, secret};

const KEY: &str = "app/svc/api";
const FIELD: &str = "spec.services[0].entries[0].credentials.secretName";

fn basic(url: &str, secret: &str) -> Value {
    one(json!({"targetUrl": url, "credentials": {"type": "Basic", "secretName": secret}}))
}

/// `app` with Secret `first`, then changed to refer to `second`, which does not exist.
fn broken() -> World {
    let mut world = World::new();
    world.put(secret("first", json!({"username": "a"})));
    world.apply(basic("http://t.example", "first"));
    let changes = world.apply(basic("http://new.example", "second"));
    assert!(changes.egress.is_empty(), "{changes:?}");
    assert_eq!(changes.problems, ["app"]);
    world
}

#[test]
fn the_whole_entry_stays_and_it_is_told() {
    let mut world = broken();
    assert_eq!(world.route(KEY).authority, "t.example");
    assert_eq!(world.problems("app"), [(FIELD, Reason::SecretMissing, Effect::LastGood)]);
    world.apply(basic("http://newer.example", "second"));
    assert_eq!(world.route(KEY).authority, "t.example", "again and again");
    world.apply(secret("second", json!({"username": "b"})));
    assert_eq!(world.route(KEY).authority, "newer.example");
    assert_eq!(world.route(KEY).credential, Credential::Static("Basic Yjo=".to_owned()));
    assert_eq!(world.index.problems("app"), []);
}

#[test]
fn what_stays_is_revoked_with_its_secret() {
    let mut world = broken();
    world.delete_secret("kyma-system", "first");
    assert_eq!(world.refusal(KEY).reason, Reason::SecretMissing);
    assert_eq!(world.problems("app"), [(FIELD, Reason::SecretMissing, Effect::Refused)]);
    world.apply(secret("first", json!({"username": "a"})));
    assert_eq!(world.refusal(KEY).reason, Reason::SecretMissing, "it is not referred to any longer");
}

fn release(world: &mut World, name: &str) {
    world.index.release(&ObjectRef::Secret { namespace: "kyma-system".to_owned(), name: name.to_owned() });
}

#[test]
fn a_released_secret_is_forgotten_and_revokes_nothing() {
    let mut world = World::new();
    world.put(secret("first", json!({"username": "a"})));
    world.put(secret("second", json!({"username": "b"})));
    world.apply(basic("http://t.example", "first"));
    world.put(basic("http://t.example", "second"));
    release(&mut world, "first");
    world.settle();
    assert_eq!(world.route(KEY).credential, Credential::Static("Basic Yjo=".to_owned()));
    world.apply(basic("http://new.example", "first"));
    assert_eq!(world.problems("app"), [(FIELD, Reason::SecretMissing, Effect::LastGood)], "it is not here");
    assert_eq!(world.route(KEY).authority, "t.example");
}

#[test]
fn a_released_secret_goes_with_the_last_good_state_that_holds_it() {
    let mut world = broken();
    release(&mut world, "first");
    assert!(world.settle().is_empty());
    assert_eq!(world.route(KEY).authority, "t.example", "the last good state stays");
    world.apply(secret("second", json!({})));
    assert_eq!(world.route(KEY).authority, "new.example");
    world.apply(basic("http://newer.example", "first"));
    assert_eq!(world.problems("app"), [(FIELD, Reason::SecretMissing, Effect::LastGood)], "it is not here");
    let mut world = broken();
    release(&mut world, "first");
    world.delete_secret("kyma-system", "first");
    assert_eq!(world.refusal(KEY).reason, Reason::SecretMissing, "a deletion still revokes");
}

#[test]
fn a_released_secret_that_is_told_again_stays() {
    let mut world = World::new();
    world.put(secret("first", json!({"username": "a"})));
    release(&mut world, "first");
    world.put(secret("first", json!({"username": "b"})));
    world.settle();
    world.apply(basic("http://t.example", "first"));
    assert_eq!(world.route(KEY).credential, Credential::Static("Basic Yjo=".to_owned()));
}

#[test]
fn a_deleted_secret_is_effective_at_once() {
    let mut world = World::new();
    world.put(secret("first", json!({})));
    world.apply(basic("http://t.example", "first"));
    let changes = world.delete_secret("kyma-system", "first");
    assert_eq!(changes.egress.len(), 1);
    assert_eq!(world.refusal(KEY).reason, Reason::SecretMissing);
    world.apply(basic("http://other.example", "first"));
    assert_eq!(world.refusal(KEY).reason, Reason::SecretMissing, "nothing comes back");
    assert_eq!(changes.profiles.unused.len(), 1);
}

#[test]
fn a_secret_that_is_replaced_between_two_compilations_is_no_interruption() {
    let mut world = World::new();
    world.put(secret("first", json!({"username": "a"})));
    world.apply(basic("http://t.example", "first"));
    world.index.delete(&ObjectRef::Secret { namespace: "kyma-system".to_owned(), name: "first".to_owned() });
    world.put(secret("first", json!({"username": "b"})));
    assert_eq!(world.settle().egress.len(), 1);
    assert_eq!(world.route(KEY).credential, Credential::Static("Basic Yjo=".to_owned()));
}

#[test]
fn a_secret_edited_into_nonsense_keeps_the_last_good_state() {
    let mut world = World::new();
    let entry = json!({"targetUrl": "http://t.example", "requestParametersSecretName": "p"});
    world.put(secret("p", json!({"headers": r#"{"a": ["1"]}"#})));
    world.apply(one(entry));
    assert!(world.apply(secret("p", json!({"headers": "{"}))).egress.is_empty());
    let field = "spec.services[0].entries[0].requestParametersSecretName";
    assert_eq!(world.problems("app"), [(field, Reason::SecretInvalid, Effect::LastGood)]);
    world.delete_secret("kyma-system", "p");
    assert_eq!(world.refusal(KEY).reason, Reason::SecretMissing);
}

#[test]
fn an_application_that_was_deleted_has_no_last_good_state() {
    let mut world = World::new();
    world.apply(one(json!({"targetUrl": "http://t.example"})));
    world.index.delete(&ObjectRef::Application("app".to_owned()));
    world.apply(basic("http://t.example", "missing"));
    assert_eq!(world.refusal(KEY).reason, Reason::SecretMissing);
}

#[test]
fn what_is_wrong_without_a_secret_is_effective_at_once() {
    let mut world = World::new();
    world.apply(one(json!({"targetUrl": "http://t.example"})));
    world.apply(one(json!({"targetUrl": "ftp://t.example"})));
    assert_eq!(world.refusal(KEY).reason, Reason::TargetUnsupported);
}
