//! Client certificates towards targets (AG §8.5; design decisions 11, 12).

use std::time::{Duration, Instant};

use fairlead_testkit::{
    bed::LIMIT,
    certs::{Authority, Identity},
    double::Double,
    external::record::Recorded,
    http::Request,
    load::Load,
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_wire::Reason;
use serde_json::{Value, json};

use crate::{
    case::Answer,
    place::{Needs, Place, Way},
};

/// An egress gateway which soon forgets what is not used any longer, so that a table sees that, too.
pub const NEEDS: Needs = Needs { config: r#"{ "profiles": { "grace": "2s" } }"#, ..Needs::EGRESS };

const HOST: &str = "certified.example.test";

/// A patched pair is what every connection shows (the issue's words).
const PATCHED: Duration = Duration::from_secs(5);

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn url(double: &Double, listener: &str) -> String {
    format!("{}/base", double.url_by_name(listener, HOST).unwrap())
}

/// The common names of the certificate that a request came with; none if there was none.
fn shown(request: &Recorded) -> Vec<String> {
    let peer = request.tls.as_ref().and_then(|tls| tls.peer.clone());
    peer.map(|peer| peer.common_names).unwrap_or_default()
}

fn last(double: &Double) -> Recorded {
    double.recorded(&[]).unwrap().pop().unwrap()
}

/// A Secret with this pair; its key must be found nowhere.
fn pair(place: &dyn Place, name: &str, identity: &Identity) -> Value {
    // A whole line of the PEM's inside: that much is only in this key.
    let line = identity.key_pem.lines().nth(1).unwrap();
    place.secret_is("client key", line).unwrap();
    let preamble = format!("notBefore=today\nnotAfter=tomorrow\n{}", identity.certificate_pem);
    secret(name, &[("crt", &preamble), ("key", &identity.key_pem)])
}

/// It is shown to whoever asks for one, with every kind of trust, and to nobody else.
pub fn are_shown_to_targets_that_ask(place: &dyn Place) {
    let double = place.double();
    let identity = Authority::new("Customers").unwrap().client("certified").unwrap();
    let other = std::fs::read_to_string(double.other_ca()).unwrap();
    let entry = |listener| [Entry::api(&url(double, listener)).certificate("certificates")];
    let system = Application::new("certificates")
        .service("mtls", &entry("mtls"))
        .service("optional", &entry("https"))
        .service("plain", &entry("http"))
        .service("none", &[Entry::api(&url(double, "https"))])
        .service("wrong", &entry("wrong-name"))
        .service("other", &entry("other"));
    let private = Application::new("certificates-private")
        .spec("fairlead", json!({ "caSecretName": "certificates-ca" }))
        .service("other", &entry("other"))
        .service("mtls", &entry("mtls"));
    let unverified = Application::new("certificates-unverified")
        .spec("skipVerify", true)
        .service("wrong", &entry("wrong-name"))
        .service("mtls", &entry("mtls"));
    let manifests = [
        system.manifest(),
        private.manifest(),
        unverified.manifest(),
        pair(place, "certificates", &identity),
        secret("certificates-ca", &[("ca.crt", &other)]),
    ];
    place
        .plant(
            "certificates",
            &manifests,
            &["certificates/mtls", "certificates-private/other", "certificates-unverified/wrong"],
        )
        .unwrap();
    for (path, expected) in [
        ("certificates/mtls", Some("certified")),
        ("certificates/optional", Some("certified")),
        ("certificates/plain", None),
        ("certificates/none", None),
        ("certificates-private/other", Some("certified")),
        ("certificates-unverified/wrong", Some("certified")),
        ("certificates-unverified/mtls", Some("certified")),
    ] {
        let request = get(&format!("/{path}/x")).header("Authorization", "Own value");
        place.manual(&request).unwrap().expect(200).unwrap_or_else(|error| panic!("{path}: {error}"));
        let seen = last(double);
        let names: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(shown(&seen), names, "{path}");
        assert_eq!(seen.header("authorization"), ["Own value"], "{path}: the caller's own passes");
    }
    // Whose name or authority is wrong gets nothing.
    let unreachable = Answer::empty(502, Reason::TargetUnreachable);
    for path in ["certificates/wrong", "certificates/other", "certificates-private/mtls"] {
        unreachable.check(&place.manual(&get(&format!("/{path}/x"))).unwrap()).unwrap();
    }
}

/// Another pair in the Secret: no call fails, and soon no connection shows the old one.
pub fn a_patched_pair_reaches_every_connection(place: &dyn Place) {
    let double = place.double();
    let authority = Authority::new("Customers").unwrap();
    let write = |name: &str| {
        let identity = authority.client(name).unwrap();
        place.put("certificates-pair", &[pair(place, "certificates-patched", &identity)]).unwrap();
    };
    write("first");
    let entry = Entry::api(&url(double, "mtls")).certificate("certificates-patched");
    let app = Application::new("certificates-patched").service("svc", &[entry]);
    place.plant("certificates-patched", &[app.manifest()], &["certificates-patched/svc"]).unwrap();
    let request = get("/certificates-patched/svc/x");
    place.until(&request, |answer| answer.status == 200).unwrap();

    let address = place.address(&Way::Manual).unwrap();
    let load = Load::new(address, 8, std::slice::from_ref(&request)).rate(200).background().unwrap();
    for name in ["second", "third"] {
        let before = double.last_id().unwrap();
        let begin = Instant::now();
        write(name);
        wait::until("the patched pair", LIMIT, || {
            let seen = double.recorded(&[("after", &before.to_string())]).unwrap();
            seen.iter().any(|request| shown(request) == [name]).then_some(())
        })
        .unwrap();
        // Whoever had the old one has it no longer.
        let mut old = before;
        wait::until("the end of the old pair", LIMIT, || {
            let seen = double.recorded(&[("after", &old.to_string())]).unwrap();
            let other = |request: &&Recorded| shown(request) != [name];
            old = seen.iter().rfind(other).map_or(old, |request| request.id);
            (seen.iter().filter(|request| request.id > old).count() >= 40).then_some(())
        })
        .unwrap();
        let elapsed = begin.elapsed();
        println!("a patched pair is on every connection after {elapsed:?}");
        assert!(elapsed <= PATCHED, "{elapsed:?}");
        // The old profile goes meanwhile, after its grace, with whatever was its own.
        let gone = Instant::now() + Duration::from_secs(4);
        wait::until("the grace period", LIMIT, || (Instant::now() > gone).then_some(())).unwrap();
        double.clear().unwrap();
    }
    let report = load.stop().unwrap();
    assert_eq!((report.failed(), report.wrong), (0, 0), "{report:?}");
    assert_eq!(report.statuses.keys().copied().collect::<Vec<_>>(), [200], "{report:?}");
}
