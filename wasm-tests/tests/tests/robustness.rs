//! No input of a caller or a target stops a worker.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use fairlead_testkit::{
    bed::Bed,
    external::record::Recorded,
    http::{Connection, Request},
    resources::{Application, Entry},
};

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
    assert_eq!(bed.egress.stat(|name| name.contains("wasm") && name.contains("crash")).unwrap(), 0);
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
