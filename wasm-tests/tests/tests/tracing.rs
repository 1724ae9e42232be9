//! Spans of an embedded gateway: what they say, what they must not, and that callers' own trace headers pass.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests: a failure is a failed test"
)]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
};

use fairlead_testkit::{
    Result,
    bed::{Bed, LIMIT},
    external::record::Recorded,
    http::Request,
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::json;

/// An OTLP collector over HTTP: everything that it is sent.
struct Collector {
    address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let received = Arc::<Mutex<Vec<u8>>>::default();
        let sink = Arc::clone(&received);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let sink = Arc::clone(&sink);
                std::thread::spawn(move || collect(connection, &sink));
            }
        });
        Ok(Self { address, received })
    }

    fn has(&self, words: &[&str]) -> bool {
        let received = self.received.lock().unwrap();
        words.iter().all(|word| contains(&received, word.as_bytes()))
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|part| part == word)
}

/// Requests with a content length, each answered at once.
fn collect(mut connection: std::net::TcpStream, sink: &Mutex<Vec<u8>>) {
    use std::io::{Read as _, Write as _};
    let (mut buffer, mut piece) = (Vec::new(), [0; 16 * 1024]);
    while let Ok(count @ 1..) = connection.read(&mut piece) {
        buffer.extend_from_slice(&piece[..count]);
        sink.lock().unwrap().extend_from_slice(&piece[..count]);
        while let Some(end) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let whole = end + 4 + length.unwrap_or(0);
            if buffer.len() < whole {
                break;
            }
            buffer.drain(..whole);
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    }
}

#[test]
fn spans_name_application_service_and_reason_and_hold_no_secret() {
    let collector = Collector::start().unwrap();
    let address = collector.address;
    let (mut key, mut password) = (String::new(), String::new());
    let bed = Bed::start(|seed| {
        seed.configure(&json!({ "gateways": { "traces": address.to_string() } }));
        (key, password) = (seed.secret("api-key")?, seed.secret("password")?);
        let http = seed.double.url("http")?;
        let parameters = json!({ "api-key": [key] }).to_string();
        let app = Application::new("shop")
            .service("orders", &[Entry::api(&format!("{http}/base")).basic("basic").parameters("extra")]);
        let basic = secret("basic", &[("username", "u"), ("password", &password)]);
        let extra = secret("extra", &[("headers", "{}"), ("queryParameters", &parameters)]);
        seed.put("app.yaml", &[app.manifest(), basic, extra]);
        Ok(())
    })
    .unwrap();
    let get = |path: &str| Request::new("GET", path);
    bed.until(&get("/shop/orders/ready"), |answer| answer.status == 200).unwrap();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let caller = get("/shop/orders/reached?card=caller-secret-4711")
        .header("traceparent", parent)
        .header("tracestate", "vendor=1")
        .header("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1");
    let seen: Recorded = bed.manual(&caller).unwrap().expect(200).unwrap().json().unwrap();
    let target = seen.target.text();
    // What of a secret needs no escape, in whatever place it is written.
    let core = |secret: &str| secret.split(['/', '+']).nth(1).unwrap().to_owned();
    assert!(target.contains(&core(&key)), "{target}");
    // The caller's trace goes on: its id stays, what stands between is ours.
    let passed = seen.header("traceparent");
    assert!(passed.len() == 1 && passed[0].starts_with(&parent[..36]), "{passed:?}");
    assert_eq!(seen.header("tracestate"), ["vendor=1"]);
    assert_eq!(seen.header("b3"), ["80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"]);
    for _ in 0..20 {
        bed.manual(&get("/shop/unknown/x")).unwrap().expect(404).unwrap();
    }
    let words = [
        "fairlead.application",
        "shop",
        "fairlead.service",
        "orders",
        "fairlead.reason",
        "unknown_service",
        "/base/reached",
    ];
    wait::until("the spans", LIMIT, || collector.has(&words).then_some(())).unwrap();
    let basic = "Basic ";
    for secret in [&*core(&key), &core(&password), "caller-secret-4711", "card=", basic] {
        assert!(!collector.has(&[secret]), "a span has {secret}");
    }
    bed.finish().unwrap();
}

#[test]
fn without_a_collector_trace_headers_pass_as_they_are_and_none_are_made() {
    let bed = Bed::start(|seed| {
        let http = seed.double.url("http")?;
        seed.put("app.yaml", &[Application::new("app").service("s", &[Entry::api(&http)]).manifest()]);
        Ok(())
    })
    .unwrap();
    bed.until(&Request::new("GET", "/app/s/"), |answer| answer.status == 200).unwrap();
    let lines = [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "vendor=1"),
        ("baggage", "a=b"),
        ("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"),
        ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
        ("x-b3-spanid", "e457b5a2e4d86bd1"),
        ("x-b3-sampled", "1"),
    ];
    let mut request = Request::new("GET", "/app/s/");
    for (name, value) in lines {
        request = request.header(name, value);
    }
    let seen: Recorded = bed.manual(&request).unwrap().expect(200).unwrap().json().unwrap();
    for (name, value) in lines {
        assert_eq!(seen.header(name), [value], "{name}");
    }
    let seen: Recorded =
        bed.manual(&Request::new("GET", "/app/s/")).unwrap().expect(200).unwrap().json().unwrap();
    for (name, _) in lines {
        assert!(seen.header(name).is_empty(), "{name}");
    }
    bed.finish().unwrap();
}
