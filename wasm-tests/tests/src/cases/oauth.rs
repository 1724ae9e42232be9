//! OAuth client credentials through the grant broker (AG §8.3; design decision 9).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_testkit::{
    bed::LIMIT,
    double::Double,
    http::Request,
    load::Load,
    oauth::OAuthServer,
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_wire::{header::REASON, refusal::error_body};
use serde_json::json;

use crate::{
    place::{Needs, Place, Way},
    target::Peer,
};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

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
fn application(name: &str, double: &Double, token_url: &str) -> Application {
    let target = format!("{}/base", double.url_by_name("https", HOST).unwrap());
    Application::new(name).service("svc", &[Entry::api(&target).name("api").oauth(name, token_url)])
}

/// Whether Application `name`'s one service is there: no token is asked for.
fn plant(place: &dyn Place, name: &str, app: &Application, credentials: &[(&str, &str)]) {
    place.put(&format!("{name}-secret"), &[secret(name, credentials)]).unwrap();
    place.plant(name, &[app.manifest()], &[&format!("{name}/svc")]).unwrap();
}

/// What is sent to the token endpoint, and that another Secret is another grant.
pub fn token_request_is_exact_and_follows_its_secret(place: &dyn Place) {
    let double = place.double();
    // Characters that form and Basic treat differently: the value is encoded in the form only.
    let client_secret = "canary secret&=+%ü/7c1f05d2";
    place.secret_is("client-secret", client_secret).unwrap();
    let token = format!("{}/oauth/token?tenant=1", double.url_by_name("https1", HOST).unwrap());
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
    plant(place, "oauth-exact", &application("oauth-exact", double, &token), &custom);
    place.manual(&get("/oauth-exact/svc/x")).unwrap().expect(200).unwrap();
    let requests = double.recorded(&[("listener", "https1")]).unwrap();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let request = &requests[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, "/oauth/token?resource=a+b&resource=c&tenant=1");
    let body = "client_id=an+id%3Awith%2B&client_secret=canary+secret%26%3D%2B%25%C3%BC%2F7c1f05d2\
                &grant_type=client_credentials";
    let basic = format!("Basic {}", STANDARD.encode(format!("an id:with+:{client_secret}")));
    let port = double.address("https1").unwrap().port();
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
    let changed = secret("oauth-exact", &[("clientId", "other"), ("clientSecret", client_secret)]);
    let first = authorizations(double)[0].clone();
    place.put("oauth-exact-secret", &[changed]).unwrap();
    let renewed = || authorizations(double).last().is_some_and(|last| *last != first);
    place.until(&get("/oauth-exact/svc/x"), |answer| answer.status == 200 && renewed()).unwrap();
    let requests = double.recorded(&[("listener", "https1")]).unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].body.content.as_ref().unwrap().text().starts_with("client_id=other&"));
    place.remove("oauth-exact-secret").unwrap();
    place.until(&get("/oauth-exact/svc/x"), |answer| answer.status == 500).unwrap();
}

/// Calls that are under way when the one token comes.
const COLD: usize = 1000;

/// One request to the token endpoint for all that wait, and the next one before the first token's end.
pub fn a_thousand_cold_calls_are_one_token_request(place: &dyn Place) {
    let double = place.double();
    let endpoint = place.target().unwrap();
    let tokens = [place.secret("token-1").unwrap(), place.secret("token-2").unwrap()];
    let client_secret = place.secret("client-secret").unwrap();
    let credentials = [("clientId", "id"), ("clientSecret", client_secret.as_str())];
    plant(place, "oauth-cold", &application("oauth-cold", double, &endpoint.url()), &credentials);
    let begin = place.taken().unwrap();
    let bearer = |number: usize| format!("Bearer {}", tokens[number]);

    let load = Load::new(place.address(&Way::Manual).unwrap(), COLD, &[get("/oauth-cold/svc/x")])
        .judge(|status, _| status == 200);
    let running = std::thread::spawn(move || load.run(COLD as u64).unwrap());
    let mut first = endpoint.accept().unwrap();
    first.until(b"grant_type=client_credentials").unwrap();
    wait::until("all calls to be held", LIMIT, || {
        let held = place.under_way().ok()?;
        (held == COLD as u64).then_some(())
    })
    .unwrap();
    assert!(!endpoint.has_more(), "a second token request");
    // Usable for 6 s; fetched anew between 4.2 and 4.8 s (AG §8.3: two seconds before its end it is over).
    grant(first, &tokens[0], 8);
    let report = running.join().unwrap();
    assert_eq!((report.answers(), report.wrong, report.failed()), (COLD as u64, 0, 0), "{report:?}");
    let seen = authorizations(double);
    assert!(seen.len() == COLD && seen.iter().all(|value| *value == bearer(0)), "{} requests", seen.len());
    for (worker, (now, begin)) in place.taken().unwrap().iter().zip(begin).enumerate() {
        assert!(*now > begin, "worker {worker} served nothing");
    }
    // The other port shares the grant.
    place.ucl(&get("/oauth-cold/svc/api/x")).unwrap().expect(200).unwrap();
    assert_eq!(authorizations(double).last(), Some(&bearer(0)));

    // Ahead of its end the next token is asked for; while that endpoint is silent, calls go on with the old token.
    let mut refresh = endpoint.accept().unwrap();
    refresh.until(b"grant_type=client_credentials").unwrap();
    double.clear().unwrap();
    for _ in 0..50 {
        place.manual(&get("/oauth-cold/svc/x")).unwrap().expect(200).unwrap();
    }
    let seen = authorizations(double);
    assert!(seen.len() == 50 && seen.iter().all(|value| *value == bearer(0)), "{seen:?}");
    grant(refresh, &tokens[1], 3600);
    let renewed = || authorizations(double).last() == Some(&bearer(1));
    place
        .until(&get("/oauth-cold/svc/x"), |answer| {
            assert_eq!(answer.status, 200, "no call fails over the change");
            renewed()
        })
        .unwrap();
    assert!(!endpoint.has_more(), "one token request each time");
}

/// A server that is not ours (Authlib).
pub fn works_with_a_real_server(place: &dyn Place) {
    let client_secret = place.secret("client-secret").unwrap();
    let server = OAuthServer::start_at(place.external(), "real-client", &client_secret, 3600).unwrap();
    let entry = |secret: &str| [Entry::api(&server.url()).oauth(secret, &server.token_url())];
    let app = Application::new("oauth-real")
        .service("api", &entry("oauth-real"))
        .service("wrong", &entry("oauth-wrong"));
    let credentials = |name: &str, client_secret: &str| {
        secret(name, &[("clientId", "real-client"), ("clientSecret", client_secret)])
    };
    let manifests = [
        app.manifest(),
        credentials("oauth-real", &client_secret),
        credentials("oauth-wrong", "not the secret"),
    ];
    place.plant("oauth-real", &manifests, &["oauth-real/api", "oauth-real/wrong"]).unwrap();
    let load = Load::new(place.address(&Way::Manual).unwrap(), 50, &[get("/oauth-real/api/protected")]);
    let report = load.judge(|_, body| body == b"{\"client\":\"real-client\"}\n").run(100).unwrap();
    assert_eq!((report.answers(), report.wrong, report.failed()), (100, 0, 0), "{report:?}");
    assert_eq!(server.issued().unwrap(), 1);
    let answer = place.manual(&get("/oauth-real/wrong/protected")).unwrap();
    let text = format!("incorrect response code '401' while getting token from {}", server.token_url());
    assert_eq!((answer.status, answer.text()), (502, error_body(502, &text)));
}

/// No token endpoint where no target may be, and none asked without need.
pub fn token_endpoint_is_guarded_and_asked_only_when_needed(place: &dyn Place) {
    let double = place.double();
    let client_secret = place.secret("client-secret").unwrap();
    let credentials = secret("oauth-guard", &[("clientId", "id"), ("clientSecret", &client_secret)]);
    let port = double.address("http").unwrap().port();
    let target = format!("{}/base", double.url_by_name("https", HOST).unwrap());
    let token = |url: &str| [Entry::api(&target).oauth("oauth-guard", url)];
    let named = |name: &str| format!("http://{name}:{port}/oauth/token");
    let redirect = format!("http://{HOST}:{port}/redirect?to={}", named("loopback.example.test"));
    let app = Application::new("oauth-guard")
        .service("name", &token(&named("loopback.example.test")))
        .service("metadata", &token(&named("metadata.example.test")))
        .service("literal", &token(&named("127.0.0.1")))
        .service("mapped", &token(&named("[::ffff:127.0.0.1]")))
        .service("redirect", &token(&redirect))
        .service("good", &token(&named(HOST)));
    place.plant("oauth-guard", &[app.manifest(), credentials], &["oauth-guard/good"]).unwrap();
    let asked = double.counts().unwrap().token_requests;
    for service in ["name", "metadata", "literal", "mapped", "redirect"] {
        let answer = place.manual(&get(&format!("/oauth-guard/{service}/x"))).unwrap();
        let text = answer.text();
        let begin = r#"{"code":502,"error":"failed to make a request to 'http://"#;
        assert!(text.starts_with(begin) && text.ends_with("is not allowed\"}\n"), "{service}: {text}");
        assert_eq!(
            (answer.status, answer.header(REASON)),
            (502, vec!["token_endpoint_unreachable".to_owned()])
        );
    }
    assert_eq!(double.counts().unwrap().token_requests, asked);
    assert!(double.recorded(&[("listener", "https")]).unwrap().is_empty(), "a target saw a refused call");

    // The caller's own token needs none of ours (AG §8.6), and is no reason to fetch one.
    let own = get("/oauth-guard/good/x").header("Access-Token", "Bearer mine");
    place.manual(&own).unwrap().expect(200).unwrap();
    assert_eq!((authorizations(double), double.counts().unwrap().token_requests), {
        (vec!["Bearer mine".to_owned()], asked)
    });

    // A failure is not remembered: the next call asks again.
    double.change(|settings| settings.token.status = Some(500)).unwrap();
    place.manual(&get("/oauth-guard/good/x")).unwrap().expect(502).unwrap();
    double.change(|settings| settings.token.status = None).unwrap();
    place.manual(&get("/oauth-guard/good/x")).unwrap().expect(200).unwrap();
    assert_eq!(double.counts().unwrap().token_requests, asked + 2);
}

/// What is taken for a token.
pub fn odd_token_answers_are_taken_as_the_contract_says(place: &dyn Place) {
    let double = place.double();
    let (token, client_secret) = (place.secret("odd-token").unwrap(), place.secret("client-secret").unwrap());
    let credentials = secret("oauth-odd", &[("clientId", "id"), ("clientSecret", &client_secret)]);
    let target = double.url_by_name("https", HOST).unwrap();
    // Another query is another grant.
    let entry = |number: u32| {
        [Entry::api(&format!("{target}/base")).oauth("oauth-odd", &format!("{target}/oauth/token?{number}"))]
    };
    let app =
        (0..5).fold(Application::new("oauth-odd"), |app, n| app.service(&format!("svc {n}"), &entry(n)));
    let services = [0, 1, 2, 3, 4].map(|number| format!("oauth-odd/svc-{number}"));
    let services = services.each_ref().map(String::as_str);
    place.plant("oauth-odd", &[app.manifest(), credentials], &services).unwrap();
    let good = format!("Bearer {token}");
    let bodies = [
        (format!(r#"{{"access_token":"{token}","token_type":"mac"}}"#), good.as_str()),
        (format!(r#"{{"access_token":"{token}","expires_in":"3600"}}"#), &good),
        (format!(r#"{{"access_token":"{token}","expires_in":0}}"#), &good),
        (r#"{"access_token":""}"#.to_owned(), "Bearer"),
        ("{}".to_owned(), "Bearer"),
    ];
    for (number, (body, expected)) in bodies.into_iter().enumerate() {
        double.change(|settings| settings.token.body = Some(body.clone())).unwrap();
        double.clear().unwrap();
        let before = double.counts().unwrap().token_requests;
        for _ in 0..3 {
            place.manual(&get(&format!("/oauth-odd/svc-{number}/x"))).unwrap().expect(200).unwrap();
        }
        let seen = double.recorded(&[("prefix", "/base")]).unwrap();
        let seen: Vec<_> = seen.iter().flat_map(|request| request.header("authorization")).collect();
        assert_eq!(seen, [expected; 3], "{body}");
        // Two workers may both ask the broker; the endpoint is asked once.
        assert_eq!(double.counts().unwrap().token_requests, before + 1, "{body}");
    }
}
