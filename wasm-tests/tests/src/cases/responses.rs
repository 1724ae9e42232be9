//! What of a target's answer the caller gets (AG §12, §15), from HTTP/1.1 targets without and with TLS and from HTTP/2
//! ones: informational and bodiless answers, trailers both ways, cookies, redirects, and whatever else is not rewritten.

use fairlead_testkit::{
    Result,
    external::record::Recorded,
    http::{Http2, Request, Response},
    resources::{Application, Entry},
};
use fairlead_wire::Reason;

use crate::{
    case::Answer,
    place::{Host, Needs, Place, Way},
};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

const HOST: &str = "answers.example.test";

/// Service and listener of the double; the last one speaks HTTP/2.
const SERVICES: [(&str, &str); 3] = [("plain", "http"), ("one", "https1"), ("two", "https")];

fn plant(place: &dyn Place) -> Result {
    let mut app = Application::new("answers");
    for (service, listener) in SERVICES {
        let target = format!("{}/base", place.double().url_by_name(listener, HOST)?);
        app = app.service(service, &[Entry::api(&target)]);
    }
    let services = SERVICES.map(|(service, _)| format!("answers/{service}"));
    place.plant("answers", &[app.manifest()], &services.each_ref().map(String::as_str))
}

fn ask(place: &dyn Place, service: &str, rest: &str) -> Response {
    place.manual(&Request::new("GET", format!("/answers/{service}/{rest}"))).unwrap()
}

/// Informational answers never hide the final one, whatever their number (AG §12, §20); 101 without being asked is none.
pub fn informational_answers_do_not_hide_the_final_one(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in &SERVICES[..2] {
        for early in [
            "early=100",
            "early=103,link:</a>",
            "early=102&early=123&early=199",
            "early=100&early=100&early=103",
        ] {
            for (status, got) in [(200, 200), (203, 203), (404, 404), (307, 307), (503, 502)] {
                let answer = ask(place, service, &format!("answer?{early}&status={status}&body=final"));
                assert_eq!(
                    (answer.status, answer.text().as_str(), answer.complete),
                    (got, "final", true),
                    "{service} {early}"
                );
                assert!(answer.header("link").is_empty(), "the early answer's header is not the final one's");
            }
        }
        let odd = ask(place, service, "answer?status=101");
        Answer::empty(502, Reason::TargetUnreachable)
            .check(&odd)
            .unwrap_or_else(|error| panic!("{service}: {error}"));
    }
}

/// No body where there is none to be, and what is said of it stays.
pub fn bodiless_answers_stay_bodiless(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        // One connection: a body too much would be taken for the next answer.
        let mut caller = place.connect(&Way::Manual).unwrap();
        for (method, rest, status, length) in [
            ("GET", "answer?status=204", 204, None),
            ("DELETE", "answer?status=204&header=ETag:x", 204, None),
            ("GET", "answer?status=304&header=ETag:x", 304, None),
            ("GET", "answer?status=205", 205, Some("0")),
            ("HEAD", "bytes/1000", 200, Some("1000")),
            ("HEAD", "flow/1000", 200, None),
            ("HEAD", "answer?status=404&body=none", 404, Some("4")),
            ("HEAD", "answer?status=500&body=none", 502, Some("4")),
            ("HEAD", "answer?status=302&header=Location:/base/y", 302, Some("0")),
            ("GET", "answer?status=200", 200, Some("0")),
        ] {
            let answer = caller
                .send(&Request::new(method, format!("/answers/{service}/{rest}")))
                .unwrap_or_else(|error| panic!("{service} {method} {rest}: {error}"));
            assert_eq!((answer.status, answer.body.len()), (status, 0), "{service} {method} {rest}");
            let said = answer.header("content-length");
            let said = said.first().map(String::as_str);
            // An explicit zero says the same as nothing where no body can be.
            let same = said == length || (matches!(status, 204 | 304) && said == Some("0"));
            assert!(same, "{service} {method} {rest}: content length {said:?}");
        }
        assert_eq!(caller.send(&Request::new("GET", format!("/answers/{service}/x"))).unwrap().status, 200);
    }
}

/// Lines of answers pass in number and order, and none is invented.
pub fn lines_pass_as_they_are(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        let cookies = ask(place, service, "cookies/50");
        let expected: Vec<String> = (0..50).map(|at| format!("c{at}={at}; Path=/base; HttpOnly")).collect();
        assert_eq!(cookies.header("set-cookie"), expected, "{service}");

        let rest = "answer?status=200&body=b&header=Server:own/1&header=X-Twice:1&header=X-Twice:2&header=X-Empty:\
                    &header=Content-Encoding:gzip&header=WWW-Authenticate:A&header=WWW-Authenticate:B\
                    &header=Content-Location:/base/c&header=Link:%3C/base/n%3E&header=Refresh:1;url=/base/r\
                    &header=Set-Cookie:d=1;%20Domain=answers.example.test&header=Date:Mon,%2001%20Jan%202024%2000:00:00%20GMT\
                    &header=Alt-Svc:clear&header=X-Text:caf%C3%A9&header=Warning:199";
        let answer = ask(place, service, rest);
        for (name, values) in [
            ("server", &["own/1"][..]),
            ("x-twice", &["1", "2"]),
            ("x-empty", &[""]),
            ("content-encoding", &["gzip"]),
            ("www-authenticate", &["A", "B"]),
            ("content-location", &["/base/c"]),
            ("link", &["</base/n>"]),
            ("refresh", &["1;url=/base/r"]),
            ("set-cookie", &["d=1; Domain=answers.example.test"]),
            ("date", &["Mon, 01 Jan 2024 00:00:00 GMT"]),
            ("alt-svc", &["clear"]),
            ("x-text", &["caf\u{e9}"]),
            ("warning", &["199"]),
        ] {
            assert_eq!(answer.header(name), values, "{service} {name}");
        }
        // The list is complete: a missing content type is not guessed (AG §12, a quirk).
        assert!(answer.header("content-type").is_empty());
        assert_eq!(answer.names().len(), 16, "{service}: {:?}", answer.names());
    }
    // Hop by hop; HTTP/2 has none. What `Connection` names beside passes: Envoy takes `Connection` itself away before
    // anybody sees it (istio/docs/limits.md).
    for (service, _) in &SERVICES[..2] {
        let rest = "answer?body=b&header=Connection:X-Named&header=X-Named:1&header=X-Stays:1&header=Keep-Alive:timeout=5\
                    &header=Proxy-Connection:close&header=Upgrade:h2c";
        let answer = ask(place, service, rest);
        assert_eq!(answer.header("x-stays"), ["1"]);
        for name in ["connection", "keep-alive", "proxy-connection", "upgrade"] {
            assert!(answer.header(name).is_empty(), "{service}: {name} in {:?}", answer.headers);
        }
    }
}

/// Redirects are never followed, and one without `Location`, or with an odd one, is passed on.
pub fn redirects_are_the_callers(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        let redirect = |status: u16, value: &str| {
            let rest = format!(
                "answer?status={status}&header=Location:{}",
                value.replace('#', "%23").replace('&', "%26")
            );
            let before = place.double().last_id().unwrap();
            let answer = ask(place, service, &rest);
            let calls = place.double().recorded(&[("after", &before.to_string())]).unwrap().len();
            assert_eq!((answer.status, calls), (status, 1), "{service} {value}");
            answer.header("location")
        };
        for status in [300, 301, 302, 303, 307, 308] {
            assert_eq!(redirect(status, "/base/y"), [format!("/answers/{service}/y")]);
            let none = ask(place, service, &format!("answer?status={status}"));
            assert_eq!((none.status, none.header("location")), (status, vec![]), "{service}");
        }
        assert_eq!(redirect(302, ""), [""]);
        assert_eq!(
            redirect(302, "https://elsewhere.example.test/base/y"),
            ["https://elsewhere.example.test/base/y"]
        );
        assert_eq!(redirect(302, "mailto:somebody"), ["mailto:somebody"]);
        assert_eq!(redirect(302, "http://[bad"), ["http://[bad"]);
        let both = format!("https://{HOST}:8443/base/y?a=1&b=2#f");
        assert_eq!(redirect(302, &both), [format!("/answers/{service}/y?a=1&b=2#f")]);
        // Asked for in absolute form: the answer is relative to it all the same.
        let target =
            format!("http://gateway.invalid/answers/{service}/answer?status=302&header=Location:/base/y");
        let answer = place.manual(&Request::new("GET", target)).unwrap();
        assert_eq!(answer.header("location"), [format!("/answers/{service}/y")]);
    }
}

/// Trailers of answers and of requests, over every pair of protocols.
pub fn trailers_pass_both_ways(place: &dyn Place) {
    plant(place).unwrap();
    let expected = [("x-sum".into(), "6".into()), ("x-more".into(), "1".into())];
    for (service, listener) in SERVICES {
        let path = format!("/answers/{service}/answer?body=one&trailer=x-sum:6&trailer=x-more:1");
        let answer = place.manual(&Request::new("GET", &path).header("TE", "trailers")).unwrap();
        assert_eq!((answer.text().as_str(), answer.complete), ("one", true), "{service}");
        assert_eq!(answer.trailers, expected, "{service}");
        let failed =
            format!("/answers/{service}/answer?status=500&body=one&trailer=x-sum:6&trailer=x-more:1");
        let answer = place.manual(&Request::new("GET", &failed)).unwrap();
        assert_eq!((answer.status, answer.trailers.as_slice()), (502, &expected[..]), "{service}");

        let mut connection = Http2::over(&place.connect(&Way::Manual).unwrap()).unwrap();
        let mut exchange = connection.begin("GET", &path, &[("te", "trailers")]).unwrap();
        exchange.end();
        let mut answer = exchange.head().unwrap();
        exchange.finish(&mut answer).unwrap();
        assert_eq!((answer.text().as_str(), answer.trailers.as_slice()), ("one", &expected[..]), "{service}");

        place.double().clear().unwrap();
        let mut caller = place.connect(&Way::Manual).unwrap();
        let head =
            format!("POST /answers/{service}/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
        caller.write(head.as_bytes()).unwrap();
        caller.write(b"3\r\none\r\n0\r\nX-Sum: 6\r\nx-more: 1\r\n\r\n").unwrap();
        assert_eq!(caller.begin(false).unwrap().status, 200);
        let seen = place.double().recorded(&[("listener", listener)]).unwrap().pop().unwrap();
        let mut trailers: Vec<(String, String)> =
            seen.trailers.iter().map(|(name, value)| (name.text().to_lowercase(), value.text())).collect();
        trailers.sort();
        assert_eq!(trailers, [("x-more".into(), "1".into()), ("x-sum".into(), "6".into())], "{service}");
    }
}

/// A caller that asks for leave gets it from the gateway, and a refusal instead where there is one to give. Istio's
/// gateways pass the question on: there it is for the target to answer, and the double's HTTP/2 side does not.
pub fn leave_to_send_is_given(place: &dyn Place) {
    plant(place).unwrap();
    let asked = if place.host() == Host::Istio { vec!["100-continue".to_owned()] } else { Vec::new() };
    for (service, _) in SERVICES.into_iter().take(if asked.is_empty() { 3 } else { 2 }) {
        let mut caller = place.connect(&Way::Manual).unwrap();
        for size in [1, 100_000] {
            let head = format!(
                "POST /answers/{service}/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {size}\r\n\r\n"
            );
            caller.write(head.as_bytes()).unwrap();
            assert_eq!(caller.head().unwrap().status, 100, "{service}");
            caller.write(&vec![b'b'; size]).unwrap();
            let mut answer = caller.begin(false).unwrap();
            caller.finish(&mut answer).unwrap();
            let seen: Recorded = answer.expect(200).unwrap().json().unwrap();
            assert_eq!((seen.body.length, seen.header("expect")), (size as u64, asked.clone()), "{service}");
        }
    }
    let mut caller = place.connect(&Way::Manual).unwrap();
    caller
        .write(b"POST /answers/nobody/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
        .unwrap();
    assert_eq!(caller.begin(false).unwrap().status, 404);
}
