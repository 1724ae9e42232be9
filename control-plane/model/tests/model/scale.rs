//! One change costs one Application. Times are asserted in release builds only: `cargo test --release -p fairlead-model scale -- --nocapture`.

use std::time::{Duration, Instant};

use fairlead_model::{Index, Installation};
use fairlead_resources::Object;
use serde_json::{Value, json};

use crate::support::{application, secret, service};

fn app(number: usize, host: &str) -> Value {
    let entry = |kind: &str| {
        json!([{"type": "API", "name": "v1", "targetUrl": format!("https://{host}-{number}.example/base"),
            "credentials": {"type": kind, "secretName": format!("s-{number}"), "authenticationUrl": "https://token.example/t"},
            "requestParametersSecretName": format!("s-{number}")}])
    };
    let services = json!([
        service("One", entry("Basic")),
        service("Two", entry("OAuth")),
        service("Three", entry("CertificateGen"))
    ]);
    application(&format!("app-{number}"), json!({"services": services}))
}

fn read(manifest: Value) -> Object {
    Object::from_json(manifest, "1").unwrap()
}

#[test]
fn one_change_among_many_applications() {
    let many = if cfg!(debug_assertions) { 200 } else { 10_000 };
    // The two usual kinds of certificate, one after the other.
    let values = |number: usize| {
        let (crt, key) =
            if number.is_multiple_of(2) { crate::certificates::RSA } else { crate::certificates::P256 };
        json!({"username": "u", "password": "p", "clientId": "i", "clientSecret": "s", "crt": crt, "key": key,
        "headers": r#"{"X-Tenant": ["blue"]}"#, "queryParameters": r#"{"sap-client": ["100"]}"#})
    };
    let objects: Vec<Object> = (0..many)
        .flat_map(|number| [app(number, "t"), secret(&format!("s-{number}"), values(number))])
        .map(read)
        .collect();
    let mut index = Index::new(&Installation::default());
    let start = Instant::now();
    objects.into_iter().for_each(|object| index.apply(object));
    let changes = index.changes();
    let full = start.elapsed();
    assert_eq!((changes.egress.len(), changes.ingress.len(), changes.grants.len()), (3 * many, many, many));
    assert_eq!((changes.profiles.added.len(), changes.problems.len()), (3, 0), "two certificates, and none");

    let object = read(app(7, "changed"));
    let start = Instant::now();
    index.apply(object);
    let changes = index.changes();
    let one = start.elapsed();
    assert_eq!((changes.egress.len(), changes.ingress.len(), changes.grants.len()), (3, 0, 0));

    let (crt, key) = crate::certificates::P256;
    let object = read(secret("s-9", json!({"username": "new", "crt": crt, "key": key})));
    let start = Instant::now();
    index.apply(object);
    let changes = index.changes();
    let rotated = start.elapsed();
    assert_eq!(changes.egress.len(), 3, "version 1 again, so the grant's id stays, but its parameters went");

    println!(
        "{many} applications × 3 services: all {full:?}, one application {one:?}, one secret {rotated:?}"
    );
    if !cfg!(debug_assertions) {
        assert!(full <= Duration::from_secs(1), "{full:?}");
        assert!(one.max(rotated) <= Duration::from_millis(5), "{one:?} {rotated:?}");
    }
}
