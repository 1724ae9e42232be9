//! Ingress without its control plane: a view that is too old is not believed, a missing one is waited for, and whatever
//! is not ours passes all the while. In both pipelines; for `identify` also what it says and what it leaves alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a failure is a failed test")]

use std::time::{Duration, Instant};

use fairlead_testkit::{
    bed::{Bed, INGRESS_HOST, LIMIT, Seed, outside},
    certs::{Attribute, Authority, Request as Certificate},
    external::record::Recorded,
    http::{CALLER, Request, Response, Tls},
    resources::{Application, Entry},
    wait,
};
use fairlead_tests::{
    case::{Answer, Text},
    cases::ingress::post,
};
use fairlead_wire::Reason;
use serde_json::json;

/// A host that is not ours.
const ELSEWHERE: &str = "elsewhere.kyma.local";

fn plant(seed: &mut Seed, authority: &Authority) -> fairlead_testkit::Result {
    seed.ingress(&[authority])?;
    seed.configure(&json!({ "gateways": { "maxStaleness": "2s", "hold": "500ms" } }));
    let shop = Application::new("shop").service("api", &[Entry::api(&seed.double.url("http")?)]);
    let managed = Application::new("managed").client_ids(&["client-1", "client-2"]);
    seed.put("away.yaml", &[shop.manifest(), managed.manifest()]);
    Ok(())
}

#[test]
fn a_gateway_that_routes_refuses_what_it_cannot_know() {
    let authority = Authority::new("Clients").unwrap();
    let mut bed = Bed::start(|seed| plant(seed, &authority)).unwrap();
    let shop = outside(&authority.client("shop").unwrap());
    let not_ours = |answer: &Response| {
        let refusal = Answer::json(403, Reason::NotRouted, "");
        Answer { body: Text::Any, ..refusal }.check(answer).unwrap();
    };
    away(&mut bed, &shop, 204, not_ours);
    bed.finish().unwrap();
}

#[test]
fn a_gateway_that_identifies_says_who_it_is_and_leaves_the_rest_alone() {
    let authority = Authority::new("Clients").unwrap();
    let mut bed = Bed::start(|seed| {
        let behind = seed.double.address("http")?;
        seed.configure(&json!({ "gateways": { "ingress": { "pipeline": { "identify": behind } } } }));
        plant(seed, &authority)
    })
    .unwrap();
    identities(&bed, &authority);
    let shop = outside(&authority.client("shop").unwrap());
    let untouched = |answer: &Response| {
        let seen: Recorded = answer.json().unwrap();
        assert_eq!(
            (seen.target.text().as_str(), seen.header("host")),
            ("/shop/events", vec![ELSEWHERE.into()])
        );
        assert!(seen.header("x-application").is_empty());
    };
    away(&mut bed, &shop, 200, untouched);
    bed.finish().unwrap();
}

/// Takes the control plane away and gives it back. `status` is what an event of the shop gets while all is well,
/// `not_ours` judges the answer for another host.
fn away(bed: &mut Bed, shop: &Tls, status: u16, not_ours: impl Fn(&Response)) {
    let event = |bed: &Bed| bed.from_outside(shop, &post("/shop/events")).unwrap();
    let other =
        Request::new("POST", "/shop/events").header("Host", ELSEWHERE).header("X-Application", "shop");
    let elsewhere = |bed: &Bed| not_ours(&bed.from_outside(shop, &other.clone().body("{}")).unwrap());
    let egress = |bed: &Bed| bed.manual(&Request::new("GET", "/shop/api")).unwrap().status;
    assert_eq!((event(bed).status, egress(bed)), (status, 200));
    elsewhere(bed);

    // A view without changes does not grow old while the control plane is there: longer than the limit of 2 s.
    let end = Instant::now() + Duration::from_secs(3);
    wait::until("longer than a view may be old", LIMIT, || {
        assert_eq!(event(bed).status, status);
        (Instant::now() > end).then_some(())
    })
    .unwrap();

    bed.control.stop().unwrap();
    let text = "the gateway has not heard of its control plane for too long, please retry";
    let stale = Answer::json(503, Reason::Stale, text).header("retry-after", "10");
    wait::attempt("a view that is too old", LIMIT, || stale.check(&event(bed))).unwrap();
    elsewhere(bed);
    assert_eq!(egress(bed), 200);

    // Without any view. The request is held, then refused.
    bed.ingress.as_mut().unwrap().restart().unwrap();
    elsewhere(bed);
    let answer = event(bed);
    assert_eq!((answer.status, answer.header("x-fairlead-reason")), (503, vec![Reason::Cold.to_string()]));
    assert_eq!(answer.header("retry-after").len(), 1);
    elsewhere(bed);
    assert_eq!(egress(bed), 200);

    bed.control.start_again().unwrap();
    wait::until("a view", LIMIT, || (event(bed).status == status).then_some(())).unwrap();
    elsewhere(bed);
}

/// What `identify` mode says of whom, and what arrives behind it.
fn identities(bed: &Bed, authority: &Authority) {
    let send = |common_name: &str, path: &str| -> Recorded {
        let certificate = Certificate::client(&[Attribute::CommonName(common_name)])
            .uri("spiffe://cluster.local/ns/shop/sa/shop");
        let tls = outside(&authority.issue(&certificate).unwrap());
        let request = post(path)
            .header("X-Application", "managed")
            .header("x-application", "shop")
            .header("X-Forwarded-Client-Cert", "Hash=0;Subject=\"CN=shop\"")
            .header("X-Request-Id", "theirs")
            .header("x-fairlead-profile", "fairlead.control")
            .header("x-envoy-max-retries", "3");
        bed.from_outside(&tls, &request).unwrap().expect(200).unwrap().json().unwrap()
    };
    for (common_name, path, application) in [
        ("shop", "/shop/v1/events?a=%7c", Some("shop")),
        ("shop", "/any//where", Some("shop")),
        ("shop", "/managed/events", Some("shop")),
        ("client-2", "/managed/events", Some("managed")),
        ("client-2", "/any/where", None),
        ("managed", "/managed/events", None),
        ("evil", "/shop/events", None),
        ("evil", "/nobody/events", None),
    ] {
        let seen = send(common_name, path);
        assert_eq!(seen.target.text(), path, "{common_name}");
        let [xfcc] = &seen.header("x-forwarded-client-cert")[..] else {
            panic!("one XFCC: {:?}", seen.headers)
        };
        let pairs: Vec<_> = xfcc.split(';').map(|pair| pair.split_once('=').unwrap()).collect();
        let [("Hash", _), ("Cert", _), ("Subject", subject)] = pairs[..] else { panic!("{xfcc}") };
        assert_eq!(subject, format!("\"CN={common_name}\""));

        let mut expected = vec![
            ("content-length".to_owned(), "2".to_owned()),
            ("host".to_owned(), INGRESS_HOST.to_owned()),
            ("x-forwarded-client-cert".to_owned(), xfcc.clone()),
            ("x-forwarded-for".to_owned(), CALLER.to_string()),
            ("x-forwarded-proto".to_owned(), "https".to_owned()),
            ("x-request-id".to_owned(), "theirs".to_owned()),
        ];
        expected.extend(application.map(|name| ("x-application".to_owned(), name.to_owned())));
        expected.sort();
        assert_eq!(seen.sorted_headers(), expected, "{common_name} {path}");
    }
}
