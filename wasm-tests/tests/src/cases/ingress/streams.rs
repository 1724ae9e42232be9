//! Any method, any body, and nothing of it waits for the rest.

use fairlead_testkit::{
    bed::{INGRESS_HOST, LIMIT},
    http::{self, Request},
    resources::Application,
    wait,
};
use fairlead_wire::Reason;
use serde_json::json;

use super::{Answer, Place, client, outside, shop};

/// Any method passes, and any body, in whatever framing, without a byte changed.
pub fn methods_and_bodies(place: &dyn Place) {
    let way = outside(&shop(place).unwrap());
    let double = place.double();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        double.clear().unwrap();
        let request = Request::new(method, "/shop/v1/events").header("Host", INGRESS_HOST);
        assert_eq!(place.call(&way, &request).unwrap().status, 200, "{method}");
        let seen = double.recorded(&[]).unwrap().remove(0);
        assert_eq!((seen.method.text().as_str(), seen.body.length), (method, 0));
        // Where a body is usual, Envoy says that there is none (RFC 9110 §8.6).
        let mut names: Vec<_> = seen.sorted_headers().into_iter().map(|(name, _)| name).collect();
        names.retain(|name| name != "content-length");
        assert_eq!(names, ["host", "x-forwarded-for"], "{method}");
    }
    let chunks: Vec<Vec<u8>> = (0..80u8).map(|byte| vec![byte; 64 * 1024]).collect();
    let large =
        |path: &str| Request::new("POST", path).header("Host", INGRESS_HOST).chunks(chunks.iter().cloned());
    double.clear().unwrap();
    assert_eq!(place.call(&way, &large("/shop/v2/events")).unwrap().status, 204);
    assert_eq!(http::call(double.address("sink").unwrap(), &large("/publish")).unwrap().status, 204);
    let [through, direct] = &double.recorded(&[]).unwrap()[..] else { panic!("two large events") };
    assert_eq!(through.body.length, 5 * 1024 * 1024);
    assert_eq!(through.body, direct.body);
}

/// The sink gets the head, and each piece of a body, before the client has sent the rest.
pub fn nothing_is_held_back(place: &dyn Place) {
    let target = place.target().unwrap();
    let sink = json!({ "sink": { "publisher": target.url() } });
    let application = Application::new("stream").spec("fairlead", sink);
    place.put("ingress-stream", &[application.manifest()]).unwrap();
    let way = outside(&client(place, "stream").unwrap());
    let nowhere = Request::new("POST", "/stream/else").header("Host", INGRESS_HOST);
    wait::attempt("the new Application", LIMIT, || {
        let answer = place.call(&way, &nowhere)?;
        let text = "could not determine destination host, requested resource not found";
        Answer::json(404, Reason::UnknownPath, text).check(&answer)
    })
    .unwrap();

    let mut connection = place.connect(&way).unwrap();
    let head =
        format!("POST /stream/events HTTP/1.1\r\nHost: {INGRESS_HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.write(head.as_bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    let mut lines = peer.head().unwrap();
    lines.sort();
    assert_eq!(
        lines,
        [
            "POST /publish HTTP/1.1".to_owned(),
            format!("host: {}", target.address()),
            "transfer-encoding: chunked".to_owned(),
            format!("x-forwarded-for: {}", place.caller()),
        ]
    );
    for piece in ["first", "second"] {
        connection.write(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).unwrap();
        peer.until(piece.as_bytes()).unwrap();
    }
    connection.write(b"0\r\n\r\n").unwrap();
    peer.until(b"0\r\n\r\n").unwrap();
    peer.answer(202, "taken").unwrap();
    let mut answer = connection.begin(false).unwrap();
    connection.finish(&mut answer).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (202, "taken"));

    // A sink that takes the event and is gone without an answer.
    connection.write(&Request::new("POST", "/stream/events").header("Host", INGRESS_HOST).bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    peer.head().unwrap();
    drop(peer);
    let mut answer = connection.begin(false).unwrap();
    connection.finish(&mut answer).unwrap();
    Answer::empty(502, Reason::TargetUnreachable).check(&answer).unwrap();
}
