//! OAuth client credentials through the grant broker, on a real Envoy (AG §8.3; design decision 9).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure is a failed test")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_testkit::{
    bed::{Bed, LIMIT},
    double::Double,
    http::Request,
    load::Load,
    oauth::OAuthServer,
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_tests::target::{Peer, Target};
use fairlead_wire::{header::REASON, refusal::error_body};
use serde_json::json;

const HOST: &str = "api.example.test";

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// `Authorization` values that the target saw, in order.
fn authorizations(double: &Double) -> Vec<String> {
    let seen = double.recorded(&[("listener", "https")]).unwrap();
    seen.iter().flat_map(|request| request.header("authorization")).collect()
}

/// Answers a token request that a test plays the endpoint of.
fn grant(mut peer: Peer, token: &str, expires_in: u32) {
    peer.answer(200, &json!({ "access_token": token, "expires_in": expires_in }).to_string()).unwrap();
}

/// An Application whose token endpoint is `token_url`, its target the double.
fn application(double: &Double, token_url: &str) -> Application {
    let target = format!("{}/base", double.url_by_name("https", HOST).unwrap());
    Application::new("app").service("svc", &[Entry::api(&target).name("api").oauth("oauth", token_url)])
}

#[test]
fn oauth_token_request_is_exact_and_follows_its_secret() {
    // Characters that form and Basic treat differently: the value is encoded in the form only.
    let client_secret = "canary secret&=+%ü/7c1f05d2";
    let bed = Bed::start(|seed| {
        seed.canary.add("client-secret", client_secret)?;
        let token = format!("{}/oauth/token?tenant=1", seed.double.url_by_name("https1", HOST)?);
        let custom = [
            ("clientId", "an id:with+"),
            ("clientSecret", client_secret),
            (
                "headers",
                r#"{"X-Tenant": ["blue", "red"], "Authorization": ["never"], "User-Agent": ["own/1"],
                    "content-type": ["never"]}"#,
            ),
            ("queryParameters", r#"{"tenant": ["never"], "resource": ["a b", "c"]}"#),
        ];
        seed.put("app.yaml", &[application(&seed.double, &token).manifest()]);
        seed.put("secret.yaml", &[secret("oauth", &custom)]);
        Ok(())
    })
    .unwrap();
    bed.manual(&get("/app/svc/x")).unwrap().expect(200).unwrap();
    let requests = bed.double.recorded(&[("listener", "https1")]).unwrap();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let request = &requests[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, "/oauth/token?resource=a+b&resource=c&tenant=1");
    let body = "client_id=an+id%3Awith%2B&client_secret=canary+secret%26%3D%2B%25%C3%BC%2F7c1f05d2\
                &grant_type=client_credentials";
    let basic = format!("Basic {}", STANDARD.encode(format!("an id:with+:{client_secret}")));
    let port = bed.double.address("https1").unwrap().port();
    let expected = [
        ("authorization", basic.as_str()),
        ("content-length", &body.len().to_string()),
        ("content-type", "application/x-www-form-urlencoded"),
        ("host", &format!("{HOST}:{port}")),
        // Unlike the contract (AG §19, 12); without it there is none.
        ("user-agent", "own/1"),
        ("x-tenant", "blue"),
        ("x-tenant", "red"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(request.sorted_headers(), expected, "the complete list");
    assert_eq!(request.body.content.as_ref().unwrap(), body);

    // A changed Secret is another grant, fetched on demand; a deleted one ends service at once (E8).
    let resources = bed.resources().unwrap();
    let changed = secret("oauth", &[("clientId", "other"), ("clientSecret", client_secret)]);
    let first = authorizations(&bed.double)[0].clone();
    resources.put("secret.yaml", &[changed]).unwrap();
    let renewed = |bed: &Bed| authorizations(&bed.double).last().is_some_and(|last| *last != first);
    bed.until(&get("/app/svc/x"), |answer| answer.status == 200 && renewed(&bed)).unwrap();
    let requests = bed.double.recorded(&[("listener", "https1")]).unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].body.content.as_ref().unwrap().text().starts_with("client_id=other&"));
    resources.remove("secret.yaml").unwrap();
    bed.until(&get("/app/svc/x"), |answer| answer.status == 500).unwrap();
    bed.finish().unwrap();
}

/// Calls that are under way when the one token comes.
const COLD: usize = 1000;

#[test]
fn oauth_a_thousand_cold_calls_are_one_token_request_and_refresh_keeps_nobody_waiting() {
    let endpoint = Target::new().unwrap();
    let mut tokens = Vec::new();
    let bed = Bed::start(|seed| {
        tokens = vec![seed.secret("token-1")?, seed.secret("token-2")?];
        let client_secret = seed.secret("client-secret")?;
        seed.put(
            "app.yaml",
            &[
                application(&seed.double, &endpoint.url()).manifest(),
                secret("oauth", &[("clientId", "id"), ("clientSecret", &client_secret)]),
            ],
        );
        Ok(())
    })
    .unwrap();
    let bearer = |number: usize| format!("Bearer {}", tokens[number]);

    let load = Load::new(bed.manual_address(), COLD, &[get("/app/svc/x")]).judge(|status, _| status == 200);
    let running = std::thread::spawn(move || load.run(COLD as u64).unwrap());
    let mut first = endpoint.accept().unwrap();
    first.until(b"grant_type=client_credentials").unwrap();
    wait::until("all calls to be held", LIMIT, || {
        let held = bed.egress.stat(|name| name == "http.egress_manual.downstream_rq_active").ok()?;
        (held == COLD as u64).then_some(())
    })
    .unwrap();
    assert!(!endpoint.has_more(), "a second token request");
    // Usable for 6 s; fetched anew between 4.2 and 4.8 s (AG §8.3: two seconds before its end it is over).
    grant(first, &tokens[0], 8);
    let report = running.join().unwrap();
    assert_eq!((report.answers(), report.wrong, report.failed()), (COLD as u64, 0, 0), "{report:?}");
    let seen = authorizations(&bed.double);
    assert!(seen.len() == COLD && seen.iter().all(|value| *value == bearer(0)), "{} requests", seen.len());
    for worker in ["worker_0", "worker_1"] {
        let name = format!("{worker}.downstream_cx_total");
        assert!(bed.egress.stat(|stat| stat.ends_with(&name)).unwrap() > 0, "{worker} served nothing");
    }
    // The other port shares the grant.
    bed.ucl(&get("/app/svc/api/x")).unwrap().expect(200).unwrap();
    assert_eq!(authorizations(&bed.double).last(), Some(&bearer(0)));

    // Ahead of its end the next token is asked for; while that endpoint is silent, calls go on with the old token.
    let mut refresh = endpoint.accept().unwrap();
    refresh.until(b"grant_type=client_credentials").unwrap();
    bed.double.clear().unwrap();
    for _ in 0..50 {
        bed.manual(&get("/app/svc/x")).unwrap().expect(200).unwrap();
    }
    let seen = authorizations(&bed.double);
    assert!(seen.len() == 50 && seen.iter().all(|value| *value == bearer(0)), "{seen:?}");
    grant(refresh, &tokens[1], 3600);
    let renewed = || authorizations(&bed.double).last() == Some(&bearer(1));
    bed.until(&get("/app/svc/x"), |answer| {
        assert_eq!(answer.status, 200, "no call fails over the change");
        renewed()
    })
    .unwrap();
    assert!(!endpoint.has_more(), "one token request each time");
    bed.finish().unwrap();
}

#[test]
fn oauth_works_with_a_real_server() {
    let mut server = None;
    let bed = Bed::start(|seed| {
        let client_secret = seed.secret("client-secret")?;
        let oauth = OAuthServer::start("real-client", &client_secret, 3600)?;
        let entry = |target: &str| [Entry::api(target).oauth("oauth", &oauth.token_url())];
        let app = Application::new("real").service("api", &entry(&oauth.url()));
        let credentials = secret("oauth", &[("clientId", "real-client"), ("clientSecret", &client_secret)]);
        let wrong = secret("wrong", &[("clientId", "real-client"), ("clientSecret", "not the secret")]);
        let refused = Entry::api(&oauth.url()).oauth("wrong", &oauth.token_url());
        seed.put("real.yaml", &[app.service("wrong", &[refused]).manifest(), credentials, wrong]);
        server = Some(oauth);
        Ok(())
    })
    .unwrap();
    let server = server.unwrap();
    let load = Load::new(bed.manual_address(), 50, &[get("/real/api/protected")]);
    let report = load.judge(|_, body| body == b"{\"client\":\"real-client\"}\n").run(100).unwrap();
    assert_eq!((report.answers(), report.wrong, report.failed()), (100, 0, 0), "{report:?}");
    assert_eq!(server.issued().unwrap(), 1);
    let answer = bed.manual(&get("/real/wrong/protected")).unwrap();
    let text = format!("incorrect response code '401' while getting token from {}", server.token_url());
    assert_eq!((answer.status, answer.text()), (502, error_body(502, &text)));
    bed.finish().unwrap();
}

#[test]
fn oauth_token_endpoint_is_guarded_and_asked_only_when_needed() {
    let bed = Bed::start(|seed| {
        let credentials = secret("oauth", &[("clientId", "id"), ("clientSecret", &seed.secret("secret")?)]);
        let double = &seed.double;
        let port = double.address("http")?.port();
        let target = format!("{}/base", double.url_by_name("https", HOST)?);
        let token = |url: &str| [Entry::api(&target).oauth("oauth", url)];
        let named = |name: &str| format!("http://{name}:{port}/oauth/token");
        let redirect = format!("http://{HOST}:{port}/redirect?to={}", named("loopback.example.test"));
        let app = Application::new("guard")
            .service("name", &token(&named("loopback.example.test")))
            .service("metadata", &token(&named("metadata.example.test")))
            .service("literal", &token(&named("127.0.0.1")))
            .service("mapped", &token(&named("[::ffff:127.0.0.1]")))
            .service("redirect", &token(&redirect))
            .service("good", &token(&named(HOST)));
        seed.put("guard.yaml", &[app.manifest(), credentials]);
        Ok(())
    })
    .unwrap();
    for service in ["name", "metadata", "literal", "mapped", "redirect"] {
        let answer = bed.manual(&get(&format!("/guard/{service}/x"))).unwrap();
        let text = answer.text();
        let begin = r#"{"code":502,"error":"failed to make a request to 'http://"#;
        assert!(text.starts_with(begin) && text.ends_with("is not allowed\"}\n"), "{service}: {text}");
        assert_eq!(
            (answer.status, answer.header(REASON)),
            (502, vec!["token_endpoint_unreachable".to_owned()])
        );
    }
    assert_eq!(bed.double.counts().unwrap().token_requests, 0);
    assert!(bed.double.recorded(&[("listener", "https")]).unwrap().is_empty(), "a target saw a refused call");

    // The caller's own token needs none of ours (AG §8.6), and is no reason to fetch one.
    let own = get("/guard/good/x").header("Access-Token", "Bearer mine");
    bed.manual(&own).unwrap().expect(200).unwrap();
    assert_eq!((authorizations(&bed.double), bed.double.counts().unwrap().token_requests), {
        (vec!["Bearer mine".to_owned()], 0)
    });

    // A failure is not remembered: the next call asks again.
    bed.double.change(|settings| settings.token.status = Some(500)).unwrap();
    bed.manual(&get("/guard/good/x")).unwrap().expect(502).unwrap();
    bed.double.change(|settings| settings.token.status = None).unwrap();
    bed.manual(&get("/guard/good/x")).unwrap().expect(200).unwrap();
    assert_eq!(bed.double.counts().unwrap().token_requests, 2);
    bed.finish().unwrap();
}

#[test]
fn oauth_odd_token_answers_are_taken_as_the_contract_says() {
    let mut token = String::new();
    let bed = Bed::start(|seed| {
        token = seed.secret("odd-token")?;
        let credentials = secret("oauth", &[("clientId", "id"), ("clientSecret", &seed.secret("secret")?)]);
        let url = format!("{}/oauth/token", seed.double.url_by_name("https", HOST)?);
        let target = format!("{}/base", seed.double.url_by_name("https", HOST)?);
        // Another query is another grant.
        let entry = |number: u32| [Entry::api(&target).oauth("oauth", &format!("{url}?{number}"))];
        let app = (0..5).fold(Application::new("odd"), |app, n| app.service(&format!("svc {n}"), &entry(n)));
        seed.put("odd.yaml", &[app.manifest(), credentials]);
        Ok(())
    })
    .unwrap();
    let good = format!("Bearer {token}");
    let bodies = [
        (format!(r#"{{"access_token":"{token}","token_type":"mac"}}"#), good.as_str()),
        (format!(r#"{{"access_token":"{token}","expires_in":"3600"}}"#), &good),
        (format!(r#"{{"access_token":"{token}","expires_in":0}}"#), &good),
        (r#"{"access_token":""}"#.to_owned(), "Bearer"),
        ("{}".to_owned(), "Bearer"),
    ];
    for (number, (body, expected)) in bodies.into_iter().enumerate() {
        bed.double.change(|settings| settings.token.body = Some(body.clone())).unwrap();
        bed.double.clear().unwrap();
        let before = bed.double.counts().unwrap().token_requests;
        for _ in 0..3 {
            bed.manual(&get(&format!("/odd/svc-{number}/x"))).unwrap().expect(200).unwrap();
        }
        let seen = bed.double.recorded(&[("prefix", "/base")]).unwrap();
        let seen: Vec<_> = seen.iter().flat_map(|request| request.header("authorization")).collect();
        assert_eq!(seen, [expected; 3], "{body}");
        // Two workers may both ask the broker; the endpoint is asked once.
        assert_eq!(bed.double.counts().unwrap().token_requests, before + 1, "{body}");
    }
    bed.finish().unwrap();
}
