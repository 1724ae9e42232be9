//! Calls of one Application at a time (`spec.fairlead.concurrency`).

use fairlead_testkit::{
    bed::LIMIT,
    http::{Connection, Request},
    resources::{Application, Entry},
    wait,
};
use fairlead_wire::Reason;
use serde_json::json;

use crate::{
    case::Answer,
    place::{Needs, Place, Way},
};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

/// Of one worker.
const AT_A_TIME: usize = 2;
const CALLERS: usize = 24;

/// At its limit an Application refuses, its neighbours do not notice, and a place is free when a stream has ended.
pub fn an_application_has_so_many_calls_at_a_time(place: &dyn Place) {
    let target = format!("{}/base", place.double().url("http").unwrap());
    let app = |name: &str| {
        let fairlead = if name == "bulk" { json!({ "concurrency": AT_A_TIME }) } else { json!({}) };
        Application::new(name)
            .spec("fairlead", fairlead)
            .service("one", &[Entry::api(&target)])
            .service("two", &[Entry::api(&target)])
    };
    let manifests = [app("bulk").manifest(), app("bulk-next").manifest()];
    let services = ["bulk/one", "bulk/two", "bulk-next/one", "bulk-next/two"];
    place.plant("bulk", &manifests, &services).unwrap();
    let workers = place.taken().unwrap().len();

    // Each stays open after its first event.
    let open = |app: &str, number: usize| {
        let service = if number.is_multiple_of(2) { "one" } else { "two" };
        let mut caller = place.connect(&Way::Manual).unwrap();
        caller.write(&Request::new("GET", format!("/{app}/{service}/gate/bulk/2")).bytes()).unwrap();
        let answer = caller.begin(false).unwrap();
        (caller, answer)
    };
    let mut calls: Vec<_> = (0..CALLERS).map(|number| open("bulk", number)).collect();
    for (caller, answer) in calls.iter_mut().filter(|(_, answer)| answer.status != 200) {
        caller.finish(answer).unwrap();
        Answer::json(503, Reason::ConcurrencyLimited, "too many calls of this application are in progress")
            .header("retry-after", "1")
            .check(answer)
            .unwrap();
    }
    let streams: Vec<Connection> =
        calls.into_iter().filter(|(_, answer)| answer.status == 200).map(|(caller, _)| caller).collect();
    assert!((AT_A_TIME..=workers * AT_A_TIME).contains(&streams.len()), "{} calls", streams.len());

    let neighbours: Vec<_> = (0..CALLERS).map(|number| open("bulk-next", number)).collect();
    assert!(neighbours.iter().all(|(_, answer)| answer.status == 200));
    drop(neighbours);

    // Whoever leaves makes room.
    drop(streams);
    wait::until("room", LIMIT, || {
        let answers = (0..8).map(|_| place.manual(&Request::new("GET", "/bulk/one/x")).ok());
        answers.flatten().all(|answer| answer.status == 200).then_some(())
    })
    .unwrap();
    // Calls one after the other never fill it.
    for _ in 0..50 {
        place.manual(&Request::new("GET", "/bulk/two/x")).unwrap().expect(200).unwrap();
    }
}
