//! Many callers at once.

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    envoy::Envoy,
    load::Load,
    resources::{Application, Entry, secret},
    wait,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{HOST, calls, certificate, credentials, get, plain, second::Second, token_requests};

fn active(envoy: &Envoy) -> u64 {
    envoy.stat(|name| name == "http.egress_manual.downstream_rq_active").unwrap()
}

/// Calls of `path` at the same time, half of them by each gateway; they are all held before the first is answered, since
/// the endpoint of the grant takes its time.
fn storm(bed: &Bed, second: &Second, path: &str, calls: usize) {
    let half = calls / 2;
    let load = |address| Load::new(address, half, &[get(path)]).judge(|status, _| status == 200);
    let loads = [load(bed.manual_address()), load(second.manual)];
    let running: Vec<_> =
        loads.into_iter().map(|load| std::thread::spawn(move || load.run(half as u64).unwrap())).collect();
    wait::until("all calls to be held", LIMIT, || {
        (active(&bed.egress) == half as u64 && active(&second.envoy) == half as u64).then_some(())
    })
    .unwrap();
    for running in running {
        let report = running.join().unwrap();
        assert_eq!(
            (report.answers(), report.wrong, report.failed()),
            (half as u64, 0, 0),
            "{path}: {report:?}"
        );
    }
}

/// Calls that are under way when a grant comes.
const COLD: usize = 1000;

#[test]
fn a_thousand_cold_calls_on_two_gateways_fetch_each_kind_of_grant_once() {
    let bed = Bed::start(|seed| {
        let oauth = secret("oauth", &[("clientId", "id"), ("clientSecret", &seed.secret("secret")?)]);
        let pair = certificate(seed, "pair");
        let basic = secret("basic", &[("username", "user"), ("password", &seed.secret("password")?)]);
        let password = basic["stringData"]["password"].as_str().unwrap();
        let password = utf8_percent_encode(password, NON_ALPHANUMERIC);
        let (by_name, mutual) =
            (seed.double.url_by_name("https", HOST)?, seed.double.url_by_name("mtls", HOST)?);
        let (base, guarded) = (format!("{by_name}/protected/bearer"), format!("{by_name}/csrf/guarded"));
        let entry = |target: &str, credentials: Value| [Entry::api(target).field("credentials", credentials)];
        // The endpoint answers when everybody waits.
        let slow = "delay=5000";
        let token = format!("{by_name}/oauth/token?{slow}");
        let certified = format!("{mutual}/oauth/certificate?{slow}");
        let session = format!("{by_name}/csrf/token/basic/user/{password}");
        let with_token = format!("{by_name}/csrf/token/bearer");
        let app = Application::new("cold")
            .service("oauth", &entry(&base, credentials("OAuth", "oauth", &token, None)))
            .service("certified", &entry(&base, credentials("OAuthWithCert", "pair", &certified, None)))
            .service("csrf", &entry(&guarded, credentials("Basic", "basic", "", Some(&session))))
            .service(
                "both",
                &entry(
                    &guarded,
                    credentials("OAuthWithCert", "pair", &format!("{certified}&both"), Some(&with_token)),
                ),
            );
        seed.put("cold.yaml", &[app.manifest(), oauth, pair, basic]);
        Ok(())
    })
    .unwrap();
    bed.double.change(|settings| settings.csrf.delay_ms = 5_000).unwrap();
    let second = Second::start(&bed, "second");
    for (service, token_requests, sessions) in
        [("oauth", 1, 0), ("certified", 1, 0), ("csrf", 0, 1), ("both", 1, 1)]
    {
        let before = bed.double.counts().unwrap();
        storm(&bed, &second, &format!("/cold/{service}/x"), COLD);
        let after = bed.double.counts().unwrap();
        let seen = (after.token_requests - before.token_requests, after.csrf_requests - before.csrf_requests);
        assert_eq!(seen, (token_requests, sessions), "{service}");
        bed.double.clear().unwrap();
    }
    // What is not in the request line: the certificate, the id, and nothing else of us.
    let metrics = bed.control.metrics().unwrap().text();
    for kind in ["oauth", "oauth_with_cert", "csrf"] {
        let fetches = format!("grant_fetches_total{{kind=\"{kind}\",cause=\"demand\",outcome=\"ok\"}}");
        assert!(metrics.contains(&fetches), "{kind}: {metrics}");
    }
    bed.finish().unwrap();
}

#[test]
fn a_thousand_rejections_are_one_new_grant() {
    let bed = Bed::start(|seed| plain(seed, &["svc"], "/guarded/401")).unwrap();
    bed.until(&get("/app/svc/x"), |answer| answer.status == 200).unwrap();
    for round in 1..=2 {
        bed.double.revoke_tokens().unwrap();
        assert_eq!(calls(&bed, "/app/svc/x", COLD, COLD as u64).wrong, 0, "round {round}");
        assert_eq!(token_requests(&bed), 1 + round, "one new token for all");
    }
    bed.finish().unwrap();
}
