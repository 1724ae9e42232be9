//! gRPC through the gateway: both directions at once, the status in trailers. Callers speak HTTP/2 without TLS, targets
//! HTTP/2 with TLS.

use std::time::Duration;

use fairlead_testkit::{
    Result,
    http::{Exchange, Http2, Response},
    resources::{Application, Entry, secret},
};

use crate::place::{Needs, Place, Way};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

const HOST: &str = "grpc.example.test";
const LIMIT: Duration = Duration::from_secs(10);

/// Service and listener of the double: ALPN decides, and HTTP/2 or nothing.
const SERVICES: [(&str, &str); 2] = [("both", "https"), ("only", "h2")];

const HEADERS: &[(&str, &str)] = &[
    ("content-type", "application/grpc+proto"),
    ("te", "trailers"),
    ("grpc-timeout", "20S"),
    ("x-own-bin", "AAEC"),
    ("user-agent", "grpc-test/1"),
];

fn plant(place: &dyn Place) -> Result {
    let mut app = Application::new("grpc");
    for (service, listener) in SERVICES {
        let target = place.double().url_by_name(listener, HOST)?;
        app = app.service(service, &[Entry::api(&target).name("api").basic("grpc")]);
    }
    let credentials = secret("grpc", &[("username", "user"), ("password", &place.secret("password")?)]);
    place.plant("grpc", &[app.manifest(), credentials], &["grpc/both", "grpc/only"])
}

/// A message with its prefix: not compressed, length.
fn message(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), payload].concat()
}

fn call(connection: &mut Http2, service: &str, method: &str) -> Exchange {
    connection.begin("POST", &format!("/grpc/{service}/echo.Echo/{method}"), HEADERS).unwrap()
}

/// `grpc-status` of the trailers.
fn status(answer: &Response) -> Option<String> {
    answer.trailers.iter().find(|(name, _)| name == "grpc-status").map(|(_, value)| value.text())
}

/// One message each way, over connections that stay.
pub fn unary_calls_pass(place: &dyn Place) {
    plant(place).unwrap();
    let mut connection = Http2::over(&place.connect(&Way::Manual).unwrap()).unwrap();
    for (service, listener) in SERVICES {
        for size in [0, 5, 300_000] {
            place.double().clear().unwrap();
            let sent = message(&vec![b'm'; size]);
            let mut exchange = call(&mut connection, service, "Unary");
            exchange.send(sent.clone()).unwrap();
            exchange.end();
            let mut answer = exchange.head().unwrap();
            exchange.finish(&mut answer).unwrap();
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, vec!["application/grpc".to_owned()])
            );
            assert!(answer.body == sent, "{service}: {} bytes", answer.body.len());
            assert_eq!(status(&answer).as_deref(), Some("0"), "{service}");
            let seen = place.double().recorded(&[]).unwrap().pop().unwrap();
            assert_eq!((seen.listener.as_str(), seen.target.text().as_str()), (listener, "/echo.Echo/Unary"));
            for (name, value) in HEADERS {
                assert_eq!(seen.header(name), [*value], "{service}");
            }
            assert!(seen.header("authorization")[0].starts_with("Basic "));
        }
    }
}

/// Each message is there before the next one is sent, in both directions, for as long as either side likes.
pub fn streams_flow_both_ways_at_once(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        let mut connection = Http2::over(&place.connect(&Way::Manual).unwrap()).unwrap();
        let mut streams: Vec<Exchange> = (0..3).map(|_| call(&mut connection, service, "Stream")).collect();
        let mut answers = Vec::new();
        for stream in &mut streams {
            stream.send(message(b"first")).unwrap();
            let mut answer = stream.head().unwrap();
            assert_eq!(stream.piece(&mut answer).unwrap().unwrap(), message(b"first"), "{service}");
            answers.push(answer);
        }
        for round in 0..5 {
            for (stream, answer) in streams.iter_mut().zip(&mut answers) {
                let sent = message(format!("round {round}").as_bytes());
                stream.send(sent.clone()).unwrap();
                assert_eq!(stream.piece(answer).unwrap().unwrap(), sent, "{service}");
            }
        }
        for (stream, answer) in streams.iter_mut().zip(&mut answers) {
            stream.end();
            stream.finish(answer).unwrap();
            assert_eq!(status(answer).as_deref(), Some("0"), "{service}");
        }
    }
}

/// A failure before and in the middle of an answer, and a caller that cancels.
pub fn failures_and_cancels_pass(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        let mut connection = Http2::over(&place.connect(&Way::Manual).unwrap()).unwrap();
        let mut failed = call(&mut connection, service, "Fail");
        failed.send(message(b"no")).unwrap();
        failed.end();
        let answer = failed.head().unwrap();
        // Trailers only: the status is in the only headers that there are.
        assert_eq!((answer.status, answer.header("grpc-status")), (200, vec!["7".to_owned()]), "{service}");
        assert_eq!(answer.header("grpc-message"), ["refused on purpose"]);

        let mut aborted = call(&mut connection, service, "Abort");
        aborted.send(message(b"one")).unwrap();
        let mut answer = aborted.head().unwrap();
        aborted.finish(&mut answer).unwrap();
        assert_eq!(answer.body, message(b"one"));
        assert_eq!(status(&answer).as_deref(), Some("10"), "{service}");

        place.double().clear().unwrap();
        let mut cancelled = call(&mut connection, service, "Stream");
        cancelled.send(message(b"one")).unwrap();
        let mut answer = cancelled.head().unwrap();
        cancelled.piece(&mut answer).unwrap();
        drop(cancelled);
        let seen =
            place.double().wait_recorded(&[("path", "/echo.Echo/Stream")], 1, LIMIT).unwrap().pop().unwrap();
        assert!(!seen.body.complete, "{service}");
        assert!(!place.double().wait_ended(seen.id, LIMIT).unwrap(), "{service}");
        // The connection itself goes on.
        let mut after = call(&mut connection, service, "Unary");
        after.end();
        assert_eq!(after.head().unwrap().status, 200);
    }
}
