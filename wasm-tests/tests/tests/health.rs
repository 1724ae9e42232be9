//! Port 8081 (AG §17) and time limits (AG §13) on a real Envoy.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::time::{Duration, Instant};

use fairlead_cases::cover;
use fairlead_testkit::{
    bed::Bed,
    http::{self, Connection, Request},
    resources::{Application, Entry},
};
use serde_json::json;

fn bed(config: &serde_json::Value) -> Bed {
    Bed::start(|seed| {
        let app = Application::new("app")
            .spec("fairlead", json!({ "timeouts": { "headers": "300ms" } }))
            .service("svc", &[Entry::api(&seed.double.url("http")?)]);
        seed.put("app.yaml", &[app.manifest()]);
        seed.configure(config);
        Ok(())
    })
    .unwrap()
}

#[test]
fn the_health_port_answers_as_the_contract_says_even_without_the_control_plane() {
    let mut bed = bed(&json!({ "allowLogLevelChange": true }));
    let health = bed.health_address();
    let call = |method: &str, path: &str, body: &str| {
        let request = Request::new(method, path).header("Content-Type", "application/json").body(body);
        let answer = http::call(health, &request).unwrap();
        (answer.status, answer.text())
    };
    assert_eq!(call("GET", "/v1/health", ""), (200, String::new()));
    assert_eq!(call("GET", "/v1/loglevel", ""), (200, r#"{"level":"info"}"#.to_owned()));
    assert_eq!(call("PUT", "/v1/loglevel", r#"{"level":"warn"}"#), (200, r#"{"level":"warn"}"#.to_owned()));
    assert_eq!(call("GET", "/v1/loglevel", ""), (200, r#"{"level":"warn"}"#.to_owned()));
    assert_eq!(call("PUT", "/v1/loglevel", r#"{"level":"loud"}"#).0, 400);
    let not_allowed = "{\"code\":405,\"error\":\"Method not allowed.\"}\n".to_owned();
    for (method, path) in [("POST", "/v1/health"), ("DELETE", "/v1/loglevel"), ("PUT", "/v1/health")] {
        assert_eq!(call(method, path, ""), (405, not_allowed.clone()), "{method} {path}");
    }
    assert_eq!(call("HEAD", "/v1/health", "").0, 405);
    let unknown = "{\"code\":404,\"error\":\"Requested resource could not be found.\"}\n".to_owned();
    assert_eq!(call("GET", "/v1/other", ""), (404, unknown));
    bed.control.stop().unwrap();
    assert_eq!(call("GET", "/v1/health", ""), (200, String::new()));
    for row in ["AG-17-r01", "AG-17-r02", "AG-17-r03", "AG-17-r04", "AG-17-r05"] {
        cover(row);
    }
    bed.finish().unwrap();
}

#[test]
fn a_body_may_take_longer_than_its_headers() {
    let bed = bed(&json!({}));
    let begin = Instant::now();
    let answer = bed.manual(&Request::new("GET", "/app/svc/drip/8/100")).unwrap();
    assert_eq!((answer.status, answer.text().len(), answer.complete), (200, 40, true));
    assert!(begin.elapsed() > Duration::from_millis(700));
    // Each piece comes when it is there, not when the answer ends (AG §15).
    let mut connection = Connection::open(bed.manual_address()).unwrap();
    connection.write(&Request::new("GET", "/app/svc/drip/20/100").bytes()).unwrap();
    let mut answer = connection.begin(false).unwrap();
    let begin = Instant::now();
    assert_eq!(connection.piece(&mut answer).unwrap().unwrap(), b"drip\n");
    assert!(begin.elapsed() < Duration::from_millis(1500), "{:?}", begin.elapsed());
    cover("AG-13-r04");
    bed.finish().unwrap();
}

#[test]
fn slow_and_idle_callers_are_let_go() {
    let bed = bed(&json!({ "gateways": { "requestHeadersTimeout": "300ms" } }));
    let mut connection = Connection::open(bed.manual_address()).unwrap();
    connection.write(b"GET /app/svc HTTP/1.1\r\nHost: x\r\n").unwrap();
    let begin = Instant::now();
    assert_eq!(connection.begin(false).unwrap().status, 408);
    connection.rest().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    cover("AG-13-r01");

    let mut idle = Connection::open(bed.manual_address()).unwrap();
    assert_eq!(idle.send(&Request::new("GET", "/app/svc")).unwrap().status, 200);
    let begin = Instant::now();
    assert!(idle.rest().unwrap().is_empty());
    // Ten seconds, then Envoy's own drain (5 s) and delayed close (1 s), in which a late request is still answered.
    let closed = begin.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(20)).contains(&closed), "{closed:?}");
    cover("AG-13-r02");
    bed.finish().unwrap();
}

#[test]
fn upgrades_pass() {
    let bed = bed(&json!({}));
    let mut connection = Connection::open(bed.manual_address()).unwrap();
    let upgrade = Request::new("GET", "/app/svc/upgrade")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    assert_eq!(connection.send(&upgrade).unwrap().status, 101);
    connection.write(b"ping").unwrap();
    assert_eq!(connection.exactly(4).unwrap(), b"ping");
    drop(connection);
    bed.finish().unwrap();
}
