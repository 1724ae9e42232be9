//! A grant that one worker has serves all of them, the control plane away or not.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    http::{Connection, Request},
    load::Load,
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_tests::worker::connections;

const WORKERS: usize = 2;
const CALLS: usize = 200;
const CONNECTIONS: usize = 64;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// Applications `app` and `none`; only `app` needs a token, which lives for an hour.
fn start() -> Bed {
    Bed::start(|seed| {
        let client_secret = seed.secret("client-secret")?;
        let http = seed.double.url("http")?;
        let target = format!("{http}/base");
        let app = Application::new("app")
            .service("svc", &[Entry::api(&target).oauth("oauth", &format!("{http}/oauth/token"))]);
        let none = Application::new("none").service("svc", &[Entry::api(&target)]);
        let oauth = secret("oauth", &[("clientId", "id"), ("clientSecret", &client_secret)]);
        seed.put("app.yaml", &[app.manifest(), none.manifest(), oauth]);
        Ok(())
    })
    .unwrap()
}

/// Questions for grants that reached the control plane one after the other: each was answered from what it holds, or
/// made it fetch.
fn questions(bed: &Bed) -> u64 {
    let metrics = bed.control.metrics().unwrap().text();
    let lines = metrics.lines().filter(|line| line.starts_with("fairlead_control_grants_total{"));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

fn authorizations(bed: &Bed) -> Vec<String> {
    let seen = bed.double.recorded(&[("prefix", "/base")]).unwrap();
    seen.iter().flat_map(|request| request.header("authorization")).collect()
}

#[test]
fn a_grant_of_one_worker_serves_all_while_the_control_plane_is_away() {
    let mut bed = start();
    // Each worker knows the records; none has asked for the grant.
    for worker in connections(&bed.egress, bed.manual_address(), WORKERS, 1).unwrap() {
        for mut connection in worker {
            wait::attempt("the worker's view", LIMIT, || connection.send(&get("/none/svc"))?.expect(200))
                .unwrap();
        }
    }
    bed.double.clear().unwrap();
    bed.manual(&get("/app/svc")).unwrap().expect(200).unwrap();
    let token = authorizations(&bed);
    assert!(matches!(&token[..], [only] if only.starts_with("Bearer ")), "{} tokens", token.len());
    assert_eq!(questions(&bed), 1);

    bed.control.stop().unwrap();
    bed.double.clear().unwrap();
    let before = served(&bed);
    let address = bed.manual_address();
    let mut open: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(address).unwrap()).collect();
    for number in 0..CALLS {
        let answer = open[number % CONNECTIONS].send(&get("/app/svc")).unwrap();
        assert_eq!(answer.status, 200, "call {number}: {answer:?}");
    }
    let seen = authorizations(&bed);
    assert_eq!(seen.len(), CALLS);
    assert!(seen.iter().all(|value| *value == token[0]), "another token");
    for (worker, (now, before)) in served(&bed).iter().zip(before).enumerate() {
        assert!(*now > before, "worker {worker} served nothing");
    }
    assert_eq!(bed.double.counts().unwrap().token_requests, 1);
    bed.finish().unwrap();
}

/// Connections that each worker took.
fn served(bed: &Bed) -> Vec<u64> {
    let of = |worker: usize| {
        let name = format!("worker_{worker}.downstream_cx_total");
        bed.egress.stat(|stat| stat.ends_with(&name)).unwrap()
    };
    (0..WORKERS).map(of).collect()
}

#[test]
fn a_grant_that_is_there_is_not_asked_for_by_another_worker() {
    let bed = start();
    bed.manual(&get("/app/svc")).unwrap().expect(200).unwrap();
    assert_eq!(questions(&bed), 1);
    let load =
        Load::new(bed.manual_address(), CONNECTIONS, &[get("/app/svc")]).judge(|status, _| status == 200);
    let report = load.run(CALLS as u64).unwrap();
    assert_eq!((report.answers(), report.wrong, report.failed()), (CALLS as u64, 0, 0), "{report:?}");
    assert_eq!(questions(&bed), 1);
    bed.finish().unwrap();
}
