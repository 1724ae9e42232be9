//! Time-outs on a real Envoy (AG §13, §15; decision 21).

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::time::{Duration, Instant};

use fairlead_cases::cover;
use fairlead_testkit::{
    bed::Bed,
    http::{Connection, Request},
    resources::{Application, Entry},
};
use fairlead_tests::{case::Answer, target::Target};
use fairlead_wire::Reason;
use serde_json::json;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// Until response headers, in these tests.
const HEADERS: Duration = Duration::from_secs(1);

#[test]
fn times_until_headers_are_limited_and_bodies_are_not() {
    let target = Target::new().unwrap();
    let bed = Bed::start(|seed| {
        let double = seed.double.url("http")?;
        let silent = format!("https://{}", target.address());
        let services = |app: Application| {
            app.service("double", &[Entry::api(&double)])
                .service("played", &[Entry::api(&target.url())])
                .service("silent", &[Entry::api(&silent)])
        };
        let timeouts = |headers: &str| json!({ "timeouts": { "headers": headers } });
        seed.put(
            "times.yaml",
            &[
                services(Application::new("default")).manifest(),
                services(Application::new("short").spec("fairlead", timeouts("50ms"))).manifest(),
                services(Application::new("none").spec("fairlead", timeouts("0s"))).manifest(),
            ],
        );
        seed.configure(&json!({
            "gateways": { "headersTimeout": "1s", "requestHeadersTimeout": "400ms", "keepAlive": "400ms", "connectTimeout": "1s" },
        }));
        Ok(())
    })
    .unwrap();
    let slow = Answer::empty(504, Reason::TargetTimeout);
    // Looked at in the end: one is kept between two requests and then idle, the other's headers never end.
    let mut idle = Connection::open(bed.manual_address()).unwrap();
    for path in ["/default/double/1", "/default/double/2"] {
        idle.send(&get(path)).unwrap().expect(200).unwrap();
    }
    let mut unfinished = Connection::open(bed.manual_address()).unwrap();
    unfinished.write(b"GET /default/double/1 HTTP/1.1\r\nhost: x\r\n").unwrap();

    // Of the installation, of an Application, and none.
    for (app, least) in [("default", HEADERS), ("short", Duration::from_millis(50))] {
        let begin = Instant::now();
        slow.check(&bed.manual(&get(&format!("/{app}/double/delay/60000"))).unwrap()).unwrap();
        // Envoy's timers have a resolution of their own.
        assert!(begin.elapsed() >= least * 9 / 10, "{app}: {:?}", begin.elapsed());
    }
    bed.manual(&get("/none/double/delay/1500")).unwrap().expect(200).unwrap();
    cover("AG-13-r03");
    // A target that takes the connection and never speaks TLS.
    slow.check(&bed.manual(&get("/none/silent/x")).unwrap()).unwrap();
    while target.has_more() {}

    // A body may flow on, and each piece arrives when it is sent.
    let drips = bed.manual(&get("/default/double/drip/8/150")).unwrap().expect(200).unwrap();
    assert_eq!((drips.text(), drips.complete), ("drip\n".repeat(8), true));
    cover("AG-13-r04");
    let mut caller = Connection::open(bed.manual_address()).unwrap();
    caller.write(&get("/default/played/events").bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    peer.head().unwrap();
    peer.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let mut answer = caller.begin(false).unwrap();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        peer.send(format!("{:x}\r\n{event}\r\n", event.len())).unwrap();
        assert_eq!(caller.piece(&mut answer).unwrap().unwrap(), event.as_bytes());
    }
    // A caller who leaves ends the call (AG §15).
    drop(caller);
    peer.ended(Duration::from_secs(10)).unwrap();

    // The time counts from the complete request: a slow upload has all the time it needs.
    let mut caller = Connection::open(bed.manual_address()).unwrap();
    caller.write(b"POST /default/played/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\none").unwrap();
    let mut peer = target.accept().unwrap();
    peer.until(b"one").unwrap();
    bed.manual(&get("/none/double/delay/1500")).unwrap().expect(200).unwrap();
    caller.write(b"two").unwrap();
    peer.until(b"two").unwrap();
    peer.answer(200, "late").unwrap();
    let mut answer = caller.begin(false).unwrap();
    caller.finish(&mut answer).unwrap();
    assert_eq!((answer.status, answer.text()), (200, "late".to_owned()));

    // Envoy answers late requests for another 5 s (drain) before it closes an idle connection.
    assert_eq!(idle.rest().unwrap(), b"");
    cover("AG-13-r02");
    Answer::empty(408, Reason::CallerTimeout).check(&unfinished.begin(false).unwrap()).unwrap();
    unfinished.rest().unwrap();
    bed.finish().unwrap();
}

#[test]
fn times_a_stream_without_progress_ends() {
    let target = Target::new().unwrap();
    let bed = Bed::start(|seed| {
        seed.put(
            "app.yaml",
            &[Application::new("app").service("svc", &[Entry::api(&target.url())]).manifest()],
        );
        seed.configure(&json!({ "gateways": { "idleTimeout": "500ms" } }));
        Ok(())
    })
    .unwrap();
    // An upload that stalls: the target is let go, and the caller gets an error, never half an answer.
    let mut caller = Connection::open(bed.manual_address()).unwrap();
    caller.write(b"POST /app/svc/x HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\none").unwrap();
    let mut peer = target.accept().unwrap();
    peer.until(b"one").unwrap();
    peer.ended(Duration::from_secs(10)).unwrap();
    let mut answer = caller.begin(false).unwrap();
    caller.finish(&mut answer).unwrap();
    Answer::empty(408, Reason::CallerTimeout).check(&answer).unwrap();
    cover("AG-13-r01");

    // A target that says nothing, where nothing else limits it.
    let mut caller = Connection::open(bed.manual_address()).unwrap();
    caller.write(&get("/app/svc/x").bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    peer.head().unwrap();
    peer.ended(Duration::from_secs(10)).unwrap();
    let mut answer = caller.begin(false).unwrap();
    caller.finish(&mut answer).unwrap();
    Answer::empty(504, Reason::TargetTimeout).check(&answer).unwrap();

    // An answer that stalls is cut, and can be told from a complete one.
    let mut caller = Connection::open(bed.manual_address()).unwrap();
    caller.write(&get("/app/svc/x").bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    peer.head().unwrap();
    peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").unwrap();
    let mut answer = caller.begin(false).unwrap();
    caller.finish(&mut answer).unwrap();
    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "one", false));
    bed.finish().unwrap();
}
