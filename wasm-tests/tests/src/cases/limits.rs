//! `spec.fairlead`'s limits: each Application has its own, changes are effective for the next call, and what one uses up
//! is not taken from its neighbour (decisions 21, 30).

use fairlead_testkit::{
    http::{Connection, Request, Response},
    resources::{Application, Entry},
};
use fairlead_wire::Reason;
use serde_json::{Value, json};

use crate::{
    case::Answer,
    place::{Needs, Place, Way},
};

/// An egress gateway whose own limits are none that these Applications reach.
pub const NEEDS: Needs =
    Needs { config: r#"{ "gateways": { "headersTimeout": "20s", "concurrency": 64 } }"#, ..Needs::EGRESS };

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn application(name: &str, place: &dyn Place, fairlead: Value) -> Application {
    let target = place.double().url("http").unwrap();
    Application::new(name).spec("fairlead", fairlead).service("svc", &[Entry::api(&target)])
}

/// Time until headers: shortened, and lifted again, while calls go on.
pub fn time_until_headers_changes_live(place: &dyn Place) {
    let put = |headers: &str| {
        let app = application("limits-time", place, json!({ "timeouts": { "headers": headers } }));
        place.put("limits-time", &[app.manifest()]).unwrap();
    };
    let neighbour = application("limits-other", place, json!({}));
    place.plant("limits-other", &[neighbour.manifest()], &["limits-other/svc"]).unwrap();
    let call = get("/limits-time/svc/delay/300");
    put("100ms");
    place.until(&call, |answer| answer.status == 504).unwrap();
    Answer::empty(504, Reason::TargetTimeout).check(&place.manual(&call).unwrap()).unwrap();
    place.manual(&get("/limits-other/svc/delay/300")).unwrap().expect(200).unwrap();
    for longer in ["5s", "0s"] {
        put(longer);
        place.until(&call, |answer| answer.status == 200).unwrap();
        put("100ms");
        place.until(&call, |answer| answer.status == 504).unwrap();
    }
}

/// Calls that are open at a time, many more than workers.
const OPEN: usize = 24;

/// Opens calls whose answers end only when the gate opens; their heads.
fn open(place: &dyn Place, path: &str) -> Vec<(Connection, Response)> {
    let request = get(path);
    let calls = (0..OPEN).map(|_| {
        let mut caller = place.connect(&Way::Manual).unwrap();
        caller.write(&request.bytes()).unwrap();
        let head = caller.begin(false).unwrap();
        (caller, head)
    });
    calls.collect()
}

/// The bulkhead: so many at a time in each worker, the others are told at once; a neighbour notices nothing.
pub fn calls_at_a_time_are_an_applications_own(place: &dyn Place) {
    let put = |concurrency: u32| {
        let app = application("limits-calls", place, json!({ "concurrency": concurrency }));
        place.put("limits-calls", &[app.manifest()]).unwrap();
    };
    let neighbour = application("limits-free", place, json!({}));
    place.plant("limits-free", &[neighbour.manifest()], &["limits-free/svc"]).unwrap();
    put(1);
    place.until(&get("/limits-calls/svc/x"), |answer| answer.status == 200).unwrap();
    let workers = place.taken().unwrap().len();

    let calls = open(place, "/limits-calls/svc/gate/limits-first/2");
    let served = calls.iter().filter(|(_, head)| head.status == 200).count();
    assert!((1..=workers).contains(&served), "{served} of {OPEN} with {workers} workers");
    let mut refused = calls.into_iter().filter(|(_, head)| head.status != 200).collect::<Vec<_>>();
    for (caller, head) in &mut refused {
        caller.finish(head).unwrap();
        let limited = Answer::json_begins(503, Reason::ConcurrencyLimited, "").header("retry-after", "1");
        limited.check(head).unwrap();
    }
    // What they left free is free again.
    place.until(&get("/limits-calls/svc/x"), |answer| answer.status == 200).unwrap();
    // The neighbour, with the installation's limit, has all of them at once.
    let calls = open(place, "/limits-free/svc/gate/limits-second/2");
    assert!(calls.iter().all(|(_, head)| head.status == 200));
    drop(calls);

    // Without a limit all are served.
    put(0);
    place
        .until(&get("/limits-calls/svc/x"), |_| {
            let calls = open(place, "/limits-calls/svc/gate/limits-third/2");
            calls.iter().all(|(_, head)| head.status == 200)
        })
        .unwrap();
}
