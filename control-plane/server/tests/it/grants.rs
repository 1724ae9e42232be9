//! The grant broker against a real token endpoint, over sockets and TLS, found by a real name server.

mod certified;
mod csrf;
mod endpoint;
mod failures;
mod odd;
mod proxied;

use std::{fs, sync::Arc};

use fairlead::{
    config::{GrantsConfig, Span, TargetsConfig},
    dial,
    grants::broker::Broker,
    telemetry::metrics::Metrics,
};
use fairlead_model::{Endpoint, GrantKind, GrantSpec, Trust};
use fairlead_wire::{
    Reason, Refusal,
    grant::{GrantAnswer, Granted},
};
use tempfile::TempDir;

use self::endpoint::{Names, TokenEndpoint, json, raw, redirect};

struct Setup {
    broker: Broker,
    metrics: Metrics,
    endpoint: TokenEndpoint,
    _names: Names,
    directory: TempDir,
}

fn setup(answers: Vec<Vec<u8>>, tls: bool) -> Setup {
    at(TokenEndpoint::start(answers, tls))
}

fn at(endpoint: TokenEndpoint) -> Setup {
    let names = Names::start();
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("system.pem");
    fs::write(&bundle, endpoint::other_ca()).unwrap();
    let targets = TargetsConfig {
        allow: vec!["127.0.0.2/32".parse().unwrap()],
        name_servers: vec![names.address],
        system_ca: Some(bundle),
        ..TargetsConfig::default()
    };
    let metrics = Metrics::new();
    let grants = GrantsConfig {
        timeout: Span::milliseconds(600),
        max_rejections: 2,
        retire_after: Span::milliseconds(300),
        ..GrantsConfig::default()
    };
    let broker = Broker::new(dial::from_config(&targets, &[]).unwrap(), grants, metrics.clone());
    Setup { broker, metrics, endpoint, _names: names, directory }
}

impl Setup {
    fn url(&self, path: &str) -> String {
        self.endpoint.url("token.example.test", path)
    }

    fn spec(&self, url: &str, trust: Trust) -> GrantSpec {
        GrantSpec {
            id: "g".to_owned(),
            secret: "kyma-system/s".to_owned(),
            endpoint: Ok(Endpoint { url: url.parse().unwrap(), trust, proxy: None }),
            kind: GrantKind::ClientCredentials {
                client_id: "client id".to_owned().into(),
                client_secret: "s€cret&~*".to_owned().into(),
            },
            headers: Vec::new(),
            query_parameters: Vec::new(),
        }
    }

    /// The endpoint's own CA is believed.
    fn trust(&self) -> Trust {
        Trust::Private { ca_pem: self.endpoint.ca() }
    }

    /// A grant of another kind.
    fn of(&self, kind: GrantKind, url: &str, trust: Trust) -> GrantSpec {
        GrantSpec { kind, ..self.spec(url, trust) }
    }

    fn set(&self, spec: GrantSpec) {
        self.broker.set("g", Arc::new(spec));
    }

    /// With the grant `g` of this path.
    fn with(self, path: &str) -> Self {
        let url = self.url(path);
        self.set(self.spec(&url, Trust::Plain));
        self
    }

    async fn granted(&self, rejected: Option<u64>) -> Granted {
        match self.broker.ask("g", rejected).await {
            GrantAnswer::Granted(granted) => granted,
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&self) -> Refusal {
        match self.broker.ask("g", None).await {
            GrantAnswer::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }
}

/// Lines of a request's head in lower case, sorted, without the first; the first; the body.
fn parts(request: &str) -> (String, Vec<String>, String) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let first = lines.next().unwrap().to_owned();
    let mut lines: Vec<String> = lines.map(str::to_ascii_lowercase).collect();
    lines.sort();
    (first, lines, body.to_owned())
}

const TOKEN: &str = "{\"access_token\":\"t1\",\"token_type\":\"bearer\",\"expires_in\":3600,\"scope\":\"\"}";

#[tokio::test]
async fn broker_sends_exactly_what_the_contract_says() {
    let setup = setup(vec![json(TOKEN)], false);
    let mut spec = setup.spec(&setup.url("/oauth/token?b=2&a=1"), Trust::Plain);
    spec.headers = [
        ("x-tenant", "t"),
        ("authorization", "no"),
        ("content-type", "no"),
        ("x-tenant", "u"),
        ("host", "no"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned().into()))
    .to_vec();
    spec.query_parameters = vec![
        ("scope".to_owned(), vec!["x y".to_owned().into(), "z".to_owned().into()]),
        ("a".to_owned(), vec!["never".to_owned().into()]),
    ];
    setup.set(spec);
    let granted = setup.granted(None).await;
    assert_eq!(granted.authorization, "Bearer t1");
    let request = setup.endpoint.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<String> = head.lines().skip(1).map(str::to_ascii_lowercase).collect();
    lines.sort();
    assert!(head.starts_with("POST /oauth/token?a=1&b=2&scope=x+y&scope=z HTTP/1.1\r\n"), "{head}");
    let basic = fairlead_credential_injector::basic("client id", "s€cret&~*");
    let host = format!("host: token.example.test:{}", setup.endpoint.port());
    let want = [
        format!("authorization: {}", basic.to_ascii_lowercase()),
        format!("content-length: {}", body.len()),
        "content-type: application/x-www-form-urlencoded".to_owned(),
        host,
        "x-tenant: t".to_owned(),
        "x-tenant: u".to_owned(),
    ];
    assert_eq!(lines, want, "a complete list: no User-Agent");
    assert!(head.contains(&basic));
    let form = "client_id=client+id&client_secret=s%E2%82%ACcret%26~%2A&grant_type=client_credentials";
    assert_eq!(body, form);
}

#[tokio::test]
async fn broker_keeps_the_query_as_it_is_without_parameters() {
    let setup = setup(vec![json(TOKEN)], false).with("/t?b=2&a=%7e;x");
    setup.granted(None).await;
    assert!(setup.endpoint.requests()[0].starts_with("POST /t?b=2&a=%7e;x HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_thousand_callers_fetch_one_token_and_warm_ones_none() {
    let setup = setup(vec![json(TOKEN)], false).with("/t");
    let asks = (0..1_000).map(|_| {
        let broker = setup.broker.clone();
        tokio::spawn(async move { broker.ask("g", None).await })
    });
    let mut serials = Vec::new();
    for ask in asks.collect::<Vec<_>>() {
        let GrantAnswer::Granted(granted) = ask.await.unwrap() else { panic!("refused") };
        serials.push(granted.serial);
    }
    serials.dedup();
    assert_eq!((serials.len(), setup.endpoint.requests().len()), (1, 1));
    let again = setup.granted(None).await;
    assert_eq!((again.serial, setup.endpoint.requests().len()), (serials[0], 1));
    assert!(again.expires_ms.unwrap() <= 3_598_000 && again.expires_ms.unwrap() > 3_590_000);
    assert!(again.refresh_ms.unwrap() < again.expires_ms.unwrap());
    assert!(setup.metrics.text().contains("fairlead_control_grants_total{outcome=\"fetched\"} 1"));
    assert_eq!(setup.broker.ask("other", None).await, GrantAnswer::Unknown);
}

#[tokio::test]
async fn lifetimes_are_sane_for_every_expires_in() {
    for (field, expires) in [
        ("", None),
        (",\"expires_in\":0", None),
        (",\"expires_in\":-5", None),
        (",\"expires_in\":null", None),
        (",\"expires_in\":1", Some(500)),
        (",\"expires_in\":2", Some(1_000)),
        (",\"expires_in\":10", Some(8_000)),
        (",\"expires_in\":\"10\"", Some(8_000)),
    ] {
        let setup = setup(vec![json(&format!("{{\"access_token\":\"t\"{field}}}"))], false).with("/t");
        let granted = setup.granted(None).await;
        match (granted.expires_ms, expires) {
            (None, None) => assert_eq!(granted.refresh_ms, None),
            (Some(got), Some(want)) => assert!(got <= want && got + 400 > want, "{field}: {got}"),
            other => panic!("{field}: {other:?}"),
        }
    }
    let setup = setup(vec![json("{}")], false).with("/t");
    assert_eq!(setup.granted(None).await.authorization, "Bearer");
}

#[tokio::test]
async fn used_grants_are_renewed_ahead_of_their_end() {
    let answer = |n: u8| json(&format!("{{\"access_token\":\"t{n}\",\"expires_in\":3}}"));
    let setup = setup(vec![answer(1), answer(2), answer(3)], false).with("/t");
    let first = setup.granted(None).await;
    let second = crate::support::eventually("a newer grant", async || {
        let now = setup.granted(None).await;
        (now.serial > first.serial).then_some(now)
    })
    .await;
    assert_eq!(second.authorization, "Bearer t2");
    // It came from the background: its life had begun before anybody waited for it.
    assert!(setup.metrics.text().contains("outcome=\"fetched\"} 2"));
}

#[tokio::test]
async fn rejected_grants_are_replaced_by_newer_ones_within_a_limit() {
    let answers = (1..=5).map(|n| json(&format!("{{\"access_token\":\"t{n}\"}}"))).collect();
    let setup = setup(answers, false).with("/t");
    let first = setup.granted(None).await;
    let second = setup.granted(Some(first.serial)).await;
    assert!(second.serial > first.serial);
    assert_eq!(second.authorization, "Bearer t2");
    // Others who held the first one get the second without a fetch.
    assert_eq!(setup.granted(Some(first.serial)).await.serial, second.serial);
    assert_eq!(setup.granted(None).await.serial, second.serial);
    let third = setup.granted(Some(second.serial)).await;
    let GrantAnswer::Refused(refusal) = setup.broker.ask("g", Some(third.serial)).await else {
        panic!("no limit")
    };
    assert_eq!((refusal.status, refusal.reason), (503, Reason::GrantLimited));
    assert!(refusal.retry_after.is_some_and(|seconds| seconds <= 61));
    assert_eq!(setup.granted(None).await.serial, third.serial, "others go on");
    assert_eq!(setup.endpoint.requests().len(), 3);
}

#[tokio::test]
async fn a_failure_is_shared_and_not_remembered() {
    let bad = raw("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    let setup = setup(vec![bad, json(TOKEN)], false).with("/t");
    let asks = (0..50).map(|_| setup.broker.ask("g", None));
    for answer in futures_util::future::join_all(asks).await {
        assert!(matches!(answer, GrantAnswer::Refused(_)));
    }
    assert_eq!(setup.endpoint.requests().len(), 1);
    assert_eq!(setup.granted(None).await.authorization, "Bearer t1");
}

#[tokio::test]
async fn redirects_keep_credentials_within_their_origin() {
    // Same origin: 302 makes a GET without form, 307 repeats the POST; both keep Basic.
    let same = setup(vec![redirect(307, "/b"), redirect(302, "/c?x=1"), json(TOKEN)], false).with("/a");
    same.granted(None).await;
    let requests = same.endpoint.requests();
    assert!(requests[1].starts_with("POST /b ") && requests[1].ends_with("grant_type=client_credentials"));
    assert!(
        requests[2].starts_with("GET /c?x=1 ") && requests[2].to_lowercase().contains("authorization: basic")
    );
    assert!(requests[2].ends_with("\r\n\r\n") && !requests[2].to_lowercase().contains("content-type"));

    // Another origin: a GET without anything, a POST not at all.
    let elsewhere = TokenEndpoint::start(vec![json(TOKEN), json(TOKEN)], false);
    let there = elsewhere.url("token.example.test", "/e");
    let other = setup(vec![redirect(303, &there)], false).with("/a");
    other.granted(None).await;
    let bare = elsewhere.requests()[0].to_lowercase();
    assert!(bare.starts_with("get /e ") && !bare.contains("authorization"), "{bare}");
    let other = setup(vec![redirect(308, &format!("{there}?q=1"))], false).with("/a");
    let refusal = other.refused().await;
    assert!(refusal.body.contains("another origin") && !refusal.body.contains("q=1"), "{}", refusal.body);
    assert_eq!(elsewhere.requests().len(), 1);

    // Into the guarded network, and without end.
    let inside = format!("http://inside.example.test:{}/x", elsewhere.port());
    let guarded = setup(vec![redirect(302, &inside)], false).with("/a");
    assert!(guarded.refused().await.body.contains("is not allowed"));
    let endless = setup((0..20).map(|_| redirect(302, "/a")).collect(), false).with("/a");
    assert!(endless.refused().await.body.contains("stopped after 10 redirects"));
    assert_eq!(endless.endpoint.requests().len(), 11);
}

#[tokio::test]
async fn token_endpoints_are_believed_as_the_application_says() {
    for (trust, believed) in [
        (Trust::System, false),
        (Trust::Private { ca_pem: endpoint::other_ca() }, false),
        (Trust::Private { ca_pem: String::new() }, true),
        (Trust::Unverified, true),
    ] {
        let setup = setup(vec![json(TOKEN)], true);
        let trust = match trust {
            Trust::Private { ca_pem } if ca_pem.is_empty() => Trust::Private { ca_pem: setup.endpoint.ca() },
            other => other,
        };
        setup.set(setup.spec(&setup.url("/t"), trust.clone()));
        if believed {
            assert_eq!(setup.granted(None).await.authorization, "Bearer t1");
        } else {
            let refusal = setup.refused().await;
            assert!(refusal.status == 502 && refusal.body.contains("tls: "), "{trust:?}: {}", refusal.body);
        }
    }
    // The machine's CAs, when they have it; the name counts too.
    let setup = setup(vec![json(TOKEN), json(TOKEN)], true);
    fs::write(setup.directory.path().join("system.pem"), setup.endpoint.ca()).unwrap();
    setup.set(setup.spec(&setup.url("/t"), Trust::System));
    assert_eq!(setup.granted(None).await.authorization, "Bearer t1");
    let wrong = setup.endpoint.url("misnamed.example.test", "/t");
    setup.broker.set("wrong", Arc::new(setup.spec(&wrong, Trust::System)));
    assert!(matches!(setup.broker.ask("wrong", None).await, GrantAnswer::Refused(_)));
}

#[tokio::test]
async fn retired_grants_are_given_for_a_moment_and_then_forgotten() {
    let setup = setup(vec![json(TOKEN)], false).with("/t");
    let granted = setup.granted(None).await;
    setup.broker.retire("g");
    assert_eq!(setup.granted(None).await.serial, granted.serial, "a gateway may be one change behind");
    crate::support::eventually("it is forgotten", async || setup.broker.is_empty().then_some(())).await;
    assert_eq!(setup.broker.ask("g", None).await, GrantAnswer::Unknown);
}
