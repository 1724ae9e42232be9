//! The samples compile to what their comments say.

use fairlead_model::Verdict;
use fairlead_wire::{Reason, feed::Credential};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::support::{World, secret};

const SAMPLES: &[&str] = &[
    include_str!("../../../../istio/samples/erp.yaml"),
    include_str!("../../../../istio/samples/webshop.yaml"),
    include_str!("../../../../istio/samples/certificates.yaml"),
    include_str!("../../../../istio/samples/csrf.yaml"),
    include_str!("../../../../istio/samples/limits.yaml"),
    include_str!("../../../../istio/samples/broken.yaml"),
    include_str!("../../../../istio/samples/secrets.yaml"),
];

fn world() -> World {
    let mut world = World::new();
    for document in SAMPLES.iter().flat_map(|text| yaml_serde::Deserializer::from_str(text)) {
        world.put(Value::deserialize(document).unwrap());
    }
    // Certificates are made when the samples are started.
    let pem = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    world.put(secret("erp-ca", json!({"ca.crt": pem})));
    let (crt, key) = crate::certificates::P256;
    world.put(secret("client-certificate", json!({"clientId": "fairlead", "crt": crt, "key": key})));
    world.settle();
    world
}

#[test]
fn what_works_works_and_what_is_broken_is_refused() {
    let world = world();
    for application in ["erp", "webshop", "bank", "insurance", "crm", "weather"] {
        assert_eq!(world.index.problems(application), []);
    }
    assert!(matches!(world.route("erp/orders/v1").credential, Credential::Static(_)));
    assert!(matches!(world.route("erp/invoices/v1").credential, Credential::Grant(_)));
    assert_eq!(world.route("erp/product-catalogue/v1").headers.len(), 3);
    assert_eq!(world.route("webshop/commerce/price-lists").authority, "webshop.example.test:28080");
    assert_eq!(world.ingress["webshop"].common_names, ["webshop-client-1", "webshop-client-2"]);
    assert_eq!(world.refusal("broken/no-secret/v1").reason, Reason::SecretMissing);
    assert_eq!(world.refusal("broken/twin").reason, Reason::Ambiguous);
    assert_eq!(world.index.problems("broken").len(), 2);
    let overview: Vec<_> =
        world.index.applications().map(|o| (o.name, o.services, o.callable, o.refused)).collect();
    assert_eq!(
        overview,
        [
            ("bank", 1, 1, 0),
            ("broken", 3, 2, 1),
            ("crm", 1, 1, 0),
            ("erp", 4, 4, 0),
            ("insurance", 1, 1, 0),
            ("weather", 1, 1, 0),
            ("webshop", 1, 2, 0),
        ]
    );
    assert_eq!(world.route("bank/payments/v1").credential, Credential::None);
    assert!(matches!(world.route("insurance/claims/v1").credential, Credential::Grant(_)));
    assert!(world.route("crm/contacts/v1").csrf.is_some());
    assert_eq!(world.route("weather/forecast/v1").headers_timeout_ms, Some(500));
    assert!(matches!(world.index.explain("erp/orders").verdict, Verdict::Forward(_)));
}
