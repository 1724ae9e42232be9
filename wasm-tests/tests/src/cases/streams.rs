//! Bodies that take their time, or have a size (AG §15): what one side sends is with the other side at once, in constant
//! memory, and who leaves is missed.

use std::time::Duration;

use fairlead_testkit::{
    Result,
    external::record::Recorded,
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

const HOST: &str = "streams.example.test";
const LIMIT: Duration = Duration::from_secs(20);

/// Service and listener of the double: HTTP/1.1 without and with TLS, and HTTP/2.
const SERVICES: [(&str, &str); 3] = [("plain", "http"), ("one", "https1"), ("two", "https")];

fn plant(place: &dyn Place) -> Result {
    let mut app = Application::new("streams");
    for (service, listener) in SERVICES {
        app = app.service(service, &[Entry::api(&place.double().url_by_name(listener, HOST)?)]);
    }
    let hurried = Application::new("streams-hurried")
        .spec("fairlead", json!({ "timeouts": { "headers": "300ms" } }))
        .service("plain", &[Entry::api(&place.double().url_by_name("http", HOST)?)]);
    let mut services = SERVICES.map(|(service, _)| format!("streams/{service}")).to_vec();
    services.push("streams-hurried/plain".to_owned());
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    place.plant("streams", &[app.manifest(), hurried.manifest()], &services)
}

/// A caller's connection after this request.
fn ask(place: &dyn Place, path: &str) -> Connection {
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller.write(&Request::new("GET", path).bytes()).unwrap();
    caller
}

/// Each event is with the caller before the target lets the next one go.
pub fn events_are_delivered_at_once(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        let gate = format!("events-{service}");
        let mut caller = ask(place, &format!("/streams/{service}/gate/{gate}/5"));
        let mut answer = caller.begin(false).unwrap();
        assert_eq!(answer.header("content-type"), ["text/event-stream"]);
        for number in 1..=5 {
            let event = format!("id: {number}\ndata: event {number}\n\n");
            assert_eq!(caller.piece(&mut answer).unwrap().unwrap(), event.as_bytes(), "{service}");
            place.double().open_gate(&gate).unwrap();
        }
        assert_eq!(caller.piece(&mut answer).unwrap(), None);
        assert!(answer.complete, "{service}");
    }
}

/// A target hears of a caller who leaves: before the answer, in the middle of it, and in the middle of the request.
pub fn who_leaves_is_missed(place: &dyn Place) {
    plant(place).unwrap();
    let double = place.double();
    for (service, _) in SERVICES {
        double.clear().unwrap();
        let waiting = ask(place, &format!("/streams/{service}/delay/600000"));
        let id = double.wait_recorded(&[("path", "/delay/600000")], 1, LIMIT).unwrap()[0].id;
        drop(waiting);
        assert!(!double.wait_ended(id, LIMIT).unwrap(), "{service}: before the answer");

        let mut reading = ask(place, &format!("/streams/{service}/gate/nobody-opens-it/2"));
        let mut answer = reading.begin(false).unwrap();
        reading.piece(&mut answer).unwrap();
        let id = double.last_id().unwrap();
        drop(reading);
        assert!(!double.wait_ended(id, LIMIT).unwrap(), "{service}: in the middle of the answer");

        let mut sending = place.connect(&Way::Manual).unwrap();
        let head =
            format!("POST /streams/{service}/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nfirst");
        sending.write(head.as_bytes()).unwrap();
        drop(sending);
        // Envoy may see both at once; then no request is made of it at all.
        let path: &[(&str, &str)] = &[("path", "/upload")];
        let seen = double.wait_recorded(path, 1, Duration::from_secs(2)).unwrap_or_default();
        assert!(seen.iter().all(|request| !request.body.complete), "{service}: in the middle of the request");
    }
    // Nothing is left behind.
    wait::until("the last request's end", LIMIT, || (place.under_way().ok()? == 0).then_some(())).unwrap();
}

/// Byte by byte from either side: whole messages come through, and neighbours do not notice.
pub fn slow_peers_are_borne(place: &dyn Place) {
    plant(place).unwrap();
    let mut slow: Vec<Connection> = (0..50).map(|_| place.connect(&Way::Manual).unwrap()).collect();
    let request = |service: &str| {
        Request::new("POST", format!("/streams/{service}/x"))
            .header("X-Slow", "very")
            .body("one byte at a time")
    };
    let services: Vec<&str> = SERVICES.iter().map(|(service, _)| *service).cycle().take(slow.len()).collect();
    let bytes: Vec<Vec<u8>> = services.iter().map(|service| request(service).bytes()).collect();
    let longest = bytes.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..longest {
        for (caller, bytes) in slow.iter_mut().zip(&bytes) {
            if let Some(byte) = bytes.get(at) {
                caller.write(&[*byte]).unwrap();
            }
        }
        // A neighbour is served meanwhile.
        if at % 32 == 0 {
            place.manual(&Request::new("GET", "/streams/plain/neighbour")).unwrap().expect(200).unwrap();
        }
    }
    for (caller, service) in slow.iter_mut().zip(&services) {
        let mut answer = caller.begin(false).unwrap();
        caller.finish(&mut answer).unwrap();
        let seen: Recorded = answer.expect(200).unwrap().json().unwrap();
        assert_eq!(seen.header("x-slow"), ["very"], "{service}");
        assert_eq!(seen.body.content.unwrap(), "one byte at a time", "{service}");
    }
    // Targets: HTTP/2 has no bytes of a head, its body drips all the same.
    for (service, _) in SERVICES {
        let answer = place.manual(&Request::new("GET", format!("/streams/{service}/loris/2/1"))).unwrap();
        assert_eq!((answer.status, answer.complete), (200, true), "{service}");
        answer.json::<Recorded>().unwrap();
    }
}

/// A head that comes byte by byte is not there before its last one: time to headers ends it. A body may take its time.
pub fn a_target_too_slow_with_its_head_is_given_up(place: &dyn Place) {
    plant(place).unwrap();
    let answer = place.manual(&Request::new("GET", "/streams-hurried/plain/loris/20/0")).unwrap();
    Answer::empty(504, Reason::TargetTimeout).check(&answer).unwrap();
    let answer = place.manual(&Request::new("GET", "/streams-hurried/plain/loris/0/2")).unwrap();
    assert_eq!((answer.status, answer.complete), (200, true));
}
