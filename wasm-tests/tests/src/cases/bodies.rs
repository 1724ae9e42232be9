//! Bodies, streaming, upgrades and odd answers (AG §6, §12, §15).

use fairlead_testkit::{
    external::record::Recorded,
    http::{self, Connection, Request},
    resources::{Application, Entry, secret},
};
use fairlead_wire::Reason;

use crate::{
    case::Answer,
    place::{Host, Needs, Place, Way},
    target::{Peer, Target},
};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// A double reached over HTTP/1.1, HTTP/2 and with credentials, and a target that the test plays.
fn plant(place: &dyn Place, target: &Target) {
    let double = place.double();
    let app = Application::new("bodies")
        .service("plain", &[Entry::api(&double.url("http").unwrap())])
        .service("tls", &[Entry::api(&double.url("https").unwrap())])
        .service("basic", &[Entry::api(&target.url()).basic("bodies")])
        .service("played", &[Entry::api(&target.url())]);
    let basic = secret("bodies", &[("username", "user"), ("password", &place.secret("password").unwrap())]);
    let services = ["bodies/plain", "bodies/tls", "bodies/basic", "bodies/played"];
    place.plant("bodies", &[app.manifest(), basic], &services).unwrap();
}

/// Sends a request to the played target: the caller's side, and the target's.
fn call(place: &dyn Place, target: &Target, request: &Request) -> (Connection, Peer) {
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller.write(&request.bytes()).unwrap();
    (caller, target.accept().unwrap())
}

/// What a caller sends is what the target gets, while it is sent.
pub fn requests_stream_whatever_the_method_and_size(place: &dyn Place) {
    let target = place.target().unwrap();
    plant(place, &target);
    // As the double sees it without a gateway between.
    let direct = place.double().address("http").unwrap();
    let large: Vec<u8> = (0..20_u32 << 20).map(|at| (at % 251) as u8).collect();
    let small = &large[..8 << 20];
    for (method, body, chunked) in
        [("POST", &large[..], true), ("GET", small, false), ("DELETE", b"small", true), ("PATCH", b"", false)]
    {
        let request = |path: &str| match chunked {
            true => Request::new(method, path).chunks(body.chunks(100_000)),
            false => Request::new(method, path).body(body),
        };
        let expected: Recorded = http::call(direct, &request("/x")).unwrap().json().unwrap();
        assert_eq!(expected.body.length, body.len() as u64);
        for service in ["plain", "tls"] {
            let path = format!("/bodies/{service}/x");
            let mut seen: Recorded =
                place.manual(&request(&path)).unwrap().expect(200).unwrap().json().unwrap();
            // HTTP/2 has no chunks.
            seen.body.chunked |= chunked && service == "tls";
            assert_eq!((&seen.body, seen.method), (&expected.body, method.into()), "{method} {service}");
        }
    }
    for method in ["PUT", "OPTIONS", "PROPFIND", "M-SEARCH"] {
        let seen: Recorded = place
            .manual(&Request::new(method, "/bodies/plain/x"))
            .unwrap()
            .expect(200)
            .unwrap()
            .json()
            .unwrap();
        assert_eq!((seen.method, seen.body.length), (method.into(), 0));
    }
    // `OPTIONS *` asks about the gateway itself (AG §3).
    let options = place.manual(&Request::new("OPTIONS", "*")).unwrap();
    assert_eq!((options.status, options.text()), (200, String::new()));

    // The target has the first bytes before the caller has sent the last.
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller
        .write(
            b"POST /bodies/basic/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        )
        .unwrap();
    let mut peer = target.accept().unwrap();
    peer.until(b"first\r\n").unwrap();
    caller.write(b"4\r\nlast\r\n0\r\n\r\n").unwrap();
    peer.until(b"last\r\n0\r\n\r\n").unwrap();
    peer.answer(200, "").unwrap();
    assert_eq!(caller.begin(false).unwrap().status, 200);

    // A target may answer before it has everything.
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller
        .write(b"POST /bodies/played/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nfirst")
        .unwrap();
    let mut peer = target.accept().unwrap();
    peer.until(b"first").unwrap();
    peer.answer(413, "too large").unwrap();
    let mut early = caller.begin(false).unwrap();
    caller.finish(&mut early).unwrap();
    assert_eq!((early.status, early.text().as_str()), (413, "too large"));

    // Asked for leave, the gateway gives it and the target is not asked; Istio's gateways let the target say it.
    let request = Request::new("POST", "/bodies/plain/x").header("Expect", "100-continue").body("body");
    let answer = place.manual(&request).unwrap();
    let seen: Recorded = answer.json().unwrap();
    assert_eq!((answer.status, answer.early, seen.body.length), (200, vec![100], 4));
    assert_eq!(seen.header("expect").is_empty(), place.host() == Host::Plain);
}

/// Odd ends, early answers, informational ones, header blocks of any size.
pub fn answers_come_as_the_target_sent_them(place: &dyn Place) {
    let target = place.target().unwrap();
    plant(place, &target);
    for service in ["plain", "tls"] {
        let size = 20 << 20;
        let large = place.manual(&get(&format!("/bodies/{service}/bytes/{size}"))).unwrap();
        assert_eq!((large.status, large.body.len(), large.complete), (200, size, true));
        let head = place.manual(&Request::new("HEAD", format!("/bodies/{service}/bytes/1000"))).unwrap();
        assert_eq!(
            (head.status, head.header("content-length"), head.body.len()),
            (200, vec!["1000".to_owned()], 0)
        );
        let failed = place.manual(&Request::new("HEAD", format!("/bodies/{service}/status/503"))).unwrap();
        assert_eq!((failed.status, failed.header("target-system-status")), (502, vec!["503".to_owned()]));
        for status in [204, 304] {
            let answer = place.manual(&get(&format!("/bodies/{service}/answer?status={status}"))).unwrap();
            assert_eq!((answer.status, answer.body.len()), (status, 0));
        }
        // A cut answer must not look complete (AG §19, 4).
        let cut = place.manual(&get(&format!("/bodies/{service}/truncate/100000/500"))).unwrap();
        match cut.status {
            200 => assert!(!cut.complete && cut.body.len() <= 500, "{service}"),
            // HTTP/2 says it at once.
            _ => Answer::empty(502, Reason::TargetUnreachable).check(&cut).unwrap(),
        }
    }
    // The complete list: nothing is added but the date that every answer must have (RFC 9110 §6.6.1).
    let (mut caller, mut peer) = call(place, &target, &get("/bodies/played/x"));
    peer.head().unwrap();
    peer.send("HTTP/1.1 418 Any\r\nX-Own: 1\r\nset-cookie: a\r\nset-cookie: b\r\nconnection: close\r\n")
        .unwrap();
    peer.send("keep-alive: 1\r\nwww-authenticate: Any\r\ncontent-length: 1\r\n\r\nb").unwrap();
    let answer = caller.begin(false).unwrap();
    let expected = ["content-length", "date", "set-cookie", "set-cookie", "www-authenticate", "x-own"];
    assert_eq!((answer.status, answer.names()), (418, expected.map(str::to_owned).to_vec()));

    // HTTP/1.0, which needs no `Host`.
    for head in ["GET /bodies/plain/x HTTP/1.0\r\n\r\n", "GET /bodies/plain/x HTTP/1.0\r\nHost: any\r\n\r\n"]
    {
        let mut caller = place.connect(&Way::Manual).unwrap();
        caller.write(head.as_bytes()).unwrap();
        let mut answer = caller.begin(false).unwrap();
        caller.finish(&mut answer).unwrap();
        assert_eq!(answer.expect(200).unwrap().json::<Recorded>().unwrap().target, "/x");
    }

    // Informational answers do not hide the final one (AG §12, §20).
    let early =
        place.manual(&get("/bodies/plain/answer?early=103&early=123&early=102&status=203&body=b")).unwrap();
    assert_eq!((early.status, early.text().as_str()), (203, "b"));

    // Trailers pass (AG §12).
    let (mut caller, mut peer) =
        call(place, &target, &get("/bodies/played/x").header("TE", "trailers, deflate"));
    let head = peer.head().unwrap();
    assert!(head.contains(&"te: trailers".to_owned()), "{head:?}");
    peer.send("HTTP/1.1 200 OK\r\nconnection: close\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\nx-sum: 6\r\n\r\n")
        .unwrap();
    let mut answer = caller.begin(false).unwrap();
    caller.finish(&mut answer).unwrap();
    assert_eq!(answer.text(), "one");
    assert_eq!(answer.trailers, [("x-sum".into(), "6".into())]);

    // Header blocks above Envoy's default limits pass; above ours they are answered, not cut.
    let (mut caller, mut peer) = call(place, &target, &get("/bodies/played/x"));
    peer.head().unwrap();
    peer.send(format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\nx-large: {}\r\ncontent-length: 0\r\n\r\n",
        "v".repeat(300_000)
    ))
    .unwrap();
    assert_eq!(caller.begin(false).unwrap().header("x-large")[0].len(), 300_000);
    let (mut caller, mut peer) = call(place, &target, &get("/bodies/played/x"));
    peer.head().unwrap();
    let _ = peer
        .send(format!("HTTP/1.1 200 OK\r\nconnection: close\r\nx-large: {}\r\n\r\n", "v".repeat(2 << 20)));
    Answer::empty(502, Reason::TargetUnreachable).check(&caller.begin(false).unwrap()).unwrap();

    // What is no HTTP at all, and an end without an answer.
    for bytes in [&b"SSH-2.0-OpenSSH_9.9\r\n"[..], b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n", b""] {
        let (mut caller, mut peer) = call(place, &target, &get("/bodies/played/x"));
        peer.head().unwrap();
        peer.send(bytes).unwrap();
        drop(peer);
        Answer::empty(502, Reason::TargetUnreachable).check(&caller.begin(false).unwrap()).unwrap();
    }
}

/// WebSocket, and upgrades that a target or the gateway does not want.
pub fn upgraded_connections_flow_both_ways(place: &dyn Place) {
    let target = place.target().unwrap();
    plant(place, &target);
    let upgrade = |path: &str, to: &str| get(path).header("Connection", "Upgrade").header("Upgrade", to);
    let request =
        upgrade("/bodies/basic/socket", "websocket").header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let (mut caller, mut peer) = call(place, &target, &request);
    let head = peer.head().unwrap();
    assert_eq!(head[0], "GET /socket HTTP/1.1");
    for name in ["connection: ", "upgrade: websocket", "sec-websocket-key: ", "authorization: Basic "] {
        assert!(
            head.iter().any(|line| line.to_ascii_lowercase().starts_with(&name.to_lowercase())),
            "{head:?}"
        );
    }
    peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nhello")
        .unwrap();
    assert_eq!(caller.begin(false).unwrap().status, 101);
    assert_eq!(caller.exactly(5).unwrap(), b"hello");
    for _ in 0..3 {
        caller.write(b"\x81\x05frame").unwrap();
        peer.until(b"\x81\x05frame").unwrap();
        peer.send(b"\x82\x06answer").unwrap();
        assert_eq!(caller.exactly(8).unwrap(), b"\x82\x06answer");
    }
    drop(peer);
    assert_eq!(caller.rest().unwrap(), b"");

    // A target that does not want to.
    let (mut caller, mut peer) = call(place, &target, &upgrade("/bodies/played/socket", "websocket"));
    peer.head().unwrap();
    peer.answer(503, "no").unwrap();
    let mut refused = caller.begin(false).unwrap();
    caller.finish(&mut refused).unwrap();
    assert_eq!((refused.status, refused.text().as_str()), (502, "no"));
    assert_eq!(refused.header("target-system-status"), ["503"]);

    // Java's HTTP client offers HTTP/2 with every first request; that must not cost it the answer.
    let offer = get("/bodies/plain/x")
        .header("Connection", "Upgrade, HTTP2-Settings")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAMAAABkAAQAAP__");
    let seen: Recorded = place.manual(&offer).unwrap().expect(200).unwrap().json().unwrap();
    for name in ["connection", "upgrade", "http2-settings"] {
        assert!(seen.header(name).is_empty(), "{:?}", seen.headers);
    }
}
