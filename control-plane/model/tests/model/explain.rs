//! `fairlead explain`.

use fairlead_cases::cover;
use fairlead_model::{Forward, Verdict};
use serde_json::json;

use crate::support::{World, application, secret, service};

fn world() -> World {
    let mut world = World::new();
    world.put(secret("s", json!({"username": "u", "password": "word"})));
    world.put(secret(
        "p",
        json!({"headers": r#"{"X-Key": ["word"]}"#, "queryParameters": r#"{"q": ["word"]}"#}),
    ));
    let entry = json!({"type": "API", "name": "v1", "targetUrl": "https://t.example/base?x=1",
        "requestParametersSecretName": "p", "credentials": {"type": "Basic", "secretName": "s"}});
    let plain = |name| json!({"type": "API", "name": name, "targetUrl": "http://t.example"});
    world.apply(application(
        "erp",
        json!({"services": [service("Orders", json!([entry])), service("two", json!([plain("a"), plain("b")]))]}),
    ));
    world
}

#[test]
fn a_call_that_goes_out_is_shown_without_secrets() {
    let world = world();
    for path in ["erp/orders", "/erp/orders/", "erp/orders/v1", "erp/orders/v1/some/path"] {
        let explanation = world.index.explain(path);
        assert_eq!(explanation.matched.as_deref(), Some("erp/orders/v1"));
        let Verdict::Forward(forward) = &explanation.verdict else { panic!("{explanation}") };
        let Forward { target, credential, secrets, headers, query_parameters, .. } = &**forward;
        assert_eq!(
            (target.as_str(), credential.as_str()),
            ("https://t.example/base?x=1", "Authorization: Basic [redacted]")
        );
        assert_eq!((headers, query_parameters), (&vec!["x-key".to_owned()], &vec!["q".to_owned()]));
        assert_eq!(secrets, &["kyma-system/s", "kyma-system/p"]);
        let shown = format!("{explanation}{explanation:?}{}", serde_json::to_string(&explanation).unwrap());
        assert!(!shown.contains("word"), "{shown}");
        assert!(shown.contains("transport    system (fairlead.t."), "{shown}");
    }
}

#[test]
fn a_call_that_is_refused_is_shown_as_its_answer() {
    cover("AG-14-r01");
    cover("AG-14-r02");
    cover("AG-14-r03");
    let world = world();
    for (path, status, text, hint) in [
        ("erp", 400, "failed to extract API Identifier from path", None),
        ("nobody/x", 404, "service with name x not found", None),
        ("erp/Orders", 404, "service with name Orders not found", Some("erp/orders")),
        ("erp/orders/V1", 404, "service with name orders and entry name V1 not found", Some("erp/orders/v1")),
        ("erp/two", 400, "failed to get service with name 'two': multiple services found: ", None),
    ] {
        let explanation = world.index.explain(path);
        let Verdict::Refuse { status: got, body, .. } = &explanation.verdict else { panic!("{explanation}") };
        assert_eq!(*got, status, "{path}");
        assert!(body.starts_with(&format!("{{\"code\":{status},\"error\":\"{text}")), "{body}");
        assert_eq!(explanation.did_you_mean.as_deref(), hint);
        assert!(explanation.to_string().contains(&status.to_string()));
    }
}

#[test]
fn what_a_call_shows_and_where_its_tokens_come_from_is_shown_without_secrets() {
    let (crt, key) = crate::certificates::P256;
    let mut world = World::new();
    world.put(secret("s", json!({"crt": crt, "key": key, "clientId": "word"})));
    let entry = |name: &str, kind: &str| {
        json!({"type": "API", "name": name, "targetUrl": "https://t.example", "credentials": {"type": kind, "secretName": "s",
            "authenticationUrl": "https://token.example/t?key=word",
            "csrfInfo": {"tokenEndpointURL": "https://csrf.example/?key=word"}}})
    };
    let fairlead = json!({"proxy": "http://proxy.example:3128", "concurrency": 7, "timeouts": {"idle": "1m"},
        "replay": {"maxRequestBytes": 9}});
    let services =
        json!([service("svc", json!([entry("a", "OAuthWithCert"), entry("b", "CertificateGen")]))]);
    world.apply(application("erp", json!({"fairlead": fairlead, "services": services})));
    for (path, certificate) in [
        (
            "erp/svc/a",
            "credential   Authorization: Bearer [redacted], a token from https://token.example/t (system, through proxy.example:3128, with the certificate ",
        ),
        ("erp/svc/b", "certificate  "),
    ] {
        let explanation = world.index.explain(path);
        let text = explanation.to_string();
        assert!(text.contains(certificate), "{text}");
        for line in [
            "csrf         a token from https://csrf.example/ (system, through proxy.example:3128)",
            "proxy        proxy.example:3128",
            "idle         2m",
            "concurrency  7 in one worker",
            "replay       with bodies up to 9 bytes",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        let shown = format!("{text}{explanation:?}{}", serde_json::to_string(&explanation).unwrap());
        assert!(
            !shown.contains("word") && !shown.contains("PRIVATE") && shown.contains(" until 21"),
            "{shown}"
        );
    }
}
