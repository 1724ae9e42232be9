//! What comes back for a request that was sent again.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn judged(lines: &[(&str, &str)], size: usize, in_place: bool) -> Result<Vec<String>, Refusal> {
    let bytes = serialise(lines);
    match second(&exchange(route()), &HeaderBlock::parse(&bytes).unwrap(), size, 10, in_place) {
        Second::Refused(refusal) => Err(refusal),
        Second::Answer(status, lines) => {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let block = HeaderBlock::parse(&lines).unwrap();
            let lines = block.iter().map(|(name, value)| format!("{}: {}", text(name), text(value)));
            Ok([status.to_string()].into_iter().chain(lines).collect())
        }
    }
}

const TIME: (&str, &str) = ("x-envoy-upstream-service-time", "3");

#[test]
fn an_answer_loses_what_ends_here_and_nothing_else() {
    let lines = [
        (":status", "200"),
        TIME,
        ("set-cookie", "a=1"),
        ("content-type", "text/plain"),
        ("set-cookie", "b=2"),
        ("content-length", "3"),
        ("transfer-encoding", "chunked"),
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("x-fairlead-reason", "spoofed"),
        ("x-envoy-overloaded", "true"),
        ("location", "/base/other"),
        ("www-authenticate", "Bearer"),
    ];
    let expected = [
        "200",
        "set-cookie: a=1",
        "content-type: text/plain",
        "set-cookie: b=2",
        "location: /base/other",
        "www-authenticate: Bearer",
    ];
    assert_eq!(judged(&lines, 10, false).unwrap(), expected);
}

#[test]
fn in_the_place_of_an_answer_without_a_body_it_names_status_and_length_too() {
    let lines = [(":status", "304"), TIME, ("content-length", "300"), ("etag", "x")];
    assert_eq!(judged(&lines, 0, true).unwrap(), ["304", ":status: 304", "content-length: 300", "etag: x"]);
    let lines = [(":status", "503"), TIME];
    assert_eq!(judged(&lines, 0, true).unwrap(), ["502", ":status: 502", "target-system-status: 503"]);
}

#[test]
fn it_is_treated_as_every_answer() {
    for status in ["500", "502", "599"] {
        let lines = [(":status", status), TIME, ("target-system-status", "spoofed")];
        assert_eq!(
            judged(&lines, 0, false).unwrap(),
            ["502".to_owned(), format!("target-system-status: {status}")]
        );
    }
    let lines = [(":status", "302"), TIME, ("location", "/base/other?x")];
    assert_eq!(judged(&lines, 0, false).unwrap(), ["302", "location: /app/svc/other?x"]);
    for status in ["401", "403", "404", "201"] {
        assert_eq!(judged(&[(":status", status), TIME], 0, false).unwrap(), [status]);
    }
}

#[test]
fn what_the_target_did_not_say_is_no_answer() {
    let failed = Refusal::empty(502, Reason::ReplayFailed);
    for lines in [&[][..], &[(":status", "503")], &[(":status", "200")], &[TIME], &[(":status", "x"), TIME]] {
        assert_eq!(judged(lines, 0, false).unwrap_err(), failed, "{lines:?}");
    }
    let late = Refusal::empty(504, Reason::TargetTimeout);
    assert_eq!(judged(&[(":status", "504")], 0, false).unwrap_err(), late);
}

#[test]
fn one_byte_too_many_is_refused() {
    let lines = [(":status", "200"), TIME];
    assert!(judged(&lines, 10, false).is_ok());
    let refusal = judged(&lines, 11, false).unwrap_err();
    assert_eq!((refusal.status, refusal.reason), (502, Reason::ReplayAnswerTooLarge));
}
