//! Ingress on a real Envoy (spec connectivity-validator): the list of cases, and what is more than a request and its
//! answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a failure is a failed test")]

use std::path::Path;

use fairlead_cases::cover;
use fairlead_testkit::{
    bed::{Bed, INGRESS_HOST, LIMIT, outside},
    certs::{Attribute, Request as Certificate},
    envoy::{Envoy, Setup},
    http::{self, CALLER, Connection, Request, Tls},
    resources::Application,
    wait,
};
use fairlead_tests::{
    case::{Answer, run_all},
    ingress::{self, Authorities, post},
    target::Target,
};
use fairlead_wire::Reason;
use serde_json::json;

#[test]
fn ingress_cases() {
    let authorities = Authorities::new().unwrap();
    let mut bed = Bed::start(|seed| ingress::plant(seed, &authorities)).unwrap();
    let result = ingress::cases(&bed.double, &authorities).and_then(|cases| run_all(&bed, &cases));
    if let Err(error) = &result {
        eprintln!("{}", String::from_utf8_lossy(&bed.ingress.as_ref().unwrap().log()));
        panic!("{error}");
    }
    handshakes(&bed, &authorities);
    sink_answers(&bed, &authorities);
    methods_and_bodies(&bed, &authorities);
    nothing_is_held_back(&bed, &authorities);
    without_certificate(&bed);
    // Credentials are in use next door.
    for service in ["basic", "oauth"] {
        bed.manual(&Request::new("GET", format!("/both-ways/{service}"))).unwrap().expect(200).unwrap();
    }
    bed.check().unwrap();
    planted_leak(bed, &authorities);
}

/// Whoever has no certificate of an accepted authority, a time that is over, or TLS of former days has no connection.
fn handshakes(bed: &Bed, authorities: &Authorities) {
    let shop = [Attribute::CommonName("shop")];
    let expired = authorities.first.issue(&Certificate::client(&shop).expired()).unwrap();
    bed.double.clear().unwrap();
    for (tls, alert) in [
        (Tls::new().server_name(INGRESS_HOST), "CertificateRequired"),
        (outside(&authorities.stranger.client("shop").unwrap()), "UnknownCA"),
        (outside(&expired), "CertificateExpired"),
    ] {
        let error = bed.from_outside(&tls, &post("/shop/events")).unwrap_err().to_string();
        assert!(error.contains(alert), "{error}");
    }
    assert!(bed.double.recorded(&[]).unwrap().is_empty());

    // Record type, version, length; of an alert its level and description.
    let answer = |minor| {
        let mut connection = Connection::open(bed.ingress_address().unwrap()).unwrap();
        connection.write(&client_hello(minor)).unwrap();
        <[u8; 7]>::try_from(connection.exactly(7).unwrap()).unwrap()
    };
    for old in [1, 2] {
        let [kind, .., description] = answer(old);
        assert_eq!((kind, description), (ALERT, PROTOCOL_VERSION), "TLS 1.{}", old - 1);
    }
    let [kind, ..] = answer(3);
    assert_eq!(kind, HANDSHAKE, "TLS 1.2");
}

/// RFC 5246 §6.2.1, §7.2.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const PROTOCOL_VERSION: u8 = 70;

/// A first message whose newest version is TLS 1.(`minor` - 1) (RFC 5246 §7.4.1.2): rustls speaks nothing so old.
fn client_hello(minor: u8) -> Vec<u8> {
    // ECDHE with ECDSA and AES: GCM for 1.2, CBC with SHA-1 for all versions.
    let suites = [0xc0, 0x2b, 0xc0, 0x09];
    let groups = [0, 10, 0, 4, 0, 2, 0, 23]; // secp256r1
    let points = [0, 11, 0, 2, 1, 0]; // uncompressed
    let signatures = [0, 13, 0, 6, 0, 4, 4, 3, 2, 3]; // ECDSA with SHA-256 and SHA-1
    let extensions = [&groups[..], &points, &signatures].concat();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let body = [
        &[3, minor][..],
        &[7; 32],
        &[0],
        &length(&suites),
        &suites,
        &[1, 0],
        &length(&extensions),
        &extensions,
    ]
    .concat();
    let message = [&[1, 0][..], &length(&body), &body].concat();
    [&[HANDSHAKE, 3, 1][..], &length(&message), &message].concat()
}

/// What the sink answers, and what of it comes back (CV §6).
fn sink_answers(bed: &Bed, authorities: &Authorities) {
    let tls = outside(&authorities.first.client("shop").unwrap());
    let publish = || bed.from_outside(&tls, &post("/shop/events")).unwrap();
    let answer = publish();
    assert_eq!((answer.status, answer.names()), (204, vec!["date".to_owned()]));
    let answer = bed.from_outside(&tls, &post("/shop/v1/events")).unwrap();
    assert_eq!(answer.names(), ["content-length", "content-type", "date"]);
    assert!(answer.text().contains("event-id"), "{}", answer.text());
    for status in [500, 502, 507, 599] {
        bed.double.change(|settings| settings.sink.status = Some(status)).unwrap();
        let answer = publish();
        assert_eq!((answer.status, answer.text()), (502, format!("sink says {status}")));
        assert_eq!(answer.header("target-system-status"), [status.to_string()]);
        assert!(answer.header("x-fairlead-reason").is_empty());
    }
    for status in [200, 301, 400, 404, 429] {
        bed.double.change(|settings| settings.sink.status = Some(status)).unwrap();
        let answer = publish();
        assert_eq!((answer.status, answer.text()), (status, format!("sink says {status}")));
        assert!(answer.header("target-system-status").is_empty());
    }
    bed.double.change(|settings| settings.sink.status = None).unwrap();
}

/// Any method passes, and any body, in whatever framing, without a byte changed.
fn methods_and_bodies(bed: &Bed, authorities: &Authorities) {
    let tls = outside(&authorities.first.client("shop").unwrap());
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        bed.double.clear().unwrap();
        let request = Request::new(method, "/shop/v1/events").header("Host", INGRESS_HOST);
        assert_eq!(bed.from_outside(&tls, &request).unwrap().status, 200, "{method}");
        let seen = bed.double.recorded(&[]).unwrap().remove(0);
        assert_eq!((seen.method.text().as_str(), seen.body.length), (method, 0));
        // Where a body is usual, Envoy says that there is none (RFC 9110 §8.6).
        let mut names: Vec<_> = seen.sorted_headers().into_iter().map(|(name, _)| name).collect();
        names.retain(|name| name != "content-length");
        assert_eq!(names, ["host", "x-forwarded-for"], "{method}");
    }
    let chunks: Vec<Vec<u8>> = (0..80u8).map(|byte| vec![byte; 64 * 1024]).collect();
    let large =
        |path: &str| Request::new("POST", path).header("Host", INGRESS_HOST).chunks(chunks.iter().cloned());
    bed.double.clear().unwrap();
    assert_eq!(bed.from_outside(&tls, &large("/shop/v2/events")).unwrap().status, 204);
    assert_eq!(http::call(bed.double.address("sink").unwrap(), &large("/publish")).unwrap().status, 204);
    let [through, direct] = &bed.double.recorded(&[]).unwrap()[..] else { panic!("two large events") };
    assert_eq!(through.body.length, 5 * 1024 * 1024);
    assert_eq!(through.body, direct.body);
}

/// The sink gets the head, and each piece of a body, before the client has sent the rest.
fn nothing_is_held_back(bed: &Bed, authorities: &Authorities) {
    let target = Target::new().unwrap();
    let sink = json!({ "sink": { "publisher": target.url() } });
    let application = Application::new("stream").spec("fairlead", sink);
    bed.resources().unwrap().put("stream.yaml", &[application.manifest()]).unwrap();
    let tls = outside(&authorities.first.client("stream").unwrap());
    let address = bed.ingress_address().unwrap();
    let nowhere = Request::new("POST", "/stream/else").header("Host", INGRESS_HOST);
    wait::attempt("the new Application", LIMIT, || {
        let answer = http::call_tls(address, &tls, &nowhere)?;
        let text = "could not determine destination host, requested resource not found";
        Answer::json(404, Reason::UnknownPath, text).check(&answer)
    })
    .unwrap();

    let mut connection = Connection::open_tls(address, &tls).unwrap();
    let head =
        format!("POST /stream/events HTTP/1.1\r\nHost: {INGRESS_HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.write(head.as_bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    let mut lines = peer.head().unwrap();
    lines.sort();
    assert_eq!(
        lines,
        [
            "POST /publish HTTP/1.1".to_owned(),
            format!("host: {}", target.address()),
            "transfer-encoding: chunked".to_owned(),
            format!("x-forwarded-for: {CALLER}"),
        ]
    );
    for piece in ["first", "second"] {
        connection.write(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).unwrap();
        peer.until(piece.as_bytes()).unwrap();
    }
    connection.write(b"0\r\n\r\n").unwrap();
    peer.until(b"0\r\n\r\n").unwrap();
    peer.answer(202, "taken").unwrap();
    let mut answer = connection.begin(false).unwrap();
    connection.finish(&mut answer).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (202, "taken"));

    // A sink that takes the event and is gone without an answer.
    connection.write(&Request::new("POST", "/stream/events").header("Host", INGRESS_HOST).bytes()).unwrap();
    let mut peer = target.accept().unwrap();
    peer.head().unwrap();
    drop(peer);
    let mut answer = connection.begin(false).unwrap();
    connection.finish(&mut answer).unwrap();
    Answer::empty(502, Reason::TargetUnreachable).check(&answer).unwrap();
}

/// V1: where a gateway is told to let clients without certificate in, they are nobody, whatever they claim.
fn without_certificate(bed: &Bed) {
    let here = bed.control.gateway("ingress");
    let there = bed.double.directory().join("ingress");
    copy(&here, &there, &|text| {
        text.replace(here.to_str().unwrap(), there.to_str().unwrap())
            .replace("\"require_client_certificate\": true", "\"require_client_certificate\": false")
    });
    let envoy = Envoy::start(Setup::new(&there.join("bootstrap.json"))).unwrap();
    let address = envoy.listener("ingress", LIMIT).unwrap();
    let tls = Tls::new().server_name(INGRESS_HOST);
    let missing = Answer::json(500, Reason::CertificateMissing, "X-Forwarded-Client-Cert header not found");
    for path in ["/shop/v1/events", "/nobody/v1/events", "/shop/else"] {
        let plain = post(path);
        let forged = plain.clone().header("X-Forwarded-Client-Cert", "Hash=0;Subject=\"CN=shop\"");
        for request in [plain, forged] {
            missing.check(&http::call_tls(address, &tls, &request).unwrap()).unwrap();
        }
    }
    cover("CV-3-r01");
    cover("CV-4.3-r15");
}

/// Copies a gateway's files with their text changed.
fn copy(from: &Path, to: &Path, change: &impl Fn(&str) -> String) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target, change);
        } else if path.is_file() {
            std::fs::write(target, change(&std::fs::read_to_string(&path).unwrap())).unwrap();
        }
    }
}

/// The search that found no credential in the ingress gateway finds one that is there.
fn planted_leak(mut bed: Bed, authorities: &Authorities) {
    let planted = "planted-0123456789-in-a-path";
    bed.canary.add("planted", planted).unwrap();
    let tls = outside(&authorities.first.client("shop").unwrap());
    bed.from_outside(&tls, &post(&format!("/shop/v1/events/{planted}"))).unwrap();
    let found = wait::until("the planted leak", LIMIT, || bed.check().err()).unwrap().to_string();
    assert!(found.contains("planted (plain) in access log ingress.log"), "{found}");
    assert!(bed.finish().is_err());
}
