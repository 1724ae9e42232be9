//! The load generator counts what really happened.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::time::Duration;

use fairlead_testkit::{
    double::{Double, Setup},
    http::{Request, Tls},
    load::Load,
};

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

#[test]
fn counts_are_exact_and_wrong_answers_are_seen() {
    let double = Double::start(&Setup::default()).unwrap();
    let address = double.address("http").unwrap();
    let requests = [get("/status/200"), get("/status/404"), get("/drip/2/0"), get("/reset")];
    let load = Load::new(address, 4, &requests).judge(|status, body| status == 404 || !body.is_empty());
    let report = load.run(400).unwrap();
    assert_eq!(report.statuses.iter().map(|(s, n)| (*s, *n)).collect::<Vec<_>>(), [(200, 200), (404, 100)]);
    assert_eq!((report.failed(), report.wrong), (100, 0));
    assert!(report.percentile(0.5) <= report.percentile(0.99) && report.percentile(1.0) > Duration::ZERO);
    let judged = Load::new(address, 1, &[get("/status/200")]).judge(|_, _| false).run(10).unwrap();
    assert_eq!((judged.wrong, judged.examples.len()), (10, 5));
    assert_eq!(double.recorded(&[("path", "/status/200")]).unwrap().len(), 110);
}

#[test]
fn connections_are_kept_and_tls_works() {
    let double = Double::start(&Setup::default()).unwrap();
    let roots = std::fs::read_to_string(double.ca()).unwrap();
    let tls = Tls::new().server_name("x.example.test").roots(&roots);
    let load = Load::new(double.address("https1").unwrap(), 3, &[get("/bytes/10")]).tls(tls);
    let running = load.background().unwrap();
    fairlead_testkit::wait::until("requests", Duration::from_secs(20), || {
        (running.begun() > 300).then_some(())
    })
    .unwrap();
    let report = running.stop().unwrap();
    assert_eq!((report.failed(), report.statuses.len()), (0, 1));
    let mut connections: Vec<u64> =
        double.recorded(&[]).unwrap().iter().map(|request| request.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    assert_eq!(connections.len(), 3);
}

#[test]
fn a_rate_is_kept() {
    let double = Double::start(&Setup::default()).unwrap();
    let load = Load::new(double.address("http").unwrap(), 4, &[get("/status/200")]).rate(500);
    let report = load.run(100).unwrap();
    assert!(report.elapsed >= Duration::from_millis(190) && report.rate() < 530.0, "{}", report.rate());
}
