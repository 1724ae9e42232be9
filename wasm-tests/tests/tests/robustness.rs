//! No input of a caller or a target stops a worker.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use fairlead_testkit::{
    bed::Bed,
    external::record::Recorded,
    http::{Connection, Request},
    resources::{Application, Entry},
};
use fairlead_tests::target::Target;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn bed() -> Bed {
    Bed::start(|seed| {
        let app = Application::new("app").service("svc", &[Entry::api(&seed.double.url("http")?)]);
        seed.put("app.yaml", &[app.manifest()]);
        Ok(())
    })
    .unwrap()
}

#[test]
fn bytes_outside_utf8_pass_and_kill_nothing() {
    let bed = bed();
    let request =
        Request::new("GET", "/app/svc/x").header("X-Latin", b"caf\xe9 \xff\x80").header("X-Name-\x7f", "");
    let _ = bed.manual(&request);
    let request =
        get("/app/svc/x").header("X-Latin", b"caf\xe9 \xff\x80").header("Access-Token", b"Bearer \xfe");
    let seen: Recorded = bed.manual(&request).unwrap().json().unwrap();
    let value =
        |name: &[u8]| seen.headers.iter().find(|(have, _)| have.0 == name).map(|(_, value)| value.0.clone());
    assert_eq!(value(b"x-latin").unwrap(), b"caf\xe9 \xff\x80");
    assert_eq!(value(b"authorization").unwrap(), b"Bearer \xfe");
    for target in
        [&b"/app/svc/\xff\xfe"[..], b"/\xff/\xfe/", b"/app/svc/%ff%00", b"*", b"/app/svc?\xff", b"//", b"/%"]
    {
        let mut connection = Connection::open(bed.manual_address()).unwrap();
        let _ = connection.send(&Request::new("GET", target));
    }
    let host = get("/app/svc/x").header("Host", b"\xff\xfe");
    let _ = bed.manual(&host);
    // Every worker still serves.
    for _ in 0..20 {
        assert_eq!(bed.manual(&get("/app/svc/x")).unwrap().status, 200);
    }
    assert_eq!(bed.egress.stat(|name| name.contains("vm_reload")).unwrap(), 0);
}

#[test]
fn large_bodies_pass_and_heads_over_the_limit_are_refused() {
    let bed = bed();
    let body = vec![b'x'; 8 << 20];
    let seen: Recorded = bed.manual(&Request::new("POST", "/app/svc/x").body(&body)).unwrap().json().unwrap();
    assert_eq!((seen.body.length, seen.body.complete), (8 << 20, true));
    let chunks = body.chunks(65_536);
    let seen: Recorded =
        bed.manual(&Request::new("PUT", "/app/svc/x").chunks(chunks)).unwrap().json().unwrap();
    assert_eq!((seen.body.length, seen.body.complete), (8 << 20, true));
    let answer = bed.manual(&get(&format!("/app/svc/bytes/{}", 8 << 20))).unwrap();
    assert_eq!((answer.body.len(), answer.complete), (8 << 20, true));
    // 8 MiB of head, in one line and in many: refused, or the connection ends while it is still being sent.
    let mut many = get("/app/svc/x");
    for number in 0..8192 {
        many = many.header(format!("x-{number}"), "v".repeat(1024));
    }
    for request in [get("/app/svc/x").header("X-Large", vec![b'v'; 8 << 20]), many] {
        if let Ok(answer) = bed.manual(&request) {
            assert_eq!(answer.status, 431);
        }
    }
    let large = get("/app/svc/x").header("X-Large", vec![b'v'; 512 * 1024]);
    assert_eq!(bed.manual(&large).unwrap().status, 200);
    let cut = bed.manual(&get("/app/svc/truncate/100000/500")).unwrap();
    assert!(!cut.complete);
    for _ in 0..20 {
        assert_eq!(bed.manual(&get("/app/svc/x")).unwrap().status, 200);
    }
}

#[test]
fn large_and_strange_answers_pass_and_kill_nothing() {
    let target = Target::new().unwrap();
    let bed = Bed::start(|seed| {
        seed.put(
            "app.yaml",
            &[Application::new("app").service("svc", &[Entry::api(&target.url())]).manifest()],
        );
        Ok(())
    })
    .unwrap();
    let mut connection = Connection::open(bed.manual_address()).unwrap();
    let large = [b"\xe9".as_slice(), &vec![b'\xff'; 80 * 1024]].concat();
    let request = get("/app/svc/x").header("X-Large", &large).header("X-Forwarded-Client-Cert", &large);
    connection.write(&request.bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    let head = peer.until(b"\r\n\r\n").unwrap();
    let times = head.windows(large.len()).filter(|window| *window == large).count();
    assert_eq!(times, 1, "the header, and no XFCC");
    let many: String = (0..400).map(|n| format!("x-{n}: {}\r\n", "v".repeat(500))).collect();
    peer.send(b"HTTP/1.1 503 \xe9t\xe9\r\nlocation: /\xff\r\nx-large: ").unwrap();
    peer.send(&large).unwrap();
    peer.send(format!("\r\n{many}content-length: 2\r\n\r\nok")).unwrap();
    let mut answer = connection.begin(false).unwrap();
    connection.finish(&mut answer).unwrap();
    assert_eq!((answer.status, answer.header("target-system-status")), (502, vec!["503".to_owned()]));
    assert!(answer.headers.iter().any(|(name, value)| name.0 == b"x-large" && value.0 == large));
    assert_eq!((answer.header("x-399").len(), answer.text()), (1, "ok".to_owned()));
    assert_eq!(bed.egress.stat(|name| name.contains("vm_reload")).unwrap(), 0);
}
