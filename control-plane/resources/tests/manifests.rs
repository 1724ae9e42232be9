//! Manifests as people write them → objects, or errors that say which field and why.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "tests; helpers included")]
#![allow(clippy::needless_pass_by_value, reason = "json!(…) is written where it is used")]

use fairlead_resources::{
    Object, ObjectError, ObjectRef,
    application::{Callers, EntryType, Sink},
};
use serde_json::{Value, json};

fn application(spec: Value) -> Value {
    json!({
        "apiVersion": "applicationconnector.kyma-project.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop"},
        "spec": spec,
    })
}

fn service(change: impl Fn(&mut Value)) -> Value {
    let mut service = json!({
        "id": "i", "name": "n", "displayName": "d", "providerDisplayName": "p", "description": "x",
        "entries": [{"type": "API"}],
    });
    change(&mut service);
    application(json!({"services": [service]}))
}

fn secret(metadata: Value, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data})
}

fn read(manifest: Value) -> Result<Object, ObjectError> {
    Object::from_json(manifest, "7")
}

fn spec(manifest: Value) -> fairlead_resources::Spec {
    match read(manifest) {
        Ok(Object::Application(application)) => application.spec,
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_fields_and_nulls_are_dropped_and_defaults_filled_in() {
    let mut manifest = service(|service| {
        service["surprise"] = json!(1);
        service["labels"] = json!(null);
        service["entries"][0]["targetUrl"] = json!(null);
    });
    manifest["spec"]["description"] = json!(null);
    manifest["spec"]["somethingNew"] = json!({"a": 1});
    manifest["status"] = json!({"installationStatus": {"status": "x"}});
    let spec = spec(manifest);
    assert!(spec.encode_url && !spec.skip_verify);
    let entry = &spec.services[0].entries[0];
    assert_eq!((entry.kind, entry.name.as_str(), entry.target_url.as_str()), (EntryType::Api, "", ""));
}

#[test]
fn an_application_without_spec_is_valid() {
    let mut manifest = application(json!(null));
    assert_eq!(spec(manifest.clone()).services, []);
    manifest.as_object_mut().unwrap().remove("spec");
    assert_eq!(spec(manifest).services, []);
}

#[test]
fn what_the_schema_demands_is_demanded() {
    for (manifest, field, reason) in [
        (application(json!({"services": 1})), "spec.services", "expected a sequence"),
        (application(json!({"skipVerify": "yes"})), "spec.skipVerify", "expected a boolean"),
        (
            service(|s| drop(s.as_object_mut().unwrap().remove("id"))),
            "spec.services[0]",
            "missing field `id`",
        ),
        (
            service(|s| s["entries"][0]["type"] = json!("Api")),
            "spec.services[0].entries[0].type",
            "expected `API` or `Events`",
        ),
        (
            service(|s| s["entries"][0]["credentials"] = json!({"type": "Basic"})),
            "spec.services[0].entries[0].credentials",
            "missing field `secretName`",
        ),
        (
            application(json!({"compassMetadata": {}})),
            "spec.compassMetadata",
            "missing field `authentication`",
        ),
        (
            application(json!({"fairlead": {"caSecret": "x"}})),
            "spec.fairlead.caSecret",
            "unknown field `caSecret`",
        ),
        (
            application(json!({"fairlead": {"timeouts": {"headers": "10"}}})),
            "spec.fairlead.timeouts.headers",
            "10s",
        ),
        (
            application(json!({"fairlead": {"callers": "some"}})),
            "spec.fairlead.callers",
            "`any`, `mapped` or a list of namespaces",
        ),
        (
            application(json!({"fairlead": {"callers": ["shop", "Shop"]}})),
            "spec.fairlead.callers",
            "name of a namespace",
        ),
        (application(json!({"fairlead": {"concurrency": -1}})), "spec.fairlead.concurrency", "u32"),
        (application(json!({"fairlead": {"sink": {"kafka": "x"}}})), "spec.fairlead.sink", "publisher"),
        (json!({"kind": "Application"}), "manifest", "missing field `apiVersion`"),
        (json!([]), "manifest", ""),
        (json!("text"), "manifest", ""),
    ] {
        let error = read(manifest).unwrap_err();
        assert!(error.field == field && error.reason.contains(reason), "{field}, {reason}: {error}");
    }
}

#[test]
fn names_are_dns_subdomains() {
    for name in ["Shop", "a/b", "..", "", "a_b"] {
        let mut manifest = application(json!({}));
        manifest["metadata"]["name"] = json!(name);
        assert_eq!(read(manifest).unwrap_err().field, "metadata.name", "{name}");
        assert_eq!(
            read(secret(json!({"name": name, "namespace": "n"}), json!({}))).unwrap_err().field,
            "metadata.name"
        );
    }
}

#[test]
fn additions_are_read() {
    let fairlead = spec(application(json!({"fairlead": {
        "caSecretName": "ca", "timeouts": {"headers": "1m", "idle": "0s"}, "callers": ["a", "b"],
        "replay": {"enabled": false, "maxRequestBytes": 10}, "concurrency": 3, "sink": {"nats": "s"}, "proxy": "http://p",
    }})))
    .fairlead
    .unwrap();
    assert_eq!(fairlead.callers, Some(Callers::Namespaces(vec!["a".to_owned(), "b".to_owned()])));
    assert_eq!(fairlead.sink, Some(Sink::Nats("s".to_owned())));
    assert_eq!(fairlead.timeouts.unwrap().headers.unwrap().millis(), 60_000);
    for (word, callers) in [("any", Callers::Any), ("mapped", Callers::Mapped)] {
        let fairlead = spec(application(json!({"fairlead": {"callers": word}}))).fairlead.unwrap();
        assert_eq!(serde_json::to_value(&fairlead.callers).unwrap(), json!(word));
        assert_eq!(fairlead.callers, Some(callers));
    }
}

#[test]
fn an_application_survives_being_written() {
    let first = spec(service(|service| service["labels"] = json!({"a": "b"})));
    let again = spec(application(serde_json::to_value(&first).unwrap()));
    assert_eq!(first, again);
}

#[test]
fn secrets_are_decoded_and_string_data_wins() {
    let mut manifest =
        secret(json!({"name": "s", "namespace": "n"}), json!({"a": "eA==", "b": "eA=\n=", "bin": "/w=="}));
    manifest["stringData"] = json!({"b": "plain"});
    let Ok(Object::Secret(secret)) = read(manifest) else { panic!() };
    assert_eq!(secret.get("a"), Some(&b"x"[..]));
    assert_eq!(secret.get("b"), Some(&b"plain"[..]));
    assert_eq!(secret.get("bin"), Some(&[0xff][..]));
    assert_eq!(secret.get("c"), None);
    assert_eq!((secret.version.as_str(), secret.keys().count()), ("7", 3));
    let shown = format!("{secret:?}");
    assert!(!shown.contains("plain") && !shown.contains("120"), "{shown}");
}

#[test]
fn a_bad_secret_names_its_key_and_shows_no_value() {
    let place = json!({"name": "s", "namespace": "n"});
    for (manifest, field, reason) in [
        (
            secret(place.clone(), json!({"password": "my-c4n4ry"})),
            "data.password",
            "move the plain text to stringData",
        ),
        (secret(place.clone(), json!({"password": {"c4n4ry": 1}})), "data.password", "expected a string"),
        (secret(place.clone(), json!("c4n4ry")), "data", "expected a map"),
        (secret(place, json!({"port": 8080})), "data.port", "expected a string"),
        (secret(json!({"name": "s"}), json!({})), "metadata.namespace", "say where the Secret lives"),
    ] {
        let error = read(manifest).unwrap_err();
        assert!(error.field == field && error.reason.contains(reason), "{error}");
        assert!(!error.to_string().contains("c4n4ry") && !error.to_string().contains("8080"), "{error}");
    }
}

#[test]
fn other_kinds_are_recognised_and_left_alone() {
    for (api_version, kind) in [
        ("applicationconnector.kyma-project.io/v1alpha1", "TokenRequest"),
        ("applicationconnector.kyma-project.io/v1alpha1", "ApplicationMapping"),
        ("v1", "ConfigMap"),
        ("elsewhere/v1", "Application"),
    ] {
        let manifest =
            json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": "n"}});
        let object = read(manifest).unwrap();
        assert!(matches!(object, Object::Other(_)));
        assert_eq!(object.reference().to_string(), format!("{kind} n/x"));
    }
    let reference = read(application(json!({}))).unwrap().reference();
    assert_eq!(reference, ObjectRef::Application("shop".to_owned()));
    assert_eq!(reference.to_string(), "Application shop");
}
