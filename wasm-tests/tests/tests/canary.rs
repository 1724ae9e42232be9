//! Secrets are nowhere to be found, and would be found if they were somewhere.

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    http::Request,
    resources::{Application, Entry, secret},
    wait,
};

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
        let headers = format!(r#"{{"X-Key": ["{header}"]}}"#);
        let query = format!(r#"{{"key": ["{header}"]}}"#);
        seed.put(
            "app.yaml",
            &[
                app.manifest(),
                secret("basic", &[("username", "user"), ("password", &password)]),
                secret("oauth", &[("clientId", "id"), ("clientSecret", &client)]),
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
    for (what, name) in [("app/basic", "basic"), ("app/oauth", "OAuth"), ("app/refused", "refused")] {
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
