//! Targets behind a corporate HTTP proxy: `spec.fairlead.proxy`, or the installation's.

use std::{
    io::ErrorKind,
    net::TcpListener,
    time::{Duration, Instant},
};

use fairlead_testkit::{
    bed::LIMIT,
    double::Double,
    external::record::Recorded,
    http::Request,
    load::Load,
    resources::{Application, Entry, secret},
    wait,
    websocket::{Client, TEXT},
};
use fairlead_wire::Reason;
use serde_json::json;

use crate::{
    case::Answer,
    place::{Needs, Place, Way},
};

/// An egress gateway that forgets profiles soon.
pub const NEEDS: Needs = Needs { config: r#"{ "profiles": { "grace": "2s" } }"#, ..Needs::EGRESS };

/// A little longer than the grace period takes.
const GRACE: Duration = Duration::from_millis(3500);
/// How long proxies change.
const CHANGES: Duration = Duration::from_secs(4);

/// Each table has hosts of its own: tunnels to them stay open for the next.
const HOST: &str = "behind.example.test";
const SECOND: &str = "behind-too.example.test";
const MORE: &str = "behind-more.example.test";
const NAME: &str = "proxy.example.test";

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// The double's proxy, by a name.
fn proxy(double: &Double) -> String {
    format!("http://{NAME}:{}", double.address("proxy").unwrap().port())
}

fn base(double: &Double, listener: &str, host: &str) -> Entry {
    Entry::api(&format!("{}/base", double.url_by_name(listener, host).unwrap()))
}

fn through(double: &Double, name: &str) -> Application {
    Application::new(name).spec("fairlead", json!({ "proxy": proxy(double) }))
}

/// What the proxy was asked for, and what else was seen.
fn seen(double: &Double) -> (Vec<String>, Vec<Recorded>) {
    let (asked, others): (Vec<_>, Vec<_>) =
        double.recorded(&[]).unwrap().into_iter().partition(|request| request.listener == "proxy");
    (
        asked.iter().map(|request| format!("{} {}", request.method.text(), request.target.text())).collect(),
        others,
    )
}

/// TLS goes through a tunnel of its own for each target, verified from end to end; names are the proxy's to resolve.
pub fn targets_are_reached_by_the_proxy_alone(place: &dyn Place) {
    let double = place.double();
    let app = through(double, "proxies")
        .service("two", &[base(double, "https", HOST)])
        .service("second", &[base(double, "https", SECOND)])
        .service("one", &[base(double, "https1", HOST)])
        .service("wrong", &[base(double, "wrong-name", HOST)])
        .service("other", &[base(double, "other", HOST)])
        .service("plain", &[base(double, "http", HOST)])
        .service("literal", &[Entry::api(&double.url("https").unwrap())]);
    place.plant("proxies", &[app.manifest()], &["proxies/two", "proxies/plain"]).unwrap();
    let port = |listener: &str| double.address(listener).unwrap().port();
    for (service, listener, host, version) in [
        ("two", "https", HOST, "HTTP/2"),
        ("second", "https", SECOND, "HTTP/2"),
        ("one", "https1", HOST, "HTTP/1.1"),
        ("two", "https", HOST, "HTTP/2"),
    ] {
        let request = get(&format!("/proxies/{service}/a//b?c=d"));
        place.manual(&request).unwrap().expect(200).unwrap_or_else(|error| panic!("{service}: {error}"));
        let (asked, reached) = seen(double);
        let to = format!("CONNECT {host}:{}", port(listener));
        assert!(asked.iter().all(|asked| asked.starts_with("CONNECT ")), "{asked:?}");
        assert!(asked.contains(&to), "{service}: {asked:?}");
        let reached = reached.last().unwrap();
        assert_eq!(
            (reached.listener.as_str(), reached.target.text()),
            (listener, "/base/a//b?c=d".to_owned())
        );
        assert_eq!(reached.version, version, "{service}");
        assert_eq!(reached.tls.as_ref().unwrap().sni.as_deref(), Some(host), "{service}");
    }
    // One tunnel a host and worker at most, whatever came first.
    let (asked, _) = seen(double);
    assert!(asked.len() <= 6, "{asked:?}");

    double.clear().unwrap();
    place.manual(&get("/proxies/literal/x")).unwrap().expect(200).unwrap();
    assert_eq!(seen(double).0, [format!("CONNECT {}:{}", place.external(), port("https"))]);

    // Without TLS the proxy gets the request itself, as RFC 9112 §3.2.2 has it.
    double.clear().unwrap();
    let request = Request::new("POST", "/proxies/plain/x?y=z").body("hello");
    place.manual(&request).unwrap().expect(200).unwrap();
    let (asked, reached) = seen(double);
    assert_eq!(asked, [format!("POST http://{HOST}:{}/base/x?y=z", port("http"))]);
    assert!(reached.is_empty(), "{reached:?}");
    let proxied = double.recorded(&[("listener", "proxy")]).unwrap().pop().unwrap();
    assert_eq!(proxied.header("host"), [format!("{HOST}:{}", port("http"))]);
    assert!(!proxied.headers.iter().any(|(name, _)| name.text().starts_with("x-envoy")), "{proxied:?}");

    // Who is not who the name says gets nothing, and a proxy that does not want to is no target that answered.
    let unreachable = Answer::empty(502, Reason::TargetUnreachable);
    for service in ["wrong", "other"] {
        unreachable.check(&place.manual(&get(&format!("/proxies/{service}/x"))).unwrap()).unwrap();
    }
    double.change(|settings| settings.proxy.status = Some(403)).unwrap();
    let app = through(double, "proxies-refused").service("svc", &[base(double, "https", "new.example.test")]);
    place.plant("proxies-refused", &[app.manifest()], &["proxies-refused/svc"]).unwrap();
    unreachable.check(&place.manual(&get("/proxies-refused/svc/x")).unwrap()).unwrap();
    double.change(|settings| settings.proxy.status = None).unwrap();
}

/// A proxy whose name leads to an address that is never called is not called, neither for a tunnel nor for a request.
pub fn a_proxy_at_a_refused_address_is_not_called(place: &dyn Place) {
    let double = place.double();
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    ours.set_nonblocking(true).unwrap();
    let proxy = format!("http://loopback.example.test:{}", ours.local_addr().unwrap().port());
    let app = Application::new("proxies-inside")
        .spec("fairlead", json!({ "proxy": proxy }))
        .service("tls", &[base(double, "https", "inside.example.test")])
        .service("plain", &[base(double, "http", "inside.example.test")]);
    let services = ["proxies-inside/tls", "proxies-inside/plain"];
    place.plant("proxies-inside", &[app.manifest()], &services).unwrap();
    // A tunnel that is refused is a target that was not reached.
    for (service, reason) in [("tls", Reason::TargetUnreachable), ("plain", Reason::TargetRefused)] {
        let answer = place.manual(&get(&format!("/proxies-inside/{service}/x"))).unwrap();
        Answer::empty(502, reason).check(&answer).unwrap_or_else(|error| panic!("{service}: {error}"));
    }
    let called = ours.accept().map(|_| ()).unwrap_err();
    assert_eq!(called.kind(), ErrorKind::WouldBlock, "the proxy was connected to");
}

/// A `WebSocket`, an upload and a second attempt take the tunnel, too.
pub fn whatever_is_called_takes_the_tunnel(place: &dyn Place) {
    let double = place.double();
    let token = double.url_by_name("https1", MORE).unwrap() + "/oauth/token";
    let app = through(double, "proxies-more")
        .service("two", &[base(double, "https", MORE)])
        .service("plain", &[base(double, "http", MORE)])
        .service("oauth", &[base(double, "https", MORE).oauth("proxies-more", &token)]);
    let client_secret = place.secret("client-secret").unwrap();
    let credentials = secret("proxies-more", &[("clientId", "id"), ("clientSecret", &client_secret)]);
    place
        .plant(
            "proxies-more",
            &[app.manifest(), credentials],
            &["proxies-more/two", "proxies-more/plain", "proxies-more/oauth"],
        )
        .unwrap();
    for service in ["two", "plain"] {
        let handshake = Client::handshake(&format!("/proxies-more/{service}/websocket"));
        let mut socket = Client::open(place.connect(&Way::Manual).unwrap(), &handshake)
            .unwrap_or_else(|error| panic!("{service}: {error}"));
        socket.send(TEXT, b"hello").unwrap();
        assert_eq!(socket.receive().unwrap().payload, b"hello", "{service}");
    }
    let body = vec![b'x'; 3 << 20];
    let answer = place.manual(&Request::new("PUT", "/proxies-more/two/x").body(body)).unwrap();
    assert!(answer.expect(200).unwrap().text().contains("\"length\":3145728"));

    // A token that the target rejects: the second attempt goes the same way.
    let call = get("/proxies-more/oauth/protected/bearer");
    place.manual(&call).unwrap().expect(200).unwrap();
    double.revoke_tokens().unwrap();
    double.clear().unwrap();
    place.manual(&call).unwrap().expect(200).unwrap();
    let (asked, reached) = seen(double);
    let attempts = reached.iter().filter(|request| request.listener == "https").count();
    assert_eq!(attempts, 2, "{reached:?}");
    assert!(asked.iter().all(|asked| asked.starts_with("CONNECT ")), "{asked:?}");
}

/// Profiles go, after their grace, while their tunnels are in use. Neither the calls in them nor the gateway ends.
pub fn proxies_come_and_go_under_load(place: &dyn Place) {
    let double = place.double();
    let port = |listener: &str| double.address(listener).unwrap().port();
    let host = |round: u32| format!("change-{round}.example.test");
    let change = |round: u32| {
        let proxy = format!("http://proxy-{round}.example.test:{}", port("proxy"));
        Application::new("proxies-change")
            .spec("fairlead", json!({ "proxy": proxy }))
            .service("one", &[base(double, "https1", &host(round))])
            .service("two", &[base(double, "https", &host(round))])
            .manifest()
    };
    place.plant("proxies-change", &[change(0)], &["proxies-change/one", "proxies-change/two"]).unwrap();
    let calls = [get("/proxies-change/one/bytes/10000"), get("/proxies-change/two/bytes/10000")];
    let load = Load::new(place.address(&Way::Manual).unwrap(), 4, &calls).judge(|status, _| status == 200);
    let load = load.rate(50).background().unwrap();

    let (begin, mut held) = (Instant::now(), Vec::new());
    for round in 1.. {
        if begin.elapsed() > CHANGES {
            break;
        }
        place.put("proxies-change", &[change(round)]).unwrap();
        let tunnel = format!("CONNECT {}:{}", host(round), port("https1"));
        wait::until("another proxy", LIMIT, || seen(double).0.contains(&tunnel).then_some(())).unwrap();
        double.clear().unwrap();
        let mut caller = place.connect(&Way::Manual).unwrap();
        caller.write(&get(&format!("/proxies-change/one/gate/change-{round}/2")).bytes()).unwrap();
        let mut answer = caller.begin(false).unwrap();
        assert_eq!(answer.status, 200, "{round}");
        caller.piece(&mut answer).unwrap().unwrap();
        held.push((round, caller, answer));
    }
    let gone = Instant::now() + GRACE;
    wait::until("the grace period", LIMIT, || (Instant::now() > gone).then_some(())).unwrap();
    println!("{} changes", held.len());
    for (round, mut caller, mut answer) in held {
        double.open_gate(&format!("change-{round}")).unwrap();
        assert!(caller.piece(&mut answer).unwrap().is_some(), "{round}");
    }
    let report = load.stop().unwrap();
    assert_eq!((report.failed(), report.wrong), (0, 0), "{report:?}");
}
