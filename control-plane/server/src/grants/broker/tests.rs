//! The broker with endpoints that are functions: what it asks for, how often, and who gets what.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use fairlead_model::{CsrfAuth, Endpoint, GrantKind, Trust};
use fairlead_wire::grant::Granted;
use futures_util::future::{BoxFuture, join_all};
use secrecy::{ExposeSecret, SecretString};

use super::{
    super::{
        failure::{Failure, Trouble},
        fetch::{Content, Fetched},
    },
    *,
};
use crate::config::Span;

/// Answers a fetch: which one it is of this grant, the grant, and the linked `Authorization`.
type Answer = dyn Fn(u64, &GrantSpec, Option<&str>) -> Result<Fetched, Trouble> + Send + Sync;

struct Endpoints {
    answer: Box<Answer>,
    latency: Duration,
    fetches: Mutex<HashMap<String, u64>>,
    total: AtomicU64,
}

impl Fetch for Endpoints {
    fn fetch<'a>(
        &'a self,
        spec: &'a GrantSpec,
        linked: Option<&'a SecretString>,
        _: Instant,
    ) -> BoxFuture<'a, Result<Fetched, Failure>> {
        Box::pin(async move {
            self.total.fetch_add(1, Ordering::Relaxed);
            let number = {
                let mut fetches = self.fetches.lock().unwrap();
                let number = fetches.entry(spec.id.clone()).or_default();
                *number += 1;
                *number
            };
            sleep(self.latency).await;
            let linked = linked.map(ExposeSecret::expose_secret);
            (self.answer)(number, spec, linked).map_err(|trouble| trouble.failure(&spec.kind, "there"))
        })
    }
}

struct World {
    broker: Broker,
    endpoints: Arc<Endpoints>,
    metrics: Metrics,
}

impl World {
    fn new(
        config: GrantsConfig,
        answer: impl Fn(u64, &GrantSpec, Option<&str>) -> Result<Fetched, Trouble> + Send + Sync + 'static,
    ) -> Self {
        let endpoints = Arc::new(Endpoints {
            answer: Box::new(answer),
            latency: Duration::from_millis(10),
            fetches: Mutex::default(),
            total: AtomicU64::new(0),
        });
        let metrics = Metrics::new();
        let broker = Broker::with(endpoints.clone(), config, metrics.clone());
        Self { broker, endpoints, metrics }
    }

    fn total(&self) -> u64 {
        self.endpoints.total.load(Ordering::Relaxed)
    }

    fn add(&self, id: &str, kind: GrantKind) -> Arc<GrantSpec> {
        let url = "https://token.test/t".parse().unwrap();
        let spec = Arc::new(GrantSpec {
            id: id.to_owned(),
            secret: format!("kyma-system/{id}"),
            endpoint: Ok(Endpoint { url, trust: Trust::System, proxy: None }),
            kind,
            headers: Vec::new(),
            query_parameters: Vec::new(),
        });
        self.broker.set(id, spec.clone());
        spec
    }

    fn oauth(&self, id: &str) -> Arc<GrantSpec> {
        let (client_id, client_secret) = (id.to_owned().into(), "s".to_owned().into());
        self.add(id, GrantKind::ClientCredentials { client_id, client_secret })
    }

    async fn granted(&self, id: &str, rejected: Option<u64>) -> Granted {
        match self.broker.ask(id, rejected).await {
            GrantAnswer::Granted(granted) => granted,
            other => panic!("{other:?}"),
        }
    }

    async fn refused(&self, id: &str) -> Refusal {
        match self.broker.ask(id, None).await {
            GrantAnswer::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    fn has(&self, line: &str) -> bool {
        self.metrics.text().lines().any(|have| have == line)
    }

    fn holds(&self, id: &str) -> bool {
        self.broker.0.entry(id).unwrap().lock().holds()
    }
}

fn token(spec: &GrantSpec, number: u64, lifetime: Option<u64>) -> Fetched {
    let content = Content::Authorization(format!("Bearer {}-{number}", spec.id).into());
    Fetched { content, lifetime: lifetime.map(Duration::from_millis) }
}

fn session(token: String) -> Fetched {
    let cookies = vec![format!("s={token}").into()];
    Fetched { content: Content::Csrf { cookies, token: token.into() }, lifetime: None }
}

fn down() -> Trouble {
    Trouble::Status { status: http::StatusCode::SERVICE_UNAVAILABLE, retry_after: None }
}

fn refused() -> Trouble {
    Trouble::Status { status: http::StatusCode::UNAUTHORIZED, retry_after: None }
}

async fn until(mut is: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), wait).await.unwrap();
}

/// How many credentials are refreshed at the same time.
const MANY: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_credentials_are_refreshed_and_nobody_ever_waits() {
    // Good for 5 s each; the broker fetches the next after 3.5 to 4 s, gateways ask for it after 4.25 s.
    let world = World::new(GrantsConfig::default(), |number, spec, _| Ok(token(spec, number, Some(7_000))));
    let ids: Vec<String> = (0..MANY).map(|number| format!("g{number}")).collect();
    ids.iter().for_each(|id| drop(world.oauth(id)));
    let gateways = ids.iter().map(async |id| {
        let mut serials = Vec::new();
        while serials.len() < 3 {
            let held = world.granted(id, None).await;
            serials.push(held.serial);
            serials.dedup();
            sleep(Duration::from_millis(held.refresh_ms.unwrap())).await;
        }
    });
    join_all(gateways).await;
    let many = MANY as u64;
    assert!(world.total() >= 3 * many, "{}", world.total());
    let demanded = "fairlead_control_grant_fetches_total{kind=\"oauth\",cause=\"demand\",outcome=\"ok\"}";
    assert!(world.has(&format!("{demanded} {many}")), "somebody waited: {}", world.metrics.text());
    assert!(world.has(&format!("fairlead_control_grants_known {many}")));
}

#[tokio::test]
async fn what_nobody_uses_is_not_refreshed_and_leaves_memory() {
    let world = World::new(GrantsConfig::default(), |number, spec, _| Ok(token(spec, number, Some(1_000))));
    world.oauth("g");
    world.granted("g", None).await;
    // Refreshed once, because it was asked for; not again, because the next one never was.
    until(async || world.total() == 2 && !world.holds("g")).await;
    assert_eq!(world.total(), 2);
}

#[tokio::test]
async fn a_thousand_rejections_are_one_new_grant_and_there_is_a_limit() {
    let config = GrantsConfig { max_rejections: 2, ..GrantsConfig::default() };
    let world = World::new(config, |number, spec, _| Ok(token(spec, number, None)));
    world.oauth("g");
    let first = world.granted("g", None).await;
    let storm = join_all((0..1_000).map(|_| world.granted("g", Some(first.serial)))).await;
    assert!(storm.iter().all(|granted| granted.authorization == "Bearer g-2"), "{storm:?}");
    assert_eq!(world.total(), 2);
    let third = world.granted("g", Some(storm[0].serial)).await;
    for _ in 0..100 {
        let GrantAnswer::Refused(refusal) = world.broker.ask("g", Some(third.serial)).await else { panic!() };
        assert_eq!((refusal.status, refusal.reason), (503, Reason::GrantLimited));
        assert!(refusal.retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)), "{refusal:?}");
    }
    assert_eq!(world.total(), 3);
    assert!(world.has("fairlead_control_grants_total{outcome=\"limited\"} 100"));
}

#[tokio::test]
async fn serials_rise_whatever_the_clock_was_when_they_were_given() {
    let world = World::new(GrantsConfig::default(), |number, spec, _| Ok(token(spec, number, None)));
    world.oauth("g");
    // Given before a restart, by a clock that was a century ahead.
    let future = 5_000_000_000_000;
    assert!(world.granted("g", Some(future)).await.serial > future);
    assert!(world.granted("g", Some(future + 1)).await.serial > future + 1);
}

#[tokio::test]
async fn callers_cannot_make_the_broker_hammer_an_endpoint() {
    let config = GrantsConfig { back_off: Span::milliseconds(500), ..GrantsConfig::default() };
    let world = World::new(
        config,
        |number, spec, _| {
            if number <= 4 { Err(refused()) } else { Ok(token(spec, number, None)) }
        },
    );
    world.oauth("g");
    for _ in 0..200 {
        let refusal = world.refused("g").await;
        assert_eq!((refusal.status, refusal.reason), (502, Reason::TokenEndpointStatus));
        assert!(
            refusal.body.contains("incorrect response code '401'"),
            "the cause, not the wait: {refusal:?}"
        );
    }
    assert_eq!(world.total(), 3, "a few tries at once, then none for a while");
    assert_eq!(world.broker.troubled().await.into_iter().collect::<Vec<_>>(), ["g"]);
    let trouble = world.broker.trouble("g").unwrap();
    assert_eq!((trouble.secret.as_str(), trouble.reason), ("kyma-system/g", Reason::TokenEndpointStatus));
    assert_eq!(world.refused("g").await.retry_after, Some(1));
    until(async || matches!(world.broker.ask("g", None).await, GrantAnswer::Granted(_))).await;
    assert_eq!((world.granted("g", None).await.authorization.as_str(), world.total()), ("Bearer g-5", 5));
    assert!(world.has("fairlead_control_grant_endpoints_shut 0"), "an endpoint that answers is not shut");
    assert_eq!(world.broker.troubled().await.len(), 1);
    assert_eq!(world.broker.trouble("g"), None);
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_asked_by_one_for_all() {
    let config = GrantsConfig { breaker_open: Span::milliseconds(500), ..GrantsConfig::default() };
    let up = Arc::new(AtomicBool::new(false));
    let told = up.clone();
    let world = World::new(config, move |number, spec, _| {
        if told.load(Ordering::Relaxed) { Ok(token(spec, number, None)) } else { Err(down()) }
    });
    (0..100).for_each(|number| drop(world.oauth(&format!("g{number}"))));
    for number in 0..100 {
        let refusal = world.refused(&format!("g{number}")).await;
        assert_eq!(refusal.status, 502);
        if number >= 10 {
            assert_eq!(refusal.reason, Reason::TokenEndpointLimited, "{number}");
            assert!(
                refusal.retry_after.is_some() && refusal.body.contains("failed too often"),
                "{refusal:?}"
            );
        }
    }
    assert!((10..=12).contains(&world.total()), "{}", world.total());
    assert!(world.has("fairlead_control_grant_endpoints_shut 1"));
    up.store(true, Ordering::Relaxed);
    until(async || matches!(world.broker.ask("g99", None).await, GrantAnswer::Granted(_))).await;
    // What only waited for the endpoint has not failed itself, so nothing holds it back now.
    for number in 50..100 {
        world.granted(&format!("g{number}"), None).await;
    }
    assert!(world.has("fairlead_control_grant_endpoints_shut 0"));
}

#[tokio::test]
async fn a_flapping_endpoint_costs_no_call_while_the_grant_is_good() {
    // Good for 5 s, so that the next is tried after 3.5 to 4 s, and once more a second later, which succeeds.
    let world = World::new(GrantsConfig::default(), |number, spec, _| {
        if number % 2 == 0 { Err(down()) } else { Ok(token(spec, number, Some(9_000))) }
    });
    world.oauth("g");
    let first = world.granted("g", None).await;
    until(async || world.granted("g", None).await.serial > first.serial).await;
    assert_eq!(world.total(), 3);
    let metrics = world.metrics.text();
    let count = |cause: &str, outcome: &str| {
        let line = format!("grant_fetches_total{{kind=\"oauth\",cause=\"{cause}\",outcome=\"{outcome}\"}} 1");
        metrics.contains(&line)
    };
    assert!(count("demand", "ok") && count("refresh", "token_endpoint_status") && count("refresh", "ok"));
}

#[tokio::test]
async fn csrf_sessions_belong_to_a_credential_and_use_its_token() {
    let world = World::new(GrantsConfig::default(), |number, spec, linked| {
        Ok(match spec.kind {
            GrantKind::Csrf { .. } => {
                session(format!("{}-{number} by {}", spec.id, linked.unwrap_or("none")))
            }
            _ => token(spec, number, Some(3_600_000)),
        })
    });
    for name in ["a", "b"] {
        let linked = world.oauth(name);
        world.add(&format!("{name}-csrf"), GrantKind::Csrf { with: CsrfAuth::Grant(linked) });
    }
    let (a, b) = tokio::join!(
        join_all((0..500).map(|_| world.granted("a-csrf", None))),
        join_all((0..500).map(|_| world.granted("b-csrf", None)))
    );
    for (granted, want) in [(&a, "a-csrf-1 by Bearer a-1"), (&b, "b-csrf-1 by Bearer b-1")] {
        for granted in granted {
            let csrf = granted.csrf.as_ref().unwrap();
            assert_eq!((csrf.token.as_str(), granted.authorization.as_str()), (want, ""));
            assert_eq!(csrf.cookies, [format!("s={want}")]);
            assert_eq!((granted.refresh_ms, granted.expires_ms), (None, None), "good until it is rejected");
        }
    }
    assert_eq!(world.total(), 4, "one request for each of the four");
    // Rejecting one session renews it alone.
    let renewed = world.granted("a-csrf", Some(a[0].serial)).await;
    assert_eq!(renewed.csrf.unwrap().token, "a-csrf-2 by Bearer a-1");
    assert_eq!((world.granted("b-csrf", None).await.serial, world.total()), (b[0].serial, 5));
}

#[tokio::test]
async fn a_csrf_endpoint_that_rejects_the_token_gets_a_newer_one_once() {
    let config = GrantsConfig { max_rejections: 2, ..GrantsConfig::default() };
    // The first token of `a` is over; `never` is refused whatever it shows.
    let world = World::new(config, |number, spec, linked| match (&spec.kind, linked) {
        (GrantKind::Csrf { .. }, Some("Bearer a-2")) => Ok(session("s".to_owned())),
        (GrantKind::Csrf { .. }, _) => Err(refused()),
        _ => Ok(token(spec, number, None)),
    });
    let linked = world.oauth("a");
    world.add("csrf", GrantKind::Csrf { with: CsrfAuth::Grant(linked) });
    assert_eq!(world.granted("csrf", None).await.csrf.unwrap().token, "s");
    assert_eq!(world.total(), 4, "token, session, newer token, session");
    assert_eq!(world.granted("a", None).await.authorization, "Bearer a-2", "others have the newer one too");

    let linked = world.oauth("never");
    world.add("refused", GrantKind::Csrf { with: CsrfAuth::Grant(linked) });
    for _ in 0..100 {
        let refusal = world.refused("refused").await;
        assert_eq!((refusal.status, refusal.reason), (502, Reason::CsrfEndpointStatus));
        assert!(refusal.body.contains("incorrect response code '401' while getting token from there"));
    }
    // One token, two renewals that the limit allows, two sessions asked for with each try that renews, one without.
    assert_eq!(world.total(), 4 + 3 + 5);
}

#[tokio::test]
async fn a_csrf_session_without_its_token_is_refused_as_the_token_is() {
    let world = World::new(GrantsConfig::default(), |_, _, _| Err(down()));
    let linked = world.oauth("a");
    world.add("csrf", GrantKind::Csrf { with: CsrfAuth::Grant(linked.clone()) });
    assert_eq!(world.refused("csrf").await, world.refused("a").await);
    // The model names both or none; a moment between the two is told as one.
    let other = World::new(GrantsConfig::default(), |number, spec, linked| match linked {
        Some(_) => Ok(session("s".to_owned())),
        None => Ok(token(spec, number, None)),
    });
    other.add("csrf", GrantKind::Csrf { with: CsrfAuth::Grant(linked) });
    let refusal = other.refused("csrf").await;
    assert_eq!((refusal.status, refusal.reason, refusal.retry_after), (503, Reason::GrantUnknown, Some(1)));
    other.oauth("a");
    other.granted("csrf", None).await;
}

#[tokio::test]
async fn whoever_does_not_lead_holds_nothing() {
    let world = World::new(GrantsConfig::default(), |number, spec, _| Ok(token(spec, number, Some(60_000))));
    world.oauth("g");
    let first = world.granted("g", None).await;
    world.broker.activate(false);
    assert!(!world.holds("g"));
    // Under way when it ended: whoever waits gets it, nobody keeps it.
    world.granted("g", None).await;
    assert!(!world.holds("g"));
    world.broker.activate(true);
    assert!(world.granted("g", None).await.serial > first.serial);
}
