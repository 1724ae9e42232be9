//! Headers that no table lists (AG §6): what a caller may send and a target must get, in number, order and bytes, over
//! HTTP/1.1 and HTTP/2; and what a caller cannot reach by naming it.

use fairlead_testkit::{
    Result,
    external::record::{Raw, Recorded},
    http::Request,
    resources::{Application, Entry, secret},
};

use crate::place::{Needs, Place, Way};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

const HOST: &str = "headers.example.test";

/// Service and listener of the double: without and with TLS, and HTTP/2.
const SERVICES: [(&str, &str); 3] = [("plain", "http"), ("one", "https1"), ("two", "https")];

fn plant(place: &dyn Place) -> Result {
    let mut app = Application::new("lines");
    for (service, listener) in SERVICES {
        let target = place.double().url_by_name(listener, HOST)?;
        app = app.service(service, &[Entry::api(&target)]).service(
            &format!("{service} rich"),
            &[Entry::api(&target).basic("lines").parameters("lines-custom")],
        );
    }
    let custom = r#"{"X-Tenant": ["blue", "green"], "x-lower": ["l"], "User-Agent": ["custom/1"], "X-Request-Id": ["own"]}"#;
    let manifests = [
        app.manifest(),
        secret("lines", &[("username", "user"), ("password", &place.secret("password")?)]),
        secret("lines-custom", &[("headers", custom)]),
    ];
    let services: Vec<String> = SERVICES
        .iter()
        .flat_map(|(name, _)| [format!("lines/{name}"), format!("lines/{name}-rich")])
        .collect();
    place.plant("lines", &manifests, &services.iter().map(String::as_str).collect::<Vec<_>>())
}

fn seen(place: &dyn Place, request: &Request) -> Recorded {
    place.double().clear().unwrap();
    place.manual(request).unwrap().expect(200).unwrap();
    place.double().recorded(&[]).unwrap().pop().unwrap()
}

/// Names and values that are odd and allowed arrive, each line by itself.
pub fn odd_lines_arrive(place: &dyn Place) {
    plant(place).unwrap();
    for (service, listener) in SERVICES {
        let many: Vec<String> = (0..200).map(|at| format!("v{at}")).collect();
        let long = "l".repeat(60_000);
        let mut request = Request::new("GET", format!("/lines/{service}/x"))
            .header("X-Empty", "")
            .header("X-Latin", b"caf\xe9 \xff")
            .header("X-Unicode", "caf\u{e9} \u{1f6a2}")
            .header("X-Quoted", "a=\"b, c\"; d='\\'")
            .header("X-Blanks", "  in  side \t ")
            .header("X_Under.Score!#$%&'*+^`|~9", "odd name")
            .header("x-upper", "UPPER")
            .header("X-Long", &long)
            .header("Accept", "*/*")
            .header("Accept", "text/x")
            .header("Range", "bytes=0-1")
            .header("If-None-Match", "\"e\"")
            .header("Cookie", "a=1; b=2")
            .header("Cookie", "c=3")
            .header("Via", "1.1 somebody")
            .header("Forwarded", "for=10.0.0.9;proto=http")
            .header("X-Real-IP", "10.0.0.9")
            .header("b3", "0");
        for value in &many {
            request = request.header("X-Many", value);
        }
        let seen = seen(place, &request);
        assert_eq!(seen.listener, listener);
        for (name, values) in [
            ("x-empty", &[""][..]),
            ("x-unicode", &["caf\u{e9} \u{1f6a2}"]),
            ("x-quoted", &["a=\"b, c\"; d='\\'"]),
            ("x-blanks", &["in  side"]),
            ("x_under.score!#$%&'*+^`|~9", &["odd name"]),
            ("x-upper", &["UPPER"]),
            ("x-long", &[&long]),
            // Envoy joins lines of the headers that it keeps by itself; they are lists (RFC 9110 §5.3).
            ("accept", &["*/*,text/x"]),
            ("range", &["bytes=0-1"]),
            ("if-none-match", &["\"e\""]),
            ("via", &["1.1 somebody"]),
            ("forwarded", &["for=10.0.0.9;proto=http"]),
            ("x-real-ip", &["10.0.0.9"]),
            ("b3", &["0"]),
        ] {
            assert_eq!(seen.header(name), values, "{service} {name}");
        }
        assert_eq!(seen.header("x-many"), many, "{service}");
        let latin = seen.headers.iter().find(|(name, _)| name.0.eq_ignore_ascii_case(b"x-latin")).unwrap();
        assert_eq!(latin.1, b"caf\xe9 \xff"[..], "{service}");
        let capitals = |name: &Raw| name.0.iter().any(u8::is_ascii_uppercase);
        assert!(!seen.headers.iter().any(|(name, _)| capitals(name)), "{service}: {:?}", seen.headers);
        // Whoever folds cookies: the pairs are all there, in order (RFC 6265 §5.4).
        assert_eq!(seen.header("cookie").join("; "), "a=1; b=2; c=3", "{service}");
        assert!(seen.header("user-agent").is_empty() && seen.header("accept-encoding").is_empty());
    }
}

/// What we add cannot be taken off by naming it in `Connection`, nor doubled by sending it, in whatever spelling.
pub fn what_is_added_is_ours(place: &dyn Place) {
    plant(place).unwrap();
    for (service, _) in SERVICES {
        let path = format!("/lines/{service}-rich/x");
        let credential = seen(place, &Request::new("GET", &path)).header("authorization");
        assert!(matches!(credential.as_slice(), [one] if one.starts_with("Basic ")), "{service}");
        for connection in
            ["Authorization", "close, authorization, x-tenant", "AUTHORIZATION", "x-fairlead-profile"]
        {
            let request = Request::new("GET", &path)
                .header("Connection", connection)
                .header("AUTHORIZATION", "Bearer one")
                .header("Authorization", "Bearer two");
            let seen = seen(place, &request);
            assert_eq!(seen.header("authorization"), credential, "{service} {connection}");
            assert_eq!(seen.header("x-tenant"), ["blue", "green"], "{service} {connection}");
        }
        // Added where the caller has none, compared without regard to case (AG §10, a defect); the caller's win.
        let plain = seen(place, &Request::new("GET", &path));
        assert_eq!(
            (plain.header("x-lower"), plain.header("user-agent")),
            (vec!["l".to_owned()], vec!["custom/1".to_owned()])
        );
        assert_eq!(plain.header("x-request-id"), ["own"]);
        let own = Request::new("GET", &path)
            .header("X-LOWER", "mine")
            .header("x-TENANT", "")
            .header("User-Agent", "tool/1")
            .header("X-Request-Id", "mine");
        let own = seen(place, &own);
        assert_eq!(
            (own.header("x-lower"), own.header("x-tenant")),
            (vec!["mine".to_owned()], vec![String::new()])
        );
        assert_eq!(
            (own.header("user-agent"), own.header("x-request-id")),
            (vec!["tool/1".to_owned()], vec!["mine".to_owned()])
        );
    }
}

/// What is no header, or more than one may be, is refused and not guessed at.
pub fn malformed_lines_are_refused(place: &dyn Place) {
    plant(place).unwrap();
    let get = |lines: &str| format!("GET /lines/plain/x HTTP/1.1\r\nhost: x\r\n{lines}\r\n");
    for (what, bytes) in [
        ("no colon", get("x-broken\r\n")),
        ("blank in a name", get("x broken: 1\r\n")),
        ("blank before the colon", get("x-broken : 1\r\n")),
        ("an empty name", get(": 1\r\n")),
        ("NUL in a value", get("x-broken: a\0b\r\n")),
        ("two lengths", get("content-length: 1\r\ncontent-length: 2\r\n") + "ab"),
        ("a length that is none", get("content-length: +1\r\n") + "a"),
        ("length and chunks", get("content-length: 5\r\ntransfer-encoding: chunked\r\n") + "0\r\n\r\n"),
        ("an unknown coding", get("transfer-encoding: gzip\r\n")),
        ("a coding behind chunked", get("transfer-encoding: chunked, gzip\r\n") + "0\r\n\r\n"),
        ("no host", "GET /lines/plain/x HTTP/1.1\r\n\r\n".to_owned()),
        ("a bare line feed in a chunk size", get("transfer-encoding: chunked\r\n") + "1\na\r\n0\r\n\r\n"),
    ] {
        place.double().clear().unwrap();
        let mut caller = place.connect(&Way::Manual).unwrap();
        caller.write(bytes.as_bytes()).unwrap();
        let status = caller.begin(false).map_or(0, |answer| answer.status);
        // What is wrong in a body shows when its head has gone out: it never looks complete.
        let arrived = place.double().recorded(&[]).unwrap();
        let harmless = arrived.iter().all(|request| !request.body.complete);
        assert!(matches!(status, 400 | 501) && harmless, "{what}: {status}, {arrived:?}");
    }
    // Taken, and made harmless: a fold is a blank (RFC 9112 §5.2), and the target's own host is all that goes out.
    for (what, bytes) in [
        ("a folded line", get("x-folded: a\r\n b\r\n")),
        (
            "two hosts",
            "GET /lines/plain/x HTTP/1.1\r\nhost: x\r\nx-folded: a b\r\nhost: y\r\n\r\n".to_owned(),
        ),
    ] {
        place.double().clear().unwrap();
        let mut caller = place.connect(&Way::Manual).unwrap();
        caller.write(bytes.as_bytes()).unwrap();
        assert_eq!(caller.begin(false).unwrap().status, 200, "{what}");
        let seen = place.double().recorded(&[]).unwrap().pop().unwrap();
        assert_eq!(seen.header("x-folded"), ["a b"], "{what}");
        assert_eq!(
            seen.header("host"),
            [format!("{HOST}:{}", place.double().address("http").unwrap().port())]
        );
    }
}
