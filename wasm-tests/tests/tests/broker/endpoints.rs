//! Endpoints that refuse, fail, hang or are behind something.

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    certs::{Authority, Identity},
    load::Load,
    oauth::OAuthServer,
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_wire::{header::REASON, refusal::error_body};
use serde_json::{Value, json};

use crate::{HOST, calls, certificate, credentials, get, plain, token_requests};

#[test]
fn callers_cannot_make_the_broker_hammer_an_endpoint() {
    let bed = Bed::start(|seed| {
        seed.configure(&json!({ "grants": { "backOff": "3s", "maxBackOff": "3s" } }));
        plain(seed, &["refused", "failing"], "/protected/bearer")
    })
    .unwrap();
    for (service, status_code) in [("refused", 401), ("failing", 503)] {
        let path = format!("/app/{service}/x");
        bed.double.change(|settings| settings.token.status = Some(status_code)).unwrap();
        bed.until(&get(&path), |answer| answer.status == 502).unwrap();
        let before = token_requests(&bed);
        assert_eq!(calls(&bed, &path, 50, 1_000).wrong, 1_000);
        let tries = token_requests(&bed) - before;
        assert!(tries <= 5, "{tries} token requests of 1000 calls for {status_code}");
        let answer = bed.manual(&get(&path)).unwrap();
        assert_eq!((answer.status, answer.header(REASON)), (502, vec!["token_endpoint_status".to_owned()]));
        let retry_after = answer.header("retry-after");
        assert!(matches!(&retry_after[..], [one] if (1..=4).contains(&one.parse().unwrap())), "{answer:?}");
        assert!(
            answer.text().contains(&format!("incorrect response code '{status_code}'")),
            "{}",
            answer.text()
        );
        let told = || {
            let (_, status, _) = bed.control.command(&["status"]).unwrap();
            status.contains("no grant can be had with Secret kyma-system/oauth since ")
                && status.contains(&format!("incorrect response code '{status_code}'"))
        };
        wait::until("the condition", LIMIT, || told().then_some(())).unwrap();
        // When it is well again, so are calls.
        bed.double.change(|settings| settings.token.status = None).unwrap();
        bed.until(&get(&path), |answer| answer.status == 200).unwrap();
        assert_eq!(calls(&bed, &path, 50, 100).wrong, 0);
    }
    bed.finish().unwrap();
}

#[test]
fn an_endpoint_that_is_down_is_asked_by_one_grant_for_all() {
    let services: Vec<String> = (0..60).map(|number| format!("svc-{number}")).collect();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    let bed = Bed::start(|seed| {
        seed.configure(&json!({ "grants": { "breakerOpen": "3s", "maxBreakerOpen": "3s" } }));
        plain(seed, &services, "/protected/bearer")
    })
    .unwrap();
    bed.double.change(|settings| settings.token.status = Some(503)).unwrap();
    bed.until(&get("/app/svc-0/x"), |answer| answer.status == 502).unwrap();
    let mut limited = 0;
    for service in &services {
        let answer = bed.manual(&get(&format!("/app/{service}/x"))).unwrap();
        assert_eq!(answer.status, 502, "{service}");
        if answer.header(REASON) == ["token_endpoint_limited"] {
            assert_eq!(answer.header("retry-after").len(), 1, "{answer:?}");
            limited += 1;
        }
    }
    assert!(limited >= 45 && token_requests(&bed) <= 15, "{limited}, {} asked", token_requests(&bed));
    let shut = |count: u8| {
        let metrics = bed.control.metrics().unwrap().text();
        metrics.contains(&format!("fairlead_control_grant_endpoints_shut {count}"))
    };
    assert!(shut(1));
    bed.double.change(|settings| settings.token.status = None).unwrap();
    bed.until(&get("/app/svc-59/x"), |answer| answer.status == 200).unwrap();
    for service in &services {
        bed.until(&get(&format!("/app/{service}/x")), |answer| answer.status == 200).unwrap();
    }
    assert!(shut(0));
    bed.finish().unwrap();
}

#[test]
fn slow_and_flapping_endpoints_cost_nothing_while_a_grant_is_good() {
    let bed = Bed::start(|seed| {
        seed.configure(&json!({ "grants": { "timeout": "1s" } }));
        plain(seed, &["svc", "slow"], "/protected/bearer")
    })
    .unwrap();
    // Usable for 6 s, fetched anew after 4.2 to 4.8 s; that fails, and the try after it does not.
    let flapping = |settings: &mut fairlead_testkit::external::settings::Settings| {
        settings.token.expires_in = Some(8);
        settings.token.flapping = vec![200, 503];
    };
    bed.double.change(flapping).unwrap();
    bed.until(&get("/app/svc/x"), |answer| answer.status == 200).unwrap();
    let load = Load::new(bed.manual_address(), 8, &[get("/app/svc/x")]).judge(|status, _| status == 200);
    let running = load.rate(200).background().unwrap();
    wait::until("a third token request", LIMIT, || (token_requests(&bed) >= 3).then_some(())).unwrap();
    let report = running.stop().unwrap();
    assert!(report.answers() > 0 && (report.wrong, report.failed()) == (0, 0), "{report:?}");
    // One that does not answer in time is a failure as any other.
    bed.double.change(|settings| settings.token.delay_ms = 3_000).unwrap();
    let answer = bed.manual(&get("/app/slow/x")).unwrap();
    assert_eq!((answer.status, answer.header(REASON)), (502, vec!["token_endpoint_unreachable".to_owned()]));
    assert!(answer.text().contains("timed out"), "{}", answer.text());
    bed.finish().unwrap();
}

#[test]
fn token_endpoints_are_reached_through_the_proxy_of_the_application() {
    let bed = Bed::start(|seed| {
        let proxy = format!("http://{}", seed.double.address("proxy")?);
        let oauth = secret("oauth", &[("clientId", "id"), ("clientSecret", &seed.secret("secret")?)]);
        let pair = certificate(seed, "pair");
        let token = format!("{}/oauth/token", seed.double.url_by_name("https1", HOST)?);
        let mutual = format!("{}/oauth/certificate", seed.double.url_by_name("mtls", HOST)?);
        let target = format!("{}/protected/bearer", seed.double.url_by_name("https", HOST)?);
        let entry = |credentials: Value| [Entry::api(&target).field("credentials", credentials)];
        let app = Application::new("proxied")
            .spec("fairlead", json!({ "proxy": proxy }))
            .service("oauth", &entry(credentials("OAuth", "oauth", &token, None)))
            .service("certified", &entry(credentials("OAuthWithCert", "pair", &mutual, None)));
        seed.put("app.yaml", &[app.manifest(), oauth, pair]);
        Ok(())
    })
    .unwrap();
    for (service, listener) in [("oauth", "https1"), ("certified", "mtls")] {
        bed.until(&get(&format!("/proxied/{service}/x")), |answer| answer.status == 200).unwrap();
        let wanted = format!("{HOST}:{}", bed.double.address(listener).unwrap().port());
        let seen = bed.double.recorded(&[("listener", "proxy")]).unwrap();
        let tunnels: Vec<_> = seen.iter().filter(|request| request.target == wanted.as_str()).collect();
        assert_eq!(tunnels.len(), 1, "{service}: {seen:?}");
        assert!(tunnels[0].header("authorization").is_empty(), "a credential for the proxy");
        assert!(tunnels[0].header("proxy-authorization").is_empty(), "a credential for the proxy");
    }
    bed.finish().unwrap();
}

#[test]
fn certified_clients_work_with_a_real_server() {
    let mut server = None;
    let bed = Bed::start(|seed| {
        let authority = Authority::new("Clients")?;
        let (good, stranger) = (authority.client("client")?, authority.client("stranger")?);
        let oauth = OAuthServer::start_mutual("real-client", &good, 3600)?;
        let credentials = |name: &str| credentials("OAuthWithCert", name, &oauth.token_url(), None);
        let entry = |name: &str| [Entry::api(&oauth.url()).field("credentials", credentials(name))];
        let app = Application::new("real")
            // Its certificate is self-signed.
            .spec("skipVerify", true)
            .service("good", &entry("good"))
            .service("stranger", &entry("stranger"))
            .service("mixed", &entry("mixed"));
        let pair = |name: &str, certificate: &Identity, key: &Identity| {
            let crt = format!("notBefore=Nov  1\nnotAfter=Nov 30\n{}", certificate.certificate_pem);
            secret(name, &[("clientId", "real-client"), ("crt", &crt), ("key", &key.key_pem)])
        };
        let secrets = [
            pair("good", &good, &good),
            pair("stranger", &stranger, &stranger),
            pair("mixed", &good, &stranger),
        ];
        seed.put("secrets.yaml", &secrets);
        seed.put("real.yaml", &[app.manifest()]);
        server = Some(oauth);
        Ok(())
    })
    .unwrap();
    let server = server.unwrap();
    bed.until(&get("/real/good/protected"), |answer| answer.status == 200).unwrap();
    let load = Load::new(bed.manual_address(), 50, &[get("/real/good/protected")]);
    let report = load.judge(|_, body| body == b"{\"client\":\"real-client\"}\n").run(100).unwrap();
    assert_eq!((report.answers(), report.wrong, report.failed()), (100, 0, 0), "{report:?}");
    assert_eq!(server.issued().unwrap(), 1);
    // What is wrong is not the caller's to know, but the operator's (E18); a pair that is none is told (E17).
    let answer = bed.manual(&get("/real/stranger/protected")).unwrap();
    let text = "Failed to get token: Failed to fetch token, possible certificate problem";
    assert_eq!((answer.status, answer.text()), (500, error_body(500, text)));
    let answer = bed.manual(&get("/real/mixed/protected")).unwrap();
    assert_eq!((answer.status, answer.header(REASON)), (500, vec!["certificate_invalid".to_owned()]));
    assert!(
        answer.text().contains("Failed to get token: Failed to prepare certificate, "),
        "{}",
        answer.text()
    );
    let log = String::from_utf8(bed.control.log()).unwrap();
    let told = log.lines().any(|line| {
        line.contains("a grant could not be fetched")
            && line.contains("kyma-system/stranger")
            && line.contains("cause")
    });
    assert!(told, "{log}");
    bed.finish().unwrap();
}
