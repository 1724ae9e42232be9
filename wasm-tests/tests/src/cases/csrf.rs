//! CSRF tokens and their sessions, on top of every credential (AG §9).

use fairlead_testkit::{
    external::record::Recorded,
    http::{Request, Response},
    resources::{Application, Entry, secret},
};
use fairlead_wire::{Reason, header::REASON};
use serde_json::json;

use super::replay::Caller;
use crate::place::{Needs, Place};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

const USER: &str = "csrf-user";

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// An API behind `listener`, with these credentials and a CSRF endpoint below `/csrf/token`.
fn entry(place: &dyn Place, listener: &str, credentials: serde_json::Value, endpoint: &str) -> Entry {
    let double = place.double();
    let at = double.url_by_name(listener, "api.example.test").unwrap();
    let mut credentials = credentials;
    credentials["csrfInfo"] = json!({ "tokenEndpointURL": format!("{at}/csrf/token{endpoint}") });
    Entry::api(&format!("{at}/base")).field("credentials", credentials)
}

/// Services `basic` (HTTP/1.1), `bearer` (HTTP/2) and `other`, which has `basic`'s endpoint with another credential.
fn plant(place: &dyn Place, name: &str) {
    let double = place.double();
    let client_secret = place.secret("client-secret").unwrap();
    // Parts of URLs, which are no secrets: not looked for in logs.
    let (password, other) = ("first-password", "other-password");
    let basic = |name: &str| json!({ "type": "Basic", "secretName": name });
    let token = format!("{}/oauth/token?{name}", double.url("http").unwrap());
    let oauth = json!({ "type": "OAuth", "secretName": format!("{name}-oauth"), "authenticationUrl": token });
    let names = [format!("{name}-basic"), format!("{name}-other"), format!("{name}-oauth")];
    let own = |password: &str| format!("/basic/{USER}/{password}");
    let app = Application::new(name)
        .service("basic", &[entry(place, "http", basic(&names[0]), &own(password))])
        .service("other", &[entry(place, "http", basic(&names[1]), &own(other))])
        .service("refused", &[entry(place, "http", basic(&names[1]), &own(password))])
        .service("bearer", &[entry(place, "https", oauth, "/bearer")]);
    let manifests = [
        app.manifest(),
        secret(&names[0], &[("username", USER), ("password", password)]),
        secret(&names[1], &[("username", USER), ("password", other)]),
        secret(&names[2], &[("clientId", "id"), ("clientSecret", &client_secret)]),
    ];
    let services = ["basic", "other", "refused", "bearer"].map(|service| format!("{name}/{service}"));
    place.plant(name, &manifests, &services.each_ref().map(String::as_str)).unwrap();
}

fn echo(answer: Response) -> Recorded {
    answer.expect(200).unwrap().json().unwrap()
}

fn token(seen: &Recorded) -> String {
    let lines = seen.header("x-csrf-token");
    let [token] = &lines[..] else { panic!("{lines:?}") };
    token.clone()
}

/// What the target sees, and how the session is had.
pub fn token_and_cookies_are_on_every_request(place: &dyn Place) {
    plant(place, "csrf-sent");
    let double = place.double();
    let before = double.counts().unwrap().csrf_requests;
    for (service, authorization) in [("basic", "Basic "), ("bearer", "Bearer ")] {
        let path = format!("/csrf-sent/{service}/csrf/guarded");
        let first = echo(place.manual(&get(&path)).unwrap());
        assert!(first.header("authorization")[0].starts_with(authorization));
        // Whatever a caller sends of that name, and its own cookies behind the session's; every worker has the session.
        for _ in 0..8 {
            let request = Request::new("POST", &path)
                .header("X-CSRF-Token", "callers")
                .header("x-csrf-token", "callers")
                .header("Cookie", "own=1; csrf-session=forged; lang=de")
                .header("Cookie", "own=2; last=x=y")
                .body("b");
            let seen = echo(place.manual(&request).unwrap());
            assert_eq!(token(&seen), token(&first));
            let cookies = seen.header("cookie").join("; ");
            let (session, rest) = cookies.split_once("; ").unwrap();
            assert!(session.starts_with("csrf-session=") && !session.contains("forged"), "{session}");
            assert_eq!(rest, "route=node-1; lang=en; own=1; last=x=y");
        }
    }
    assert_eq!(
        double.counts().unwrap().csrf_requests,
        before + 2,
        "one session for each credential and endpoint"
    );
    // The endpoint was asked as the contract says, and got nothing of a caller's.
    let asked = double.recorded(&[("prefix", "/csrf/token")]).unwrap();
    for request in &asked {
        assert_eq!(request.method, "GET");
        for (name, value) in [("x-csrf-token", "fetch"), ("accept", "*/*"), ("cache-control", "no-cache")] {
            assert_eq!(request.header(name), [value]);
        }
        assert!(request.header("cookie").is_empty());
        assert_eq!(request.header("authorization").len(), 1);
    }
    // Another credential at the same endpoint is another session.
    let other = echo(place.manual(&get("/csrf-sent/other/csrf/guarded")).unwrap());
    let basic = echo(place.manual(&get("/csrf-sent/basic/csrf/guarded")).unwrap());
    assert_ne!(token(&other), token(&basic));
}

/// The caller's own credential takes the place of ours, and the session stays (AG §8.6).
pub fn an_access_token_keeps_the_session(place: &dyn Place) {
    plant(place, "csrf-own");
    for service in ["basic", "bearer"] {
        let request = get(&format!("/csrf-own/{service}/csrf/guarded")).header("Access-Token", "Bearer mine");
        let seen = echo(place.manual(&request).unwrap());
        assert_eq!(seen.header("authorization"), ["Bearer mine"]);
        assert!(seen.header("access-token").is_empty());
    }
    // A session that is over is renewed also if nobody calls but with a token of their own; nothing is repeated.
    let double = place.double();
    double.revoke_sessions().unwrap();
    double.clear().unwrap();
    let request = get("/csrf-own/basic/csrf/guarded").header("Access-Token", "Bearer mine");
    assert_eq!(place.manual(&request).unwrap().status, 403);
    assert_eq!(double.recorded(&[("prefix", "/base")]).unwrap().len(), 1);
    place.until(&request, |answer| answer.status == 200).unwrap();
}

/// A session that the target has forgotten: every method is repeated with a new one.
pub fn a_rejected_session_is_renewed_and_the_call_repeated(place: &dyn Place) {
    plant(place, "csrf-renewed");
    let double = place.double();
    for service in ["basic", "bearer"] {
        let path = format!("/csrf-renewed/{service}/csrf/guarded/cookies/2");
        let mut caller = Caller::new(place);
        caller.get(&path).expect(200).unwrap();
        for method in ["POST", "PATCH", "GET"] {
            double.revoke_sessions().unwrap();
            double.clear().unwrap();
            let before = double.counts().unwrap();
            let answer = caller.call(&Request::new(method, &path).header("Cookie", "own=1").body("b"));
            assert_eq!(answer.status, 200, "{service} {method}: {}", answer.text());
            assert_eq!(answer.header("set-cookie").len(), 2);
            let seen = double.recorded(&[("prefix", "/base")]).unwrap();
            let [first, second] = &seen[..] else { panic!("{seen:?}") };
            assert_ne!(token(first), token(second));
            assert_eq!(second.body.length, 1);
            assert!(second.header("cookie").join("; ").ends_with("; lang=en; own=1"));
            let after = double.counts().unwrap();
            assert_eq!(after.csrf_requests, before.csrf_requests + 1);
        }
    }
}

/// E20 and E21, and that nothing is sent without a session.
pub fn no_session_is_an_error_with_its_cause(place: &dyn Place) {
    plant(place, "csrf-fails");
    let double = place.double();
    double.clear().unwrap();
    let answer = place.manual(&get("/csrf-fails/refused/csrf/guarded")).unwrap();
    assert_eq!((answer.status, answer.header(REASON)), (502, vec![Reason::CsrfEndpointStatus.to_string()]));
    assert!(
        answer.text().contains("incorrect response code '401' while getting token from"),
        "{}",
        answer.text()
    );
    assert!(double.recorded(&[("prefix", "/base")]).unwrap().is_empty());
    double.change(|settings| settings.csrf.status = Some(500)).unwrap();
    let answer = place.manual(&get("/csrf-fails/basic/csrf/guarded")).unwrap();
    assert_eq!((answer.status, answer.header(REASON)), (502, vec![Reason::CsrfEndpointStatus.to_string()]));
    // A failure is not remembered.
    double.change(|settings| settings.csrf.status = None).unwrap();
    place.until(&get("/csrf-fails/basic/csrf/guarded"), |answer| answer.status == 200).unwrap();
}
