//! A stream without progress (AG §13, §15).

use std::time::Duration;

use fairlead_cases::cover;
use fairlead_testkit::{
    http::Request,
    resources::{Application, Entry},
};
use fairlead_wire::Reason;

use crate::{
    case::Answer,
    place::{Needs, Place, Way},
};

/// An egress gateway that waits for progress for a short time only.
pub const NEEDS: Needs = Needs { config: r#"{ "gateways": { "idleTimeout": "500ms" } }"#, ..Needs::EGRESS };

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// Upload, wait for an answer, download.
pub fn a_stream_without_progress_ends(place: &dyn Place) {
    let target = place.target().unwrap();
    let app = Application::new("idle").service("svc", &[Entry::api(&target.url())]);
    place.plant("idle", &[app.manifest()], &["idle/svc"]).unwrap();
    // An upload that stalls: the target is let go, and the caller gets an error, never half an answer.
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller.write(b"POST /idle/svc/x HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\none").unwrap();
    let mut peer = target.accept().unwrap();
    peer.until(b"one").unwrap();
    peer.ended(Duration::from_secs(10)).unwrap();
    let mut answer = caller.begin(false).unwrap();
    caller.finish(&mut answer).unwrap();
    Answer::empty(408, Reason::CallerTimeout).check(&answer).unwrap();
    cover("AG-13-r01");

    // A target that says nothing, where nothing else limits it.
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller.write(&get("/idle/svc/x").bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    peer.head().unwrap();
    peer.ended(Duration::from_secs(10)).unwrap();
    let mut answer = caller.begin(false).unwrap();
    caller.finish(&mut answer).unwrap();
    Answer::empty(504, Reason::TargetTimeout).check(&answer).unwrap();

    // An answer that stalls is cut, and can be told from a complete one.
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller.write(&get("/idle/svc/x").bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    peer.head().unwrap();
    peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n").unwrap();
    let mut answer = caller.begin(false).unwrap();
    caller.finish(&mut answer).unwrap();
    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "one", false));
}
