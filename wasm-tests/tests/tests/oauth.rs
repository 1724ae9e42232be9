//! OAuth client credentials (AG §8.3), against the double and against a real OAuth server.

use std::time::Duration;

use fairlead_testkit::{
    bed::Bed,
    http::Request,
    load::Load,
    oauth::OAuthServer,
    resources::{Application, Entry, secret},
};
use serde_json::json;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

#[test]
fn a_real_oauth_server_gives_the_token_that_opens_its_resource() {
    let mut server = None;
    let bed = Bed::start(|seed| {
        let client_secret = seed.secret("client-secret")?;
        let running = OAuthServer::start("client id", &client_secret, 600)?;
        let app = Application::new("real")
            .service("resource", &[Entry::api(&running.url()).oauth("oauth", &running.token_url())]);
        let oauth = secret("oauth", &[("clientId", "client id"), ("clientSecret", &client_secret)]);
        seed.put("real.yaml", &[app.manifest(), oauth]);
        server = Some(running);
        Ok(())
    })
    .unwrap();
    let server = server.unwrap();
    for _ in 0..20 {
        let answer = bed.manual(&get("/real/resource/protected")).unwrap();
        assert_eq!((answer.status, answer.text().trim()), (200, r#"{"client":"client id"}"#));
    }
    assert_eq!(server.issued().unwrap(), 1);
    bed.finish().unwrap();
}

#[test]
fn a_thousand_calls_on_a_cold_credential_are_one_token_request() {
    let bed = Bed::start(|seed| {
        let client_secret = seed.secret("client-secret")?;
        let http = seed.double.url("http")?;
        // Slow enough that all calls are there before the token is.
        seed.double.change(|settings| settings.token.delay_ms = 1000)?;
        let app = Application::new("cold").service(
            "svc",
            &[Entry::api(&format!("{http}/protected")).oauth("oauth", &format!("{http}/oauth/token"))],
        );
        let oauth = secret("oauth", &[("clientId", "id"), ("clientSecret", &client_secret)]);
        seed.put("cold.yaml", &[app.manifest(), oauth]);
        seed.configure(&json!({ "gateways": { "hold": "20s" } }));
        Ok(())
    })
    .unwrap();
    let report = Load::new(bed.manual_address(), 1000, &[get("/cold/svc/bearer")]).run(1000).unwrap();
    assert_eq!((report.failed(), report.statuses.get(&200)), (0, Some(&1000)), "{report:?}");
    assert_eq!(bed.double.counts().unwrap().token_requests, 1);
    let asked = &bed.double.recorded(&[("path", "/oauth/token")]).unwrap()[0];
    let mut names: Vec<String> = asked.sorted_headers().into_iter().map(|(name, _)| name).collect();
    names.retain(|name| {
        !matches!(name.as_str(), "host" | "content-length" | "authorization" | "content-type")
    });
    assert!(names.iter().all(|name| matches!(name.as_str(), "accept" | "accept-encoding")), "{names:?}");
    bed.finish().unwrap();
}

#[test]
fn a_token_is_refreshed_ahead_of_its_end() {
    let bed = Bed::start(|seed| {
        let client_secret = seed.secret("client-secret")?;
        let http = seed.double.url("http")?;
        seed.double.change(|settings| settings.token.expires_in = Some(5))?;
        let app = Application::new("short").service(
            "svc",
            &[Entry::api(&format!("{http}/protected")).oauth("oauth", &format!("{http}/oauth/token"))],
        );
        let oauth = secret("oauth", &[("clientId", "id"), ("clientSecret", &client_secret)]);
        seed.put("short.yaml", &[app.manifest(), oauth]);
        Ok(())
    })
    .unwrap();
    assert_eq!(bed.manual(&get("/short/svc/bearer")).unwrap().status, 200);
    // From now on a token takes long: whoever waited for one would be seen.
    bed.double.change(|settings| settings.token.delay_ms = 500).unwrap();
    let load = Load::new(bed.manual_address(), 4, &[get("/short/svc/bearer")]).rate(200);
    let report = load.run_for(Duration::from_secs(8)).unwrap();
    assert_eq!(
        (report.failed(), report.statuses.keys().copied().collect::<Vec<_>>()),
        (0, vec![200]),
        "{report:?}"
    );
    assert!(report.percentile(1.0) < Duration::from_millis(400), "{:?}", report.percentile(1.0));
    assert!(bed.double.counts().unwrap().tokens >= 2);
    bed.finish().unwrap();
}
