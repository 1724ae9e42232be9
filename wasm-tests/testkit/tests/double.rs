//! The double echoes exactly, over every listener, and its client sees all of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::time::Duration;

use fairlead_testkit::{
    certs::{Attribute, Authority, Request as Certificate},
    double::{Double, Setup},
    external::record::Recorded,
    http::{self, Connection, Request, Tls},
};

const LIMIT: Duration = Duration::from_secs(10);

fn double() -> Double {
    Double::start(&Setup::default()).unwrap()
}

#[test]
fn echo_keeps_order_case_and_bytes() {
    let double = double();
    let request = Request::new("POST", "/a%2Fb//c|d\"?x=%zz&y")
        .header("Host", "Some.Host")
        .header("X-B", "1")
        .header("x-a", b"caf\xe9 \x80")
        .header("X-b", "")
        .body(b"\x00\xffbody");
    let answer = http::call(double.address("http").unwrap(), &request).unwrap().expect(200).unwrap();
    let seen: Recorded = answer.json().unwrap();
    assert_eq!((seen.method.text(), seen.version.as_str()), ("POST".to_owned(), "HTTP/1.1"));
    assert_eq!(seen.target, "/a%2Fb//c|d\"?x=%zz&y");
    assert_eq!((seen.path(), seen.query()), (&b"/a%2Fb//c|d\""[..], Some(&b"x=%zz&y"[..])));
    let lines: Vec<(&[u8], &[u8])> =
        seen.headers.iter().map(|(n, v)| (n.0.as_slice(), v.0.as_slice())).collect();
    let expected: [(&[u8], &[u8]); 5] = [
        (b"Host", b"Some.Host"),
        (b"X-B", b"1"),
        (b"x-a", b"caf\xe9 \x80"),
        (b"X-b", b""),
        (b"Content-Length", b"6"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(seen.body.content.as_ref().unwrap().0, b"\x00\xffbody");
    assert_eq!((seen.body.length, seen.body.complete, seen.body.chunked), (6, true, false));
    assert_eq!(seen.body.sha256, "63189caad211837f768d34ac8b28978ade5343ecae47cc0bf96ac8daee491f51");
    assert_eq!(double.recorded(&[("method", "POST")]).unwrap(), [seen]);
}

#[test]
fn chunked_bodies_and_keep_alive() {
    let double = double();
    let mut connection = Connection::open(double.address("http").unwrap()).unwrap();
    let first: Recorded =
        connection.send(&Request::new("PUT", "/").chunks(["ab", "c"])).unwrap().json().unwrap();
    let second: Recorded = connection.send(&Request::new("GET", "/")).unwrap().json().unwrap();
    assert_eq!((first.body.length, first.body.chunked), (3, true));
    assert_eq!(first.body.content.unwrap(), "abc");
    assert_eq!(first.connection, second.connection);
    assert_eq!(double.last_id().unwrap(), second.id);
    double.clear().unwrap();
    assert_eq!(double.recorded(&[]).unwrap(), []);
}

#[test]
fn tls_listeners_report_name_protocol_and_certificate() {
    let double = double();
    let roots = std::fs::read_to_string(double.ca()).unwrap();
    let tls = Tls::new().server_name("a.example.test").roots(&roots);
    let answer = http::call_tls(double.address("https").unwrap(), &tls, &Request::new("GET", "/")).unwrap();
    let seen: Recorded = answer.json().unwrap();
    let seen = seen.tls.unwrap();
    assert_eq!((seen.sni.as_deref(), seen.alpn, seen.peer), (Some("a.example.test"), None, None));
    for listener in ["other", "wrong-name", "expired", "self-signed"] {
        assert!(Connection::open_tls(double.address(listener).unwrap(), &tls).is_err(), "{listener}");
        let unverified = Tls::new().server_name("a.example.test");
        let request = Request::new("GET", "/");
        http::call_tls(double.address(listener).unwrap(), &unverified, &request)
            .unwrap()
            .expect(200)
            .unwrap();
    }
}

#[test]
fn mtls_demands_a_certificate_and_reports_it() {
    let authority = Authority::new("clients").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("clients.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let double = Double::start(&Setup { client_ca: Some(file), ..Setup::default() }).unwrap();
    let address = double.address("mtls").unwrap();
    let request = Request::new("GET", "/");
    let subject = [Attribute::Organization("Ö"), Attribute::CommonName("one"), Attribute::CommonName("two")];
    let identity = authority.issue(&Certificate::client(&subject)).unwrap();
    let answer = http::call_tls(address, &Tls::new().identity(&identity), &request).unwrap();
    let seen: Recorded = answer.json().unwrap();
    let peer = seen.tls.unwrap().peer.unwrap();
    assert_eq!(peer.common_names, ["one", "two"]);
    assert_eq!(peer.sha256.len(), 64);
    let stranger = Authority::new("strangers").unwrap().client("one").unwrap();
    for tls in [Tls::new(), Tls::new().identity(&stranger)] {
        assert!(http::call_tls(address, &tls, &request).is_err());
    }
}

#[test]
fn endpoints_do_what_their_path_says() {
    let double = double();
    let http = double.address("http").unwrap();
    let get = |path: &str| http::get(http, path).unwrap();
    assert_eq!(get("/status/503").status, 503);
    assert_eq!(get("/base/bytes/100000").body.len(), 100_000);
    assert_eq!(get("/drip/3/1").text(), "drip\ndrip\ndrip\n");
    assert_eq!(get("/redirect?to=%2Fx%3Fy").header("location"), ["/x?y"]);
    let asked = get("/answer?status=201&header=Location:%20/a&header=Set-Cookie:a=b&body=hi&early=103");
    assert_eq!((asked.status, asked.text().as_str(), asked.early.as_slice()), (201, "hi", &[103][..]));
    assert_eq!(asked.header("location"), ["/a"]);
    assert_eq!(get("/basic-auth/u/p").status, 401);
    let basic = Request::new("GET", "/basic-auth/u/p").header("Authorization", "Basic dTpw");
    assert!(http::call(http, &basic).unwrap().text().contains("\"authenticated\":true"));
    let cut = get("/truncate/10/3");
    assert_eq!((cut.body.len(), cut.complete), (3, false));
    assert!(http::get(http, "/reset").is_err());
    let head = http::call(http, &Request::new("HEAD", "/bytes/5")).unwrap();
    assert_eq!((head.header("content-length"), head.body.len()), (vec!["5".to_owned()], 0));
}

#[test]
fn upgrades_echo() {
    let double = double();
    let mut connection = Connection::open(double.address("http").unwrap()).unwrap();
    let request =
        Request::new("GET", "/upgrade").header("Connection", "Upgrade").header("Upgrade", "websocket");
    assert_eq!(connection.send(&request).unwrap().status, 101);
    connection.write(b"ping").unwrap();
    assert_eq!(connection.exactly(4).unwrap(), b"ping");
}

#[test]
fn tokens_are_issued_counted_checked_and_revoked() {
    let double = double();
    let http = double.address("http").unwrap();
    let form = "client_id=id&client_secret=s%2Bx&grant_type=client_credentials";
    let request = |basic: &str| {
        Request::new("POST", "/oauth/token")
            .header("Authorization", basic)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form)
    };
    // base64("id:s+x")
    let good = http::call(http, &request("Basic aWQ6cyt4")).unwrap().expect(200).unwrap();
    let token: serde_json::Value = good.json().unwrap();
    assert_eq!(http::call(http, &request("Basic eA==")).unwrap().status, 401);
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let protected = Request::new("GET", "/protected/bearer").header("Authorization", bearer);
    assert_eq!(http::call(http, &protected).unwrap().status, 200);
    double.revoke_tokens().unwrap();
    assert_eq!(http::call(http, &protected).unwrap().status, 401);
    double
        .change(|settings| {
            settings.token.status = Some(503);
            settings.token.body = Some("busy".to_owned());
        })
        .unwrap();
    let refused = http::call(http, &request("Basic aWQ6cyt4")).unwrap();
    assert_eq!((refused.status, refused.text().as_str()), (503, "busy"));
    let counts = double.counts().unwrap();
    assert_eq!((counts.token_requests, counts.tokens), (3, 1));
}

#[test]
fn the_sink_records_both_kinds_of_events() {
    let double = double();
    let sink = double.address("sink").unwrap();
    assert_eq!(http::call(sink, &Request::new("POST", "/publish").body("{}")).unwrap().status, 204);
    assert_eq!(http::call(sink, &Request::new("POST", "/app/v1/events").body("{}")).unwrap().status, 200);
    double.change(|settings| settings.sink.status = Some(507)).unwrap();
    assert_eq!(http::call(sink, &Request::new("POST", "/publish").body("{}")).unwrap().status, 507);
    let events = double.wait_recorded(&[("listener", "sink")], 3, LIMIT).unwrap();
    let paths: Vec<_> = events.iter().map(|event| event.target.text()).collect();
    assert_eq!(paths, ["/publish", "/app/v1/events", "/publish"]);
}
