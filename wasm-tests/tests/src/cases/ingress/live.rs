//! Changes of who may send events take effect while events flow, and no event is refused or lost meanwhile.

use std::time::{Duration, Instant};

use fairlead_testkit::{
    Error, Result,
    bed::{INGRESS_HOST, LIMIT},
    http::{Connection, Request},
    load::Load,
    resources::Application,
    wait,
};

use super::{Place, client, outside, post};
use crate::place::Host;

/// How often it changes who may send.
const CHANGES: usize = 60;
/// The same where each is a run of kubectl.
const CLUSTER_CHANGES: usize = 20;
/// Events a second meanwhile.
const RATE: u32 = 500;
/// Connections of each client that watches: enough that every worker is watched.
const WATCHERS: usize = 3;

/// Who may send changes while somebody else sends.
pub fn who_may_send_changes_live(place: &dyn Place) {
    let changes = if place.host() == Host::Plain { CHANGES } else { CLUSTER_CHANGES };
    place.put("ingress-steady", &[Application::new("steady").manifest()]).unwrap();
    place.double().change(|settings| settings.record = false).unwrap();
    let tls = |name: &str| client(place, name).unwrap();
    let steady = tls("steady");
    let address = place.address(&outside(&steady)).unwrap();
    wait::attempt("the steady Application", LIMIT, || {
        place.call(&outside(&steady), &post("/steady/events"))?.expect(204).map(drop)
    })
    .unwrap();
    let mut watchers: Vec<Vec<Connection>> = ["one", "two"]
        .map(|name| {
            let connections = (0..WATCHERS).map(|_| place.connect(&outside(&tls(name))));
            connections.collect::<Result<_>>().unwrap()
        })
        .into();

    let load = Load::new(address, 4, &[post("/steady/events"), post("/steady/v2/events")])
        .tls(steady)
        .rate(RATE)
        .judge(|status, _| status == 204);
    let running = load.background().unwrap();
    let begin = Instant::now();
    wait::until("the first events", LIMIT, || (running.begun() > 100).then_some(())).unwrap();

    let mut delays = Vec::new();
    for change in 0..changes {
        let (name, expected) = match change % 2 {
            0 => ("one", [204, 403]),
            _ => ("two", [403, 204]),
        };
        let application = Application::new("changing").client_ids(&[name]);
        place.put("ingress-changing", &[application.manifest()]).unwrap();
        delays.push(until(&mut watchers, expected));
    }
    place.remove("ingress-changing").unwrap();
    let deleted = until(&mut watchers, [404, 404]);

    let report = running.stop().unwrap();
    delays.sort();
    let (median, slowest) = (delays[changes / 2], delays[changes - 1]);
    println!(
        "changes: median {median:?}, slowest {slowest:?}, deletion {deleted:?}; {:.0} events/s for {:?}",
        report.rate(),
        begin.elapsed()
    );
    assert_eq!((report.failed(), report.wrong), (0, 0), "{:?} {:?}", report.failures, report.examples);
    assert!(median <= Duration::from_millis(100), "{median:?}");
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
