//! A gateway that is there before its control plane: requests are held, within bounds (design decision 7).

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::time::{Duration, Instant};

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    http::Request,
    resources::{Application, Entry},
    wait,
};
use fairlead_tests::worker::connections;
use serde_json::json;

const WORKERS: usize = 2;
const MAX_HELD: usize = 4;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// A bed whose control plane is away while its gateway has just started.
fn cold(hold: &str) -> Bed {
    let mut bed = Bed::start(|seed| {
        let app = Application::new("app").service("svc", &[Entry::api(&seed.double.url("http")?)]);
        seed.put("app.yaml", &[app.manifest()]);
        seed.configure(&json!({ "gateways": { "hold": hold, "maxHeld": MAX_HELD } }));
        Ok(())
    })
    .unwrap();
    bed.control.stop().unwrap();
    bed.restart_egress().unwrap();
    bed
}

#[test]
fn each_worker_holds_so_many_and_serves_them_when_the_control_plane_comes() {
    let mut bed = cold("20s");
    let mut workers = connections(&bed.egress, bed.manual_address(), WORKERS, MAX_HELD + 1).unwrap();
    let held = || bed.egress.stat(|name| name.contains("fairlead_held")).unwrap();
    let mut expected = 0;
    for worker in &mut workers {
        let mut last = worker.pop().unwrap();
        for connection in worker.iter_mut() {
            connection.write(&get("/app/svc").bytes()).unwrap();
            expected += 1;
            wait::until("a held request", LIMIT, || (held() == expected).then_some(())).unwrap();
        }
        // One more than a worker holds is refused at once, and its connection stays.
        let begin = Instant::now();
        let refused = last.send(&get("/app/svc")).unwrap();
        assert_eq!((refused.status, refused.header("retry-after")), (503, vec!["1".to_owned()]));
        assert_eq!(refused.header("x-fairlead-reason"), ["too_many_held"]);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        assert_eq!(last.send(&get("/")).unwrap().status, 400);
    }
    bed.control.start_again().unwrap();
    for connection in workers.iter_mut().flatten() {
        let mut answer = connection.begin(false).unwrap();
        connection.finish(&mut answer).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    bed.finish().unwrap();
}

#[test]
fn a_request_is_held_up_to_the_bound_and_its_place_is_free_again() {
    let bed = cold("1s");
    let workers = connections(&bed.egress, bed.manual_address(), WORKERS, 1).unwrap();
    for mut connection in workers.into_iter().flatten() {
        for _ in 0..2 {
            let begin = Instant::now();
            let answer = connection.send(&get("/app/svc").body("x".repeat(1 << 16))).unwrap();
            let took = begin.elapsed();
            assert_eq!((answer.status, answer.header("retry-after")), (503, vec!["1".to_owned()]));
            assert_eq!(answer.header("x-fairlead-reason"), ["cold"]);
            assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&took), "{took:?}");
        }
    }
    bed.finish().unwrap();
}
