//! Secrets are nowhere to be found, and would be found if they were somewhere.

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    certs::Authority,
    http::Request,
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::json;

/// An API with credentials of this type; empty URLs are left out.
fn api(target: &str, kind: &str, secret: &str, token_url: &str, csrf_url: &str) -> Entry {
    let mut credentials = serde_json::Map::new();
    credentials.insert("type".to_owned(), kind.into());
    credentials.insert("secretName".to_owned(), secret.into());
    if !token_url.is_empty() {
        credentials.insert("authenticationUrl".to_owned(), token_url.into());
    }
    if !csrf_url.is_empty() {
        credentials.insert("csrfInfo".to_owned(), json!({ "tokenEndpointURL": csrf_url }));
    }
    Entry::api(target).field("credentials", serde_json::Value::from(credentials))
}

#[test]
fn secrets_do_not_leak_and_a_planted_one_is_found() {
    let mut password = String::new();
    let mut bed = Bed::start(|seed| {
        password = seed.secret("password")?;
        let (client, header) = (seed.secret("client-secret")?, seed.secret("header")?);
        let (http, token) = (seed.double.url("http")?, seed.double.url("http")? + "/oauth/token");
        let app = Application::new("app")
            .service("basic", &[Entry::api(&http).basic("basic").parameters("custom")])
            .service("oauth", &[Entry::api(&http).oauth("oauth", &token)])
            .service("refused", &[Entry::api(&http).oauth("oauth", &format!("{http}/status/500"))]);
        let clients = Authority::new("Customers")?;
        let (caller, token_caller) = (clients.client("caller")?, clients.client("token-caller")?);
        seed.canary.add_key("client key", &caller.key_pem)?;
        seed.canary.add_key("token client key", &token_caller.key_pem)?;
        let https = seed.double.url_by_name("https", "api.example.test")?;
        let app = app
            .service(
                "certified",
                &[api(&https, "OAuthWithCert", "certified", &format!("{https}/oauth/certificate"), "")],
            )
            .service("certificate", &[api(&https, "CertificateGen", "certificate", "", "")])
            .service("session", &[api(&https, "Basic", "basic", "", &format!("{https}/csrf/token"))])
            .service(
                "certified session",
                &[api(
                    &https,
                    "CertificateGen",
                    "certificate",
                    "",
                    &format!("{https}/csrf/token/certificate"),
                )],
            );
        let headers = format!(r#"{{"X-Key": ["{header}"]}}"#);
        let query = format!(r#"{{"key": ["{header}"]}}"#);
        seed.put(
            "app.yaml",
            &[
                app.manifest(),
                secret("basic", &[("username", "user"), ("password", &password)]),
                secret("oauth", &[("clientId", "id"), ("clientSecret", &client)]),
                secret(
                    "certified",
                    &[
                        ("clientId", "id"),
                        ("crt", &token_caller.certificate_pem),
                        ("key", &token_caller.key_pem),
                    ],
                ),
                secret("certificate", &[("crt", &caller.certificate_pem), ("key", &caller.key_pem)]),
                secret("custom", &[("headers", &headers), ("queryParameters", &query)]),
            ],
        );
        // All that our module says. Envoy's own `router` and `http` print every header at `debug`, whoever set it.
        seed.components("wasm:trace");
        Ok(())
    })
    .unwrap();
    for service in ["basic", "oauth", "refused", "nothing"] {
        bed.manual(&Request::new("GET", format!("/app/{service}/x"))).unwrap();
    }
    // Each of the secrets was really used; the last two are rejected once and sent again.
    for (path, status) in [
        ("certified/guarded/x", 200),
        ("certificate/x", 200),
        ("session/csrf/guarded/x", 200),
        ("certified-session/csrf/guarded/x", 200),
    ] {
        let call = Request::new("GET", format!("/app/{path}"));
        bed.until(&call, |answer| answer.status == status).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    bed.double.revoke_tokens().unwrap();
    bed.double.revoke_sessions().unwrap();
    for path in ["certified/guarded/x", "session/csrf/guarded/x"] {
        let answer =
            bed.manual(&Request::new("GET", format!("/app/{path}"))).and_then(|answer| answer.expect(200));
        answer.unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    for (what, name) in [
        ("app/basic", "basic"),
        ("app/oauth", "OAuth"),
        ("app/refused", "refused"),
        ("app/certified", "OAuthWithCert"),
        ("app/certificate", "CertificateGen"),
        ("app/certified-session", "CSRF"),
    ] {
        let (_, text, errors) = bed.control.command(&["explain", what]).unwrap();
        assert!(!text.is_empty(), "{name}: {errors}");
        bed.canary.check(&[(format!("explain {what}"), [text, errors].concat().into_bytes())]).unwrap();
    }
    bed.resources().unwrap().text("broken.yaml", &format!("kind: Secret\nstringData: [{password}")).unwrap();
    wait::until("the broken file in the log", LIMIT, || {
        String::from_utf8_lossy(&bed.control.log()).contains("broken.yaml").then_some(())
    })
    .unwrap();
    bed.check().unwrap();

    // The positive control on the real thing: a caller puts the password where the access log shows it.
    let escaped = password.replace('/', "%2F").replace('+', "%2B");
    bed.manual(&Request::new("GET", format!("/app/nothing/{escaped}"))).unwrap();
    let found = wait::until("the planted leak", LIMIT, || bed.check().err()).unwrap().to_string();
    assert!(found.contains("password (URL-encoded plain) in access log egress.log"), "{found}");
    assert!(bed.finish().is_err());
}
