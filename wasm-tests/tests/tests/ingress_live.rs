//! Changes of who may send events take effect while events flow, and no event is refused or lost meanwhile.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::time::{Duration, Instant};

use fairlead_testkit::{
    Error, Result,
    bed::{Bed, INGRESS_HOST, LIMIT, outside},
    certs::Authority,
    http::{Connection, Request},
    load::Load,
    resources::Application,
    wait,
};
use fairlead_tests::cases::ingress::post;

/// How often it changes who may send.
const CHANGES: usize = 60;
/// Events a second meanwhile.
const RATE: u32 = 500;
/// Connections of each client that watches: enough that every worker is watched.
const WATCHERS: usize = 3;

#[test]
fn who_may_send_changes_within_a_tenth_of_a_second_and_no_event_is_lost() {
    let authority = Authority::new("Clients").unwrap();
    let bed = Bed::start(|seed| {
        seed.ingress(&[&authority])?;
        seed.put("steady.yaml", &[Application::new("steady").manifest()]);
        Ok(())
    })
    .unwrap();
    bed.double.change(|settings| settings.record = false).unwrap();
    let resources = bed.resources().unwrap();
    let address = bed.ingress_address().unwrap();
    let client = |name: &str| outside(&authority.client(name).unwrap());
    let mut watchers: Vec<Vec<Connection>> = ["one", "two"]
        .map(|name| {
            let connections = (0..WATCHERS).map(|_| Connection::open_tls(address, &client(name)));
            connections.collect::<Result<_>>().unwrap()
        })
        .into();

    let load = Load::new(address, 4, &[post("/steady/events"), post("/steady/v2/events")])
        .tls(client("steady"))
        .rate(RATE)
        .judge(|status, _| status == 204);
    let running = load.background().unwrap();
    let begin = Instant::now();
    wait::until("the first events", LIMIT, || (running.begun() > 100).then_some(())).unwrap();

    let mut delays = Vec::new();
    for change in 0..CHANGES {
        let (name, expected) = match change % 2 {
            0 => ("one", [204, 403]),
            _ => ("two", [403, 204]),
        };
        let application = Application::new("changing").client_ids(&[name]);
        resources.put("changing.yaml", &[application.manifest()]).unwrap();
        delays.push(until(&mut watchers, expected));
    }
    resources.remove("changing.yaml").unwrap();
    let deleted = until(&mut watchers, [404, 404]);

    let report = running.stop().unwrap();
    delays.sort();
    let (median, slowest) = (delays[CHANGES / 2], delays[CHANGES - 1]);
    println!(
        "changes: median {median:?}, slowest {slowest:?}, deletion {deleted:?}; {:.0} events/s for {:?}",
        report.rate(),
        begin.elapsed()
    );
    assert_eq!((report.failed(), report.wrong), (0, 0), "{:?} {:?}", report.failures, report.examples);
    assert!(median <= Duration::from_millis(100), "{median:?}");
    bed.finish().unwrap();
}

/// How long it takes until every connection of each client gets the client's status.
fn until(watchers: &mut [Vec<Connection>], expected: [u16; 2]) -> Duration {
    let begin = Instant::now();
    // Without a body, so that a refusal does not end the connection.
    let event = Request::new("GET", "/changing/events").header("Host", INGRESS_HOST);
    wait::attempt("an effective change", LIMIT, || {
        for (connections, status) in watchers.iter_mut().zip(expected) {
            for connection in connections {
                let answer = connection.send(&event)?;
                if answer.status != status {
                    return Err(Error::new(format!("{} {}", answer.status, answer.text())));
                }
            }
        }
        Ok(begin.elapsed())
    })
    .unwrap()
}
