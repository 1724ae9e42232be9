//! Transport profiles on a real Envoy: trust, server name, live changes, the guard (AG §7; design decisions 11–13).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure is a failed test")]

use std::{io::ErrorKind, net::TcpListener};

use fairlead_testkit::{
    bed::Bed,
    double::Double,
    external::record::Recorded,
    http::{Connection, Request},
    resources::{Application, Entry, secret},
};
use fairlead_tests::case::Answer;
use fairlead_wire::Reason;
use serde_json::{Value, json};

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

#[test]
fn transport_server_name_and_protocol_follow_the_target() {
    let bed = Bed::start(|seed| {
        let double = &seed.double;
        let literal = Entry::api(&double.url("https")?);
        let app = Application::new("app")
            .service("two", &[base(double, "https", HOST)])
            .service("one", &[base(double, "https1", "other.example.test")])
            .service("literal", &[literal])
            .service("wrong", &[base(double, "wrong-name", HOST)])
            .service("mtls", &[base(double, "mtls", HOST)])
            .service("plain", &[base(double, "http", HOST)]);
        seed.put("app.yaml", &[app.manifest()]);
        Ok(())
    })
    .unwrap();
    let double = &bed.double;
    let port = |listener: &str| double.address(listener).unwrap().port();
    for (service, version, sni, alpn, authority) in [
        ("two", "HTTP/2", Some(HOST), "h2", format!("{HOST}:{}", port("https"))),
        ("one", "HTTP/1.1", Some("other.example.test"), "http/1.1", {
            format!("other.example.test:{}", port("https1"))
        }),
        // An address is no server name (RFC 6066 §3); the certificate must hold it all the same.
        ("literal", "HTTP/2", None, "h2", format!("127.0.0.2:{}", port("https"))),
    ] {
        bed.manual(&get(&format!("/app/{service}/x"))).unwrap().expect(200).unwrap();
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
                bed.manual(&get(&format!("/app/{service}/x"))).unwrap().expect(200).unwrap();
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
        unreachable.check(&bed.manual(&get(&format!("/app/{service}/x"))).unwrap()).unwrap();
    }
    bed.finish().unwrap();
}

/// The Application whose trust the next test changes.
fn trusting(double: &Double, fields: &[(&str, Value)]) -> Value {
    let app = fields.iter().fold(Application::new("app"), |app, (name, value)| app.spec(name, value.clone()));
    app.service("svc", &[base(double, "other", HOST)]).manifest()
}

#[test]
fn transport_trust_changes_live_also_for_warm_connections() {
    let bed = Bed::start(|seed| {
        seed.put("app.yaml", &[trusting(&seed.double, &[])]);
        seed.put(
            "control.yaml",
            &[Application::new("still").service("svc", &[base(&seed.double, "http", HOST)]).manifest()],
        );
        Ok(())
    })
    .unwrap();
    let resources = bed.resources().unwrap();
    let double = &bed.double;
    let call = get("/app/svc/x");
    let refused = Answer::empty(502, Reason::TargetUnreachable);
    let other = std::fs::read_to_string(double.other_ca()).unwrap();
    let own = std::fs::read_to_string(double.ca()).unwrap();
    // One kept connection of a caller: what changes must hold for it as well.
    let mut caller = Connection::open(bed.manual_address()).unwrap();
    let mut warm = |expected: u16| assert_eq!(caller.send(&call).unwrap().status, expected);
    let private = ("fairlead", json!({ "caSecretName": "ca" }));
    let ca = |pem: &str| secret("ca", &[("ca.crt", pem)]);

    refused.check(&bed.manual(&call).unwrap()).unwrap();
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
        resources.put("app.yaml", &manifests).unwrap();
        bed.until(&call, |answer| answer.status == status).unwrap();
        // No connection that was made under the old trust is used any longer, by any worker.
        for _ in 0..10 {
            let answer = bed.manual(&call).unwrap();
            assert_eq!(answer.status, status, "{step}: {}", answer.text());
        }
        warm(status);
    }
    bed.manual(&get("/still/svc/x")).unwrap().expect(200).unwrap();
    bed.finish().unwrap();
}

#[test]
fn transport_guard_and_unknown_profiles() {
    let bed = Bed::start(|seed| {
        let double = &seed.double;
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
        seed.put("guard.yaml", &[app.manifest()]);
        Ok(())
    })
    .unwrap();
    for service in ["name", "name-tls", "literal", "literal-tls", "metadata", "any", "mapped", "six"] {
        let answer = bed.manual(&get(&format!("/guard/{service}/x"))).unwrap();
        let result = Answer::empty(502, Reason::TargetRefused).check(&answer);
        assert!(result.is_ok(), "{service}: {result:?}");
    }
    // However it is spelt; whether it is a name at all is not our business.
    for service in ["decimal", "localhost"] {
        bed.manual(&get(&format!("/guard/{service}/x"))).unwrap().expect(502).unwrap();
    }
    assert!(bed.double.recorded(&[]).unwrap().is_empty(), "a refused address was called");

    // A profile that Envoy does not know: never another target, and back as soon as it knows.
    bed.manual(&get("/guard/good/x")).unwrap().expect(200).unwrap();
    let file = bed.control.gateway("egress").join("xds/cds.json");
    let known = std::fs::read(&file).unwrap();
    let mut cds: Value = serde_json::from_slice(&known).unwrap();
    cds["resources"] = json!([]);
    cds["version_info"] = json!("none");
    let replace = |content: &[u8]| {
        let staged = file.with_extension("staged");
        std::fs::write(&staged, content).unwrap();
        std::fs::rename(&staged, &file).unwrap();
    };
    replace(&serde_json::to_vec(&cds).unwrap());
    bed.until(&get("/guard/good/x"), |answer| answer.status == 503).unwrap();
    let missing =
        Answer::json(503, Reason::ProfileMissing, "the gateway does not know the transport profile yet");
    missing.header("retry-after", "1").check(&bed.manual(&get("/guard/good/x")).unwrap()).unwrap();
    replace(&known);
    bed.until(&get("/guard/good/x"), |answer| answer.status == 200).unwrap();
    bed.finish().unwrap();
}

/// Who controls a target's zone answers with a permitted address where nobody listens, and with one of ours.
#[test]
fn transport_guard_judges_every_address_of_a_name() {
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    ours.set_nonblocking(true).unwrap();
    let port = ours.local_addr().unwrap().port();
    let bed = Bed::start(|seed| {
        let evil = Entry::api(&format!("http://evil.example.test:{port}"));
        let half = base(&seed.double, "http", "half.example.test");
        let addresses = |list: &[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        seed.double.change(|settings| {
            settings.dns.insert("evil.example.test".to_owned(), addresses(&["127.0.0.2", "127.0.0.1"]));
            settings.dns.insert("half.example.test".to_owned(), addresses(&["127.0.0.2", "169.254.169.254"]));
        })?;
        seed.put(
            "app.yaml",
            &[Application::new("app").service("evil", &[evil]).service("half", &[half]).manifest()],
        );
        Ok(())
    })
    .unwrap();
    let mut reasons = Vec::new();
    for _ in 0..20 {
        let answer = bed.manual(&get("/app/evil/x")).unwrap();
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
    let statuses: Vec<u16> = (0..8).map(|_| bed.manual(&get("/app/half/x")).unwrap().status).collect();
    assert!(
        statuses.contains(&200) && statuses.iter().all(|status| matches!(status, 200 | 502)),
        "{statuses:?}"
    );
    bed.finish().unwrap();
}
