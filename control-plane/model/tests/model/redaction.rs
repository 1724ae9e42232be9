//! A canary in every value of every Secret: it is in the records and grants that need it, and nowhere else.

use serde_json::json;

use crate::support::{World, application, secret, service};

const CANARY: &str = "c4n4ry";
/// Base64 of a part of the canary at each of the three offsets.
const SPELLINGS: &[&str] = &[CANARY, "YzRuNHJ5", "M0bjRye", "NG40cn"];

fn assert_absent(what: &str, text: &str) {
    for spelling in SPELLINGS {
        assert!(!text.contains(spelling), "{what} shows {spelling}: {text}");
    }
}

#[test]
fn secrets_are_in_records_and_grants_only() {
    let good = json!({"headers": format!(r#"{{"x": ["{CANARY}"]}}"#), "queryParameters": format!(r#"{{"q": ["{CANARY}"]}}"#),
        "username": CANARY, "password": CANARY, "clientId": CANARY, "clientSecret": CANARY, "ca.crt": CANARY});
    let bad = json!({"headers": format!(r#"{{"x": "{CANARY}"}}"#), "queryParameters": CANARY,
        "ca.crt": format!("-----BEGIN CERTIFICATE-----\n{CANARY}\n-----END CERTIFICATE-----"), "tls.ca": CANARY});
    let mut world = World::new();
    world.put(secret("good", good));
    world.put(secret("bad", bad));
    let mut entries = Vec::new();
    for (i, kind) in ["Basic", "OAuth", "OAuthWithCert", "CertificateGen", "Other"].iter().enumerate() {
        for (j, name) in ["good", "bad", "missing"].iter().enumerate() {
            for parameters in ["good", "bad"] {
                entries.push(json!({"type": "API", "name": format!("{i}-{j}-{parameters}"),
                    "targetUrl": format!("https://{CANARY}:{CANARY}@t.example/"), "requestParametersSecretName": parameters,
                    "credentials": {"type": kind, "secretName": name, "authenticationUrl": "https://token.example"}}));
            }
        }
    }
    let services = json!([service("svc", json!(entries))]);
    for (name, fairlead) in [("app", json!({})), ("ca", json!({"caSecretName": "bad"}))] {
        world.put(application(name, json!({"fairlead": fairlead, "services": services})));
    }
    let changes = world.settle();
    let sent = serde_json::to_string(&world.egress).unwrap();
    assert!(sent.contains(CANARY), "positive control: the records hold header values");

    assert_absent("Debug of the changes", &format!("{changes:?}"));
    assert_absent("the ingress view", &serde_json::to_string(&world.ingress).unwrap());
    for (key, record) in &world.egress {
        let shown = world.index.explain(key);
        assert_absent(
            "an explanation",
            &format!("{shown} {shown:?} {}", serde_json::to_string(&shown).unwrap()),
        );
        if let fairlead_wire::feed::EgressOutcome::Refusal(refusal) = &record.outcome {
            assert_absent("a refusal", &refusal.body);
        }
    }
    for name in ["app", "ca"] {
        let problems = world.index.problems(name);
        assert!(problems.len() > 10, "{problems:?}");
        assert_absent("problems", &format!("{problems:?} {}", serde_json::to_string(problems).unwrap()));
        for problem in problems {
            assert_absent("a problem", &problem.to_string());
        }
    }
    assert!(changes.grants.iter().any(|(_, grant)| grant.is_some()));
    for application in world.index.applications() {
        assert_absent("an overview", &format!("{application:?}"));
    }
}
