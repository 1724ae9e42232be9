//! Time-outs (AG §13, §15; decision 21).

use std::time::{Duration, Instant};

use fairlead_cases::cover;
use fairlead_testkit::{
    http::Request,
    resources::{Application, Entry},
};
use fairlead_wire::Reason;
use serde_json::json;

use crate::{
    case::Answer,
    place::{Needs, Place, Way},
};

/// An egress gateway with short times.
pub const NEEDS: Needs = Needs {
    config: r#"{ "gateways": {
        "headersTimeout": "1s", "requestHeadersTimeout": "400ms", "keepAlive": "400ms", "connectTimeout": "1s"
    } }"#,
    ..Needs::EGRESS
};

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// Until response headers, in these tests.
const HEADERS: Duration = Duration::from_secs(1);

/// Of the installation, of an Application, none; and what the time counts from.
pub fn until_headers_are_limited_and_bodies_are_not(place: &dyn Place) {
    let target = place.target().unwrap();
    let double = place.double().url("http").unwrap();
    let silent = format!("https://{}", target.address());
    let app = |name: &str| {
        Application::new(name)
            .service("double", &[Entry::api(&double)])
            .service("played", &[Entry::api(&target.url())])
            .service("silent", &[Entry::api(&silent)])
    };
    let limited =
        |name: &str, headers: &str| app(name).spec("fairlead", json!({ "timeouts": { "headers": headers } }));
    let manifests = [
        app("times-default").manifest(),
        limited("times-short", "50ms").manifest(),
        limited("times-none", "0s").manifest(),
    ];
    let services =
        ["times-default/double", "times-default/played", "times-short/double", "times-none/silent"];
    place.plant("times", &manifests, &services).unwrap();
    let slow = Answer::empty(504, Reason::TargetTimeout);
    // Looked at in the end: one is kept between two requests and then idle, the other's headers never end.
    let mut idle = place.connect(&Way::Manual).unwrap();
    for path in ["/times-default/double/1", "/times-default/double/2"] {
        idle.send(&get(path)).unwrap().expect(200).unwrap();
    }
    let mut unfinished = place.connect(&Way::Manual).unwrap();
    unfinished.write(b"GET /times-default/double/1 HTTP/1.1\r\nhost: x\r\n").unwrap();

    // Of the installation, of an Application, and none.
    for (app, least) in [("default", HEADERS), ("short", Duration::from_millis(50))] {
        let begin = Instant::now();
        slow.check(&place.manual(&get(&format!("/times-{app}/double/delay/60000"))).unwrap()).unwrap();
        // Envoy's timers have a resolution of their own.
        assert!(begin.elapsed() >= least * 9 / 10, "{app}: {:?}", begin.elapsed());
    }
    place.manual(&get("/times-none/double/delay/1500")).unwrap().expect(200).unwrap();
    cover("AG-13-r03");
    // A target that takes the connection and never speaks TLS.
    slow.check(&place.manual(&get("/times-none/silent/x")).unwrap()).unwrap();
    while target.has_more() {}

    // A body may flow on, and each piece arrives when it is sent.
    let drips = place.manual(&get("/times-default/double/drip/8/150")).unwrap().expect(200).unwrap();
    assert_eq!((drips.text(), drips.complete), ("drip\n".repeat(8), true));
    cover("AG-13-r04");
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller.write(&get("/times-default/played/events").bytes()).unwrap();
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
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller
        .write(b"POST /times-default/played/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\none")
        .unwrap();
    let mut peer = target.accept().unwrap();
    peer.until(b"one").unwrap();
    place.manual(&get("/times-none/double/delay/1500")).unwrap().expect(200).unwrap();
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
}
