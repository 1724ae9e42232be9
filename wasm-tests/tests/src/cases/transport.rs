//! Transport profiles: trust, server name, live changes, the guard (AG §7; design decisions 11–13).

use std::{io::ErrorKind, net::TcpListener};

use fairlead_testkit::{
    double::Double,
    external::record::Recorded,
    http::Request,
    resources::{Application, Entry, secret},
};
use fairlead_wire::Reason;
use serde_json::{Value, json};

use crate::{
    case::Answer,
    place::{Needs, Place, Way},
};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

const HOST: &str = "api.example.test";

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn last(double: &Double) -> Recorded {
    double.recorded(&[]).unwrap().pop().unwrap()
}

fn base(double: &Double, listener: &str, host: &str) -> Entry {
    Entry::api(&format!("{}/base", double.url_by_name(listener, host).unwrap()))
}

/// SNI, ALPN, and connections that stay.
pub fn server_name_and_protocol_follow_the_target(place: &dyn Place) {
    let double = place.double();
    let literal = Entry::api(&double.url("https").unwrap());
    let app = Application::new("transport")
        .service("two", &[base(double, "https", HOST)])
        .service("one", &[base(double, "https1", "other.example.test")])
        .service("literal", &[literal])
        .service("wrong", &[base(double, "wrong-name", HOST)])
        .service("mtls", &[base(double, "mtls", HOST)])
        .service("plain", &[base(double, "http", HOST)]);
    let services =
        ["two", "one", "literal", "wrong", "mtls", "plain"].map(|service| format!("transport/{service}"));
    place.plant("transport", &[app.manifest()], &services.each_ref().map(String::as_str)).unwrap();
    let port = |listener: &str| double.address(listener).unwrap().port();
    for (service, version, sni, alpn, authority) in [
        ("two", "HTTP/2", Some(HOST), "h2", format!("{HOST}:{}", port("https"))),
        ("one", "HTTP/1.1", Some("other.example.test"), "http/1.1", {
            format!("other.example.test:{}", port("https1"))
        }),
        // An address is no server name (RFC 6066 §3); the certificate must hold it all the same.
        ("literal", "HTTP/2", None, "h2", format!("{}:{}", place.external(), port("https"))),
    ] {
        place.manual(&get(&format!("/transport/{service}/x"))).unwrap().expect(200).unwrap();
        let seen = last(double);
        let tls = seen.tls.as_ref().unwrap();
        assert_eq!(seen.version, version, "{service}");
        assert_eq!((tls.sni.as_deref(), tls.alpn.as_deref()), (sni, Some(alpn)), "{service}");
        assert!(matches!(tls.version.as_str(), "TLSv1_2" | "TLSv1_3"), "{tls:?}");
        assert_eq!(tls.peer, None, "the gateway's own certificate is not for targets");
        let host = seen.authority.as_ref().map_or_else(|| seen.header("host")[0].clone(), |host| host.text());
        assert_eq!(host, authority, "{service}");
    }
    // Connections stay.
    for service in ["plain", "one", "two"] {
        let connections: Vec<u64> = (0..8)
            .map(|_| {
                place.manual(&get(&format!("/transport/{service}/x"))).unwrap().expect(200).unwrap();
                last(double).connection
            })
            .collect();
        let mut distinct = connections.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() <= 3, "{service}: {connections:?}");
    }
    let unreachable = Answer::empty(502, Reason::TargetUnreachable);
    for service in ["wrong", "mtls"] {
        unreachable.check(&place.manual(&get(&format!("/transport/{service}/x"))).unwrap()).unwrap();
    }
}

/// The Application whose trust the next test changes.
fn trusting(double: &Double, fields: &[(&str, Value)]) -> Value {
    let app =
        fields.iter().fold(Application::new("trust"), |app, (name, value)| app.spec(name, value.clone()));
    app.service("svc", &[base(double, "other", HOST)]).manifest()
}

/// Each kind of trust after another, on one connection of a caller.
pub fn trust_changes_live_also_for_warm_connections(place: &dyn Place) {
    let double = place.double();
    let still = Application::new("trust-still").service("svc", &[base(double, "http", HOST)]);
    place.plant("trust-still", &[still.manifest()], &["trust-still/svc"]).unwrap();
    place.plant("trust", &[trusting(double, &[])], &["trust/svc"]).unwrap();
    let call = get("/trust/svc/x");
    let refused = Answer::empty(502, Reason::TargetUnreachable);
    let other = std::fs::read_to_string(double.other_ca()).unwrap();
    let own = std::fs::read_to_string(double.ca()).unwrap();
    // One kept connection of a caller: what changes must hold for it as well.
    let mut caller = place.connect(&Way::Manual).unwrap();
    let mut warm = |expected: u16| assert_eq!(caller.send(&call).unwrap().status, expected);
    let private = ("fairlead", json!({ "caSecretName": "trust-ca" }));
    let ca = |pem: &str| secret("trust-ca", &[("ca.crt", pem)]);

    refused.check(&place.manual(&call).unwrap()).unwrap();
    let steps: [(&str, Vec<Value>, u16); 7] = [
        ("not verified", vec![trusting(double, &[("skipVerify", true.into())])], 200),
        ("verified again", vec![trusting(double, &[])], 502),
        ("private CA", vec![trusting(double, std::slice::from_ref(&private)), ca(&other)], 200),
        ("another private CA", vec![trusting(double, std::slice::from_ref(&private)), ca(&own)], 502),
        ("both", vec![trusting(double, std::slice::from_ref(&private)), ca(&format!("{own}{other}"))], 200),
        ("system", vec![trusting(double, &[])], 502),
        ("not verified after all", vec![trusting(double, &[("skipVerify", true.into())])], 200),
    ];
    for (step, manifests, status) in steps {
        place.put("trust", &manifests).unwrap();
        place.until(&call, |answer| answer.status == status).unwrap();
        // No connection that was made under the old trust is used any longer, by any worker.
        for _ in 0..10 {
            let answer = place.manual(&call).unwrap();
            assert_eq!(answer.status, status, "{step}: {}", answer.text());
        }
        warm(status);
    }
    place.manual(&get("/trust-still/svc/x")).unwrap().expect(200).unwrap();
}

/// Addresses that no target may have, however they are spelt.
pub fn guard(place: &dyn Place) {
    let double = place.double();
    let literal = |address: &str, listener: &str| {
        let port = double.address(listener).unwrap().port();
        let scheme = if listener == "http" { "http" } else { "https" };
        [Entry::api(&format!("{scheme}://{address}:{port}/base"))]
    };
    let app = Application::new("guard")
        .spec("skipVerify", true)
        .service("name", &[base(double, "http", "loopback.example.test")])
        .service("name tls", &[base(double, "https", "loopback.example.test")])
        .service("literal", &literal("127.0.0.1", "http"))
        .service("literal tls", &literal("127.0.0.1", "https"))
        .service("metadata", &literal("169.254.169.254", "http"))
        .service("any", &literal("0.0.0.0", "http"))
        .service("mapped", &literal("[::ffff:127.0.0.1]", "http"))
        .service("six", &literal("[::1]", "http"))
        .service("decimal", &literal("2130706433", "http"))
        .service("localhost", &literal("localhost", "http"))
        .service("good", &[base(double, "https", HOST)]);
    place.plant("guard", &[app.manifest()], &["guard/good"]).unwrap();
    for service in ["name", "name-tls", "literal", "literal-tls", "metadata", "any", "mapped", "six"] {
        let answer = place.manual(&get(&format!("/guard/{service}/x"))).unwrap();
        let result = Answer::empty(502, Reason::TargetRefused).check(&answer);
        assert!(result.is_ok(), "{service}: {result:?}");
    }
    // However it is spelt; whether it is a name at all is not our business.
    for service in ["decimal", "localhost"] {
        place.manual(&get(&format!("/guard/{service}/x"))).unwrap().expect(502).unwrap();
    }
    assert!(place.double().recorded(&[]).unwrap().is_empty(), "a refused address was called");
}

/// Who controls a target's zone answers with a permitted address where nobody listens, and with one of ours.
pub fn guard_judges_every_address_of_a_name(place: &dyn Place) {
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    ours.set_nonblocking(true).unwrap();
    let port = ours.local_addr().unwrap().port();
    let resolve = |name: &str, second: [u8; 4]| {
        place.resolve(name, &[place.external(), second.into()]).unwrap();
    };
    resolve("evil.example.test", [127, 0, 0, 1]);
    resolve("half.example.test", [169, 254, 169, 254]);
    let app = Application::new("guard-names")
        .service("evil", &[Entry::api(&format!("http://evil.example.test:{port}"))])
        .service("half", &[base(place.double(), "http", "half.example.test")]);
    place.plant("guard-names", &[app.manifest()], &["guard-names/evil", "guard-names/half"]).unwrap();
    let mut reasons = Vec::new();
    for _ in 0..20 {
        let answer = place.manual(&get("/guard-names/evil/x")).unwrap();
        assert_eq!(answer.status, 502, "{}", answer.text());
        reasons.extend(answer.header("x-fairlead-reason"));
    }
    assert!(reasons.contains(&Reason::TargetUnreachable.as_str().to_owned()), "{reasons:?}");
    assert!(reasons.contains(&Reason::TargetRefused.as_str().to_owned()), "{reasons:?}");
    assert_eq!(
        ours.accept().unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "a refused address was connected to"
    );

    // Where one of the addresses is refused, the others are called all the same.
    let statuses: Vec<u16> =
        (0..8).map(|_| place.manual(&get("/guard-names/half/x")).unwrap().status).collect();
    assert!(
        statuses.contains(&200) && statuses.iter().all(|status| matches!(status, 200 | 502)),
        "{statuses:?}"
    );
}
