//! Acceptance walk D in a mesh: requests of known size are counted exactly, and Istio's bootstrap splits the labels.

#![allow(clippy::unwrap_used, reason = "tests")]

use fairlead_mesh::{MeshBed, bed::LIMIT};
use fairlead_testkit::{
    http::Request,
    prometheus::Samples,
    resources::{Application, Entry},
    wait,
};
use fairlead_tests::place::{Needs, Place as _};

const REQUESTS: &str = "fairlead_requests_total";

#[test]
fn walk_d() {
    super::run(&Needs::EGRESS, metered).unwrap();
}

/// What all egress gateways have counted.
fn counted(bed: &MeshBed) -> Samples {
    let texts = bed.egress().into_iter().map(|gateway| gateway.admin("/stats/prometheus").unwrap().text());
    Samples::read(&texts.collect::<Vec<_>>().join("\n"))
}

fn metered(bed: &MeshBed) {
    let http = bed.double.url_by_name("http", "plain.example.test").unwrap();
    let app = |name: &str| Application::new(name).service("orders", &[Entry::api(&http)]).manifest();
    bed.put("metered", &[app("walk-d-one"), app("walk-d-two")]).unwrap();
    for application in ["walk-d-one", "walk-d-two"] {
        let ready = Request::new("GET", format!("/{application}/orders/bytes/0"));
        bed.until(&ready, |answer| answer.status == 200).unwrap();
    }
    let of = |application: &'static str, reason: &'static str| {
        [("view", "egress"), ("application", application), ("service", "orders"), ("reason", reason)]
    };
    let row = |samples: &Samples, application, reason| {
        let names = [REQUESTS, "fairlead_received_bytes_total", "fairlead_sent_bytes_total"];
        names.map(|name| samples.sum(name, &of(application, reason)))
    };
    let quiet = || {
        let samples = counted(bed);
        let one = samples.sum(REQUESTS, &of("walk-d-one", "ok")) > 0;
        let two = samples.sum(REQUESTS, &of("walk-d-two", "ok")) > 0;
        (one && two && samples.sum("fairlead_requests_in_flight", &[]) == 0).then_some(samples)
    };
    let before = wait::until("counters with labels", LIMIT, quiet).unwrap();
    for (application, times, size) in [("walk-d-one", 12, 2_000), ("walk-d-two", 7, 100_000)] {
        for _ in 0..times {
            let request =
                Request::new("POST", format!("/{application}/orders/bytes/{size}")).body([b'x'; 123]);
            bed.manual(&request).unwrap().expect(200).unwrap();
        }
    }
    for _ in 0..5 {
        let failing = Request::new("GET", "/walk-d-one/orders/status/500");
        bed.manual(&failing).unwrap().expect(502).unwrap();
    }
    let expected = [
        ("walk-d-one", "ok", [12, 12 * 123, 12 * 2_000]),
        ("walk-d-two", "ok", [7, 7 * 123, 7 * 100_000]),
        ("walk-d-one", "target_error", [5, 0, 5 * 10]),
    ];
    let all = || {
        let samples = counted(bed);
        let more = |application, reason| {
            let (now, was) = (row(&samples, application, reason), row(&before, application, reason));
            [now[0] - was[0], now[1] - was[1], now[2] - was[2]]
        };
        let seen = expected.map(|(application, reason, _)| more(application, reason));
        if seen == expected.map(|(.., numbers)| numbers) {
            Ok(())
        } else {
            Err(fairlead_testkit::Error::new(format!("{seen:?}")))
        }
    };
    wait::attempt("requests and bytes of walk D", LIMIT, all).unwrap();
    // Names are whole: no label is left in them.
    let names = counted(bed).names("fairlead_");
    assert!(names.iter().all(|name| !name.contains("__")), "{names:?}");
}
