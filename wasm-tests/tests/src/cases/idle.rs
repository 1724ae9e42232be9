//! A stream without progress (AG §13, §15).

use std::time::Duration;

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

/// The same stream under an Application's own, longer time goes on.
pub fn an_application_has_its_own(place: &dyn Place) {
    let url = place.double().url("http").unwrap();
    let app = |name: &str| Application::new(name).service("svc", &[Entry::api(&url)]);
    let own = app("idle-own").spec("fairlead", json!({ "timeouts": { "idle": "1m" } }));
    let manifests = [app("idle-default").manifest(), own.manifest()];
    place.plant("idle-own", &manifests, &["idle-default/svc", "idle-own/svc"]).unwrap();
    // Both have the first of two events, and wait for the second.
    let begin = |name: &str| {
        let mut caller = place.connect(&Way::Manual).unwrap();
        caller.write(&get(&format!("/{name}/svc/gate/{name}/2")).bytes()).unwrap();
        let mut answer = caller.begin(false).unwrap();
        caller.piece(&mut answer).unwrap().unwrap();
        (caller, answer)
    };
    let (mut long, mut whole) = begin("idle-own");
    let (mut short, mut cut) = begin("idle-default");
    short.finish(&mut cut).unwrap();
    assert!(!cut.complete, "{cut:?}");
    place.double().open_gate("idle-own").unwrap();
    long.finish(&mut whole).unwrap();
    assert_eq!((whole.status, whole.complete), (200, true), "{whole:?}");
}
