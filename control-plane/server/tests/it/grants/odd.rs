//! Token endpoints that answer oddly: nothing of it makes the broker wait for ever, grow, or give what is none.

use fairlead::config::{GrantsConfig, Span};
use fairlead_wire::{Reason, Refusal};

use super::{
    TOKEN,
    endpoint::{json, raw},
    setup,
};

fn chunked(chunks: &str) -> Vec<u8> {
    raw(&format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"))
}

#[tokio::test]
async fn odd_answers_that_say_something_are_taken() {
    let length = TOKEN.len();
    for answer in [
        chunked(&format!("{length:x};ext=1\r\n{TOKEN}\r\n0\r\nTrailer: x\r\n\r\n")),
        // Until the end of the connection, of another type, after an early hint.
        raw(&format!("HTTP/1.0 200 OK\r\n\r\n{TOKEN}")),
        raw(&format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n{TOKEN}"
        )),
        raw(&format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{TOKEN}"
        )),
        json("{\"access_token\":\"t1\",\"expires_in\":3600.5,\"expires_in_ms\":{},\"x\":[1,[2]]}"),
        json(" \r\n\t{\"access_token\":\"t1\",\"expires_in\":\"3600\"}\n"),
    ] {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let setup = setup(vec![answer], false).with("/t");
        let granted = setup.granted(None).await;
        assert_eq!(granted.authorization, "Bearer t1", "{shown}");
        assert!(granted.expires_ms.is_some_and(|time| time > 3_590_000), "{shown}");
    }
}

#[tokio::test]
async fn odd_answers_that_say_nothing_are_refused_in_time() {
    let huge = raw(&format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n{{\"access_token\":\"{}",
        "x".repeat(10 * 1024 * 1024 - 17)
    ));
    let (unreachable, answer) = (Reason::TokenEndpointUnreachable, Reason::TokenEndpointAnswer);
    for (what, bytes, reason) in [
        ("10 MB", huge, answer),
        ("endless chunks", chunked(&format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000))), answer),
        ("chunks that are none", chunked("zz\r\nsecret\r\n"), answer),
        ("a chunk without end", chunked("ffffffffffffffffff\r\nsecret"), answer),
        ("a chunk that breaks off", chunked("40\r\nsecret"), answer),
        ("a page", json("<html>secret</html>"), answer),
        ("an array", json("[\"secret\"]"), answer),
        ("a deep one", json(&"[".repeat(60_000)), answer),
        ("two tokens", json("{\"access_token\":\"secret\",\"access_token\":\"secret\"}"), answer),
        ("no HTTP", raw("secret\r\n\r\n"), unreachable),
        (
            "a head without end",
            raw(&format!("HTTP/1.1 200 OK\r\nx: {}", "secret".repeat(50_000))),
            unreachable,
        ),
        (
            "two lengths",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"),
            unreachable,
        ),
    ] {
        let setup = setup(vec![bytes], false).with("/t");
        let Refusal { status, reason: told, body, .. } = setup.refused().await;
        assert_eq!((status, told), (502, reason), "{what}: {body}");
        assert!(!body.contains("secret") && !body.contains("xxx"), "{what}: {body}");
    }
}

#[tokio::test]
async fn an_endpoint_that_trickles_is_given_up_in_time() {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
        time::{Duration, Instant},
    };

    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // An answer before its question is none.
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").unwrap();
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let setup = setup(Vec::new(), false);
    let url = format!("http://token.example.test:{port}/t");
    setup.set(setup.spec(&url, fairlead_model::Trust::Plain));
    let start = Instant::now();
    let refusal = setup.refused().await;
    // On a busy machine the time may be over before the head is read.
    let reasons = [Reason::TokenEndpointAnswer, Reason::TokenEndpointUnreachable];
    assert!(refusal.status == 502 && reasons.contains(&refusal.reason), "{refusal:?}");
    assert!(refusal.body.contains("timed out") && start.elapsed() < Duration::from_secs(5), "{refusal:?}");
}

#[test]
fn limits_are_named_in_the_configuration() {
    let text = "grants: {maxInFlight: 7, maxInFlightPerEndpoint: 3, failuresBeforeBackOff: 2, backOff: 250ms, \
                maxBackOff: 10s, breakerFailures: 4, breakerOpen: 2s, maxBreakerOpen: 1m}";
    let config: fairlead::config::Config = yaml_serde::from_str(text).unwrap();
    let want = GrantsConfig {
        max_in_flight: 7,
        max_in_flight_per_endpoint: 3,
        failures_before_back_off: 2,
        back_off: Span::milliseconds(250),
        max_back_off: Span::seconds(10),
        breaker_failures: 4,
        breaker_open: Span::seconds(2),
        max_breaker_open: Span::seconds(60),
        ..GrantsConfig::default()
    };
    assert_eq!(config.grants, want);
}
