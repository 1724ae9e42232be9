//! CSRF sessions (AG §9).

use std::sync::Arc;

use fairlead_cases::cover;
use fairlead_model::{CsrfAuth, GrantKind, Trust};
use fairlead_wire::{
    Reason,
    grant::{Csrf, GrantAnswer},
    refusal::error_body,
};

use super::{
    TOKEN, at,
    endpoint::{Tls, TokenEndpoint, client, clients, hang, json, raw, redirect},
    parts, setup,
};

const BASIC: &str = "Basic dXNlcjpwYXNz";

fn basic() -> GrantKind {
    GrantKind::Csrf { with: CsrfAuth::Basic(BASIC.to_owned().into()) }
}

fn session(token: &str, cookies: &[&str]) -> Vec<u8> {
    let cookies: String = cookies.iter().map(|cookie| format!("set-cookie: {cookie}\r\n")).collect();
    raw(&format!("HTTP/1.1 200 OK\r\nX-CSRF-Token: {token}\r\n{cookies}content-length: 4\r\n\r\nbody"))
}

fn csrf(token: &str, cookies: &[&str]) -> Option<Csrf> {
    Some(Csrf { token: token.to_owned(), cookies: cookies.iter().map(|&cookie| cookie.to_owned()).collect() })
}

#[tokio::test]
async fn the_request_is_exact_and_the_session_comes_from_the_head() {
    let answer = session("t1", &["s=1; Path=/; HttpOnly", "r=node-1;Max-Age=60", "r=again"]);
    let setup = setup(vec![answer, session("t2", &[])], false);
    let mut spec = setup.of(basic(), &setup.url("/csrf?b=2&a=%7e"), Trust::Plain);
    // Neither custom headers nor parameters are for it.
    spec.headers = vec![("x-tenant".to_owned(), "t".to_owned().into())];
    setup.set(spec);
    let granted = setup.granted(None).await;
    assert_eq!(granted.csrf, csrf("t1", &["s=1", "r=node-1", "r=again"]));
    assert_eq!((granted.authorization.as_str(), granted.expires_ms, granted.refresh_ms), ("", None, None));
    let (first, lines, body) = parts(&setup.endpoint.requests()[0]);
    assert_eq!((first.as_str(), body.as_str()), ("GET /csrf?b=2&a=%7e HTTP/1.1", ""));
    let want = [
        "accept: */*".to_owned(),
        format!("authorization: {}", BASIC.to_ascii_lowercase()),
        "cache-control: no-cache".to_owned(),
        format!("host: token.example.test:{}", setup.endpoint.port()),
        "x-csrf-token: fetch".to_owned(),
    ];
    assert_eq!(lines, want, "a complete list");
    // As the leader answers a follower, and that a plugin.
    let answer = GrantAnswer::Granted(granted.clone());
    let told = serde_json::to_vec(&answer).unwrap();
    let forwarded: GrantAnswer = serde_json::from_slice(&told).unwrap();
    let told = serde_json::to_vec(&forwarded).unwrap();
    assert_eq!(fairlead_wire::json::read_grant(&told).unwrap(), answer);
    // Kept without an end, until it is rejected.
    assert_eq!(setup.granted(None).await, granted);
    let newer = setup.granted(Some(granted.serial)).await;
    assert_eq!((newer.csrf, setup.endpoint.requests().len()), (csrf("t2", &[]), 2));
}

#[tokio::test]
async fn redirects_are_followed_to_the_session_without_giving_the_credential_away() {
    let elsewhere = TokenEndpoint::start(vec![session("there", &["s=2"])], false);
    let there = elsewhere.url("token.example.test", "/e");
    let hop = |status: u16, to: &str| {
        let text = format!(
            "HTTP/1.1 {status} X\r\nlocation: {to}\r\nset-cookie: early=1\r\nx-csrf-token: early\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        );
        raw(&text)
    };
    let setup = setup(vec![hop(302, "/b"), hop(308, &there)], false);
    setup.set(setup.of(basic(), &setup.url("/a"), Trust::Plain));
    assert_eq!(setup.granted(None).await.csrf, csrf("there", &["s=2"]), "the final answer's alone");
    let requests = setup.endpoint.requests();
    assert!(
        requests[1].starts_with("GET /b ") && requests[1].to_lowercase().contains("authorization: basic")
    );
    let (_, lines, _) = parts(&elsewhere.requests()[0]);
    let names: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert_eq!(names, ["accept", "cache-control", "host", "x-csrf-token"]);
}

#[tokio::test]
async fn a_certificate_opens_the_endpoint() {
    let ca = clients();
    let setup = at(TokenEndpoint::with(vec![session("t", &["s=1"])], Tls::Demanded(&ca)));
    let kind = GrantKind::Csrf { with: CsrfAuth::Certificate(Arc::new(client(&ca))) };
    setup.set(setup.of(kind, &setup.url("/csrf"), setup.trust()));
    assert_eq!(setup.granted(None).await.csrf, csrf("t", &["s=1"]));
    let (_, lines, _) = parts(&setup.endpoint.requests()[0]);
    assert!(setup.endpoint.shown() == [true] && !lines.iter().any(|line| line.starts_with("authorization")));
}

#[tokio::test]
async fn a_token_opens_the_endpoint_and_a_rejected_one_is_renewed_once() {
    let tokens = TokenEndpoint::start(vec![json(TOKEN), json(&TOKEN.replace("t1", "t2"))], false);
    let refused = raw("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let setup = setup(vec![refused, session("s", &["c=1"])], false);
    let linked = Arc::new(setup.spec(&tokens.url("token.example.test", "/t"), Trust::Plain));
    setup.broker.set("g", linked.clone());
    let kind = GrantKind::Csrf { with: CsrfAuth::Grant(linked) };
    setup.broker.set("csrf", Arc::new(setup.of(kind, &setup.url("/csrf"), Trust::Plain)));
    let GrantAnswer::Granted(granted) = setup.broker.ask("csrf", None).await else { panic!("refused") };
    assert_eq!(granted.csrf, csrf("s", &["c=1"]));
    let requests = setup.endpoint.requests();
    assert!(requests[0].contains("Bearer t1") && requests[1].contains("Bearer t2"));
    assert_eq!((tokens.requests().len(), setup.granted(None).await.authorization.as_str()), (2, "Bearer t2"));
}

#[tokio::test]
async fn failures_have_the_contract_s_texts() {
    let status = |status: &str| {
        raw(&format!("HTTP/1.1 {status}\r\nx-csrf-token: secret\r\ncontent-length: 6\r\n\r\nsecret"))
    };
    let long = format!("HTTP/1.1 200 OK\r\nx-csrf-token: {}\r\n", "x".repeat(100_000));
    let got = |code: u16| format!("incorrect response code '{code}' while getting token from {{url}}");
    let made = "failed to make a request to '{url}': ".to_owned();
    let (e20, e21) = ("AG-14-r22", "AG-14-r23");
    for (answer, reason, want, case) in [
        (status("201 Created"), Reason::CsrfEndpointStatus, got(201), e20),
        (status("204 None"), Reason::CsrfEndpointStatus, got(204), e20),
        (status("302 Found"), Reason::CsrfEndpointStatus, got(302), e20),
        (status("401 Unauthorized"), Reason::CsrfEndpointStatus, got(401), e20),
        (status("503 Busy"), Reason::CsrfEndpointStatus, got(503), e20),
        (raw(""), Reason::CsrfEndpointUnreachable, made.clone(), e21),
        (hang(), Reason::CsrfEndpointUnreachable, format!("{made}timed out"), e21),
        (raw(&long), Reason::CsrfEndpointUnreachable, made.clone(), e21),
        (redirect(302, "http://[x"), Reason::CsrfEndpointUnreachable, made.clone(), e21),
    ] {
        let setup = setup(vec![answer], false);
        setup.set(setup.of(basic(), &setup.url("/csrf?key=secret"), Trust::Plain));
        let refusal = setup.refused().await;
        let want = want.replace("{url}", &setup.url("/csrf"));
        assert_eq!((refusal.status, refusal.reason), (502, reason), "{want}");
        let start = error_body(502, &want).trim_end_matches("\"}\n").to_owned();
        assert!(refusal.body.starts_with(&start), "{} is not {want}", refusal.body);
        for secret in ["secret", "dXNlcjpwYXNz"] {
            assert!(!refusal.body.contains(secret), "{}", refusal.body);
        }
        cover(case);
        cover("AG-14-r34");
        cover("AG-13-r05");
    }
    let endless = setup((0..20).map(|_| redirect(302, "/a")).collect(), false);
    endless.set(endless.of(basic(), &endless.url("/a"), Trust::Plain));
    assert!(endless.refused().await.body.contains("stopped after 10 redirects"));
    let nowhere = setup(Vec::new(), false);
    nowhere.set(nowhere.of(basic(), "http://gone.example.test/c", Trust::Plain));
    let refusal = nowhere.refused().await;
    assert!(refusal.body.contains("failed to make a request to 'http://gone.example.test/c': lookup"));
}
