//! `OAuthWithCert`: tokens over mutual TLS (AG §8.4, RFC 8705).

use std::sync::Arc;

use fairlead_cases::cover;
use fairlead_model::{ClientPair, GrantKind, Trust};
use fairlead_wire::{Reason, refusal::error_body};
use secrecy::SecretString;

use super::{
    TOKEN, at,
    endpoint::{Tls, TokenEndpoint, client, clients, hang, json, other_ca, raw, redirect},
    parts, setup,
};

/// AG §14, E18.
const E18: &str = "Failed to get token: Failed to fetch token, possible certificate problem";

fn kind(pair: ClientPair) -> GrantKind {
    GrantKind::CertifiedClient { client_id: "client id".to_owned().into(), pair: Arc::new(pair) }
}

#[tokio::test]
async fn the_request_has_the_certificate_and_the_id_and_no_authorization() {
    let ca = clients();
    let setup = at(TokenEndpoint::with(vec![json(TOKEN)], Tls::Demanded(&ca)));
    let mut spec = setup.of(kind(client(&ca)), &setup.url("/t?b=2&a=1"), setup.trust());
    spec.headers = [("x-tenant", "t"), ("content-type", "no"), ("user-agent", "own/1")]
        .map(|(name, value)| (name.to_owned(), value.to_owned().into()))
        .to_vec();
    spec.query_parameters = vec![("scope".to_owned(), vec!["x y".to_owned().into()])];
    setup.set(spec);
    let granted = setup.granted(None).await;
    assert_eq!((granted.authorization.as_str(), granted.csrf), ("Bearer t1", None));
    assert!(granted.expires_ms.is_some_and(|time| time > 3_590_000 && time <= 3_598_000));
    assert_eq!(setup.endpoint.shown(), [true]);
    let (first, lines, body) = parts(&setup.endpoint.requests()[0]);
    assert_eq!(first, "POST /t?a=1&b=2&scope=x+y HTTP/1.1");
    assert_eq!(body, "client_id=client+id&grant_type=client_credentials");
    let want = [
        format!("content-length: {}", body.len()),
        "content-type: application/x-www-form-urlencoded".to_owned(),
        format!("host: token.example.test:{}", setup.endpoint.port()),
        "user-agent: own/1".to_owned(),
        "x-tenant: t".to_owned(),
    ];
    assert_eq!(lines, want, "a complete list: no Authorization");
}

#[tokio::test]
async fn a_certificate_is_shown_only_where_it_is_asked_for_and_never_elsewhere() {
    let ca = clients();
    // Not asked for; over plain HTTP; asked for, and not demanded.
    for tls in [Tls::Server, Tls::None, Tls::Taken(&ca)] {
        let setup = at(TokenEndpoint::with(vec![json(TOKEN)], tls));
        let trust = if matches!(tls, Tls::None) { Trust::Plain } else { setup.trust() };
        setup.set(setup.of(kind(client(&ca)), &setup.url("/t"), trust));
        assert_eq!(setup.granted(None).await.authorization, "Bearer t1");
        let want: &[bool] = match tls {
            Tls::None => &[],
            Tls::Server => &[false],
            _ => &[true],
        };
        assert_eq!(setup.endpoint.shown(), want);
    }
    // Within an origin redirects take it along, to another one they do not.
    let elsewhere = TokenEndpoint::with(vec![json(TOKEN)], Tls::Taken(&ca));
    let there = elsewhere.url("token.example.test", "/e");
    let answers = vec![redirect(307, "/b"), redirect(303, &there)];
    let setup = at(TokenEndpoint::with(answers, Tls::Demanded(&ca)));
    setup.set(setup.of(kind(client(&ca)), &setup.url("/a"), Trust::Unverified));
    setup.granted(None).await;
    assert_eq!((setup.endpoint.shown(), elsewhere.shown()), (vec![true, true], vec![false]));
    assert!(setup.endpoint.requests()[1].starts_with("POST /b "));
    let (first, lines, body) = parts(&elsewhere.requests()[0]);
    assert_eq!((first.as_str(), lines.len(), body.as_str()), ("GET /e HTTP/1.1", 1, ""), "{lines:?}");
}

#[tokio::test]
async fn every_failure_has_one_text_and_its_reason() {
    let (ca, other) = (clients(), clients());
    let status = |status: &str| raw(&format!("HTTP/1.1 {status}\r\ncontent-length: 6\r\n\r\nsecret"));
    let unreachable = Reason::TokenEndpointUnreachable;
    for (tls, answer, trust, reason) in [
        // The endpoint refuses the certificate, or we refuse the endpoint's.
        (Tls::Demanded(&other), json(TOKEN), None, unreachable),
        (Tls::Demanded(&ca), json(TOKEN), Some(Trust::Private { ca_pem: other_ca() }), unreachable),
        (Tls::Demanded(&ca), json(TOKEN), Some(Trust::System), unreachable),
        (Tls::Demanded(&ca), raw(""), None, unreachable),
        (Tls::Demanded(&ca), hang(), None, unreachable),
        (Tls::Demanded(&ca), status("401 Unauthorized"), None, Reason::TokenEndpointStatus),
        (Tls::Demanded(&ca), status("500 Oh"), None, Reason::TokenEndpointStatus),
        (Tls::Demanded(&ca), status("204 None"), None, Reason::TokenEndpointStatus),
        (Tls::Demanded(&ca), json("not json"), None, Reason::TokenEndpointAnswer),
        (Tls::Demanded(&ca), json("{\"access_token\":\"a\\nb\"}"), None, Reason::TokenEndpointAnswer),
    ] {
        let setup = at(TokenEndpoint::with(vec![answer], tls));
        let trust = trust.unwrap_or_else(|| setup.trust());
        setup.set(setup.of(kind(client(&ca)), &setup.url("/t?key=secret"), trust.clone()));
        let refusal = setup.refused().await;
        assert_eq!((refusal.status, refusal.reason), (500, reason), "{trust:?}");
        assert_eq!(refusal.body, error_body(500, E18));
        cover("AG-14-r20");
        cover("AG-14-r32");
        cover("AG-13-r05");
    }
    let setup = setup(Vec::new(), false);
    setup.set(setup.of(kind(client(&ca)), "http://gone.example.test/t", Trust::Plain));
    let refusal = setup.refused().await;
    assert_eq!((refusal.status, refusal.body), (500, error_body(500, E18)));
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_is_told_as_such() {
    let ca = clients();
    let good = client(&ca);
    let no_key = || SecretString::from("no key");
    for (pair, error) in [
        (ClientPair { key_pem: no_key(), ..good.clone() }, "the private key is not PEM"),
        (ClientPair { certificate_pem: String::new(), ..good }, "there is no certificate"),
    ] {
        let setup = at(TokenEndpoint::with(vec![json(TOKEN)], Tls::Demanded(&ca)));
        setup.set(setup.of(kind(pair), &setup.url("/t"), setup.trust()));
        let refusal = setup.refused().await;
        let text = format!("Failed to get token: Failed to prepare certificate, {error}");
        assert_eq!((refusal.status, refusal.reason), (500, Reason::CertificateInvalid));
        assert_eq!(refusal.body, error_body(500, &text));
        assert!(setup.endpoint.requests().is_empty());
        cover("AG-14-r19");
    }
}
