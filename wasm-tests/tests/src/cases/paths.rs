//! Which path and query the target gets (AG §3, §5; decisions 20 and 40): a caller's spelling and the exact bytes that
//! arrive, and that nothing leaves a service's base path, however it is spelt.

mod climbing;
mod rows;

use fairlead_app_router::{Base, Ports, join, join_query, split};
use fairlead_testkit::{
    Error, Result,
    http::Request,
    resources::{Application, Entry},
};

pub use climbing::nothing_leaves_the_base_path;

use crate::place::{Host, Needs, Place, Way};
use rows::{AS_SPELT, REFUSED, ROWS};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

/// DNS name of the target.
const HOST: &str = "paths.example.test";
/// Application with `encodeUrl: true`, and the one with `false`.
const APPS: [(&str, bool); 2] = [("paths-encode", true), ("paths-verbatim", false)];
/// Service, listener of the double, path of the target's URL.
const SERVICES: [(&str, &str, &str); 3] =
    [("plain", "http", "/base"), ("secure", "https", "/base"), ("root", "http", "")];

fn plant(place: &dyn Place) -> Result {
    let mut manifests = Vec::new();
    let mut services = Vec::new();
    for (name, encode) in APPS {
        let mut app = Application::new(name).spec("encodeUrl", encode);
        for (service, listener, path) in SERVICES {
            let target = place.double().url_by_name(listener, HOST)?;
            app = app.service(service, &[Entry::api(&format!("{target}{path}")).name("api")]);
            services.push(format!("{name}/{service}"));
        }
        manifests.push(app.manifest());
    }
    place.plant("paths", &manifests, &services.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What the double gets when a caller asks for `path`, or the status.
fn sent(place: &dyn Place, way: &Way, path: &str) -> Result<String> {
    place.double().clear()?;
    let answer = place.call(way, &Request::new("GET", path))?;
    let seen = place.double().recorded(&[])?;
    match (seen.as_slice(), answer.status) {
        ([request], 200) => Ok(request.target.text()),
        ([], status) => Ok(status.to_string()),
        _ => {
            Err(Error::new(format!("{} requests arrived, and {} was the answer", seen.len(), answer.status)))
        }
    }
}

/// Each row by both ports, with both kinds of encoding, over both protocols, below a base path and below none.
pub fn arrive_byte_for_byte(place: &dyn Place) {
    plant(place).unwrap();
    assert!(ROWS.len() >= 80, "{}", ROWS.len());
    let mut failures = Vec::new();
    for (rest, seen, encoded, verbatim) in ROWS {
        for ((app, encode), expected) in APPS.into_iter().zip([encoded, verbatim]) {
            // The double's HTTP/2 side takes only what is a URI.
            let odd = rest.contains(['"', '<']);
            for (service, listener, base) in
                SERVICES.into_iter().filter(|(_, listener, _)| !odd || *listener == "http")
            {
                let expected = wire(base, expected);
                let ways =
                    [(Way::Manual, format!("/{app}/{service}")), (Way::Ucl, format!("/{app}/{service}/api"))];
                // The second port differs before the service only: once is enough.
                for (way, key) in ways.into_iter().take(if listener == "http" { 2 } else { 1 }) {
                    let path = format!("{key}{rest}");
                    let got = sent(place, &way, &path).unwrap_or_else(|error| error.to_string());
                    if got != expected {
                        failures.push(format!("{path}: {expected} expected, {got} arrived"));
                    }
                }
                let seen = if *seen == AS_SPELT { rest } else { seen };
                let pure = routed(base, &format!("/{app}/{service}{seen}"), encode);
                assert_eq!(pure, expected, "{seen}, encodeUrl: {encode}: the router by itself");
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

/// The request target for what is expected behind a base path.
fn wire(base: &str, expected: &str) -> String {
    match expected {
        REFUSED => REFUSED.to_owned(),
        _ if base.is_empty() && !expected.starts_with('/') => format!("/{expected}"),
        _ => format!("{base}{expected}"),
    }
}

/// What the plugin's router makes of a path that it sees so.
fn routed(base: &str, path: &str, encode: bool) -> String {
    let base = Base::new(base).unwrap();
    let Ok(split) = split(Ports::Manual, path.as_bytes()) else { return REFUSED.to_owned() };
    let mut out = Vec::new();
    if join(&mut out, &base, split.rest, encode).is_err() {
        return REFUSED.to_owned();
    }
    join_query(&mut out, b"", split.query);
    String::from_utf8(out).unwrap()
}

/// What names the service: only its own spelling does, and an ambiguous one is refused (AG §3, decision 20).
pub fn name_exactly_one_service(place: &dyn Place) {
    plant(place).unwrap();
    let mut failures = Vec::new();
    for (path, expected) in [
        // As the grammar allows.
        ("//paths-encode/plain/x", "/base/x"),
        ("///paths-encode/plain", "/base"),
        ("http://any.host/paths-encode/plain/x", "/base/x"),
        ("http://any.host//paths-encode/plain/x?y", "/base/x?y"),
        // As Envoy's normalisation makes it (decision 40).
        ("/paths-encode/./plain/x", "/base/x"),
        ("/nobody/../paths-encode/plain/x", "/base/x"),
        ("/paths-encode/nobody/../plain/x", "/base/x"),
        ("/paths-encode/plain/../plain/x", "/base/x"),
        ("/paths-encode/plain/../root/x", "/x"),
        ("/paths-encode/plain/..;/root/x", "/x"),
        ("/paths-encode/plain/..;a=1/b", "404"),
        ("/%2e%2e/paths-encode/plain/x", "/base/x"),
        ("/paths%2Dencode/pl%61in/x", "/base/x"),
        ("/nobody/..;a=1/paths-encode/plain/x", "/base/x"),
        ("\\paths-encode\\plain\\x", "400"),
        ("/paths-encode\\plain\\x", "/base/x"),
        // What is none of ours.
        ("/Paths-encode/plain/x", "404"),
        ("/paths-encode/Plain/x", "404"),
        ("/paths-encode//plain/x", "404"),
        ("/paths-encode;a=1/plain/x", "404"),
        ("/paths-encode/plain;a=1/x", "404"),
        ("/paths-encode/plain%20/x", "404"),
        ("/paths-encode/plain%C3%A9/x", "404"),
        ("/paths-encode/pla%25in/x", "404"),
        ("/paths-encode/*/x", "404"),
        // What could be read as another.
        ("/paths-encode%2Fplain/x", "400"),
        ("/paths-encode/plain%2Fx/y", "400"),
        ("/paths-encode%5Cplain/x/y", "400"),
        ("/paths-encode/plain%5Cx/y", "400"),
        ("/paths-encode/..%2Fplain/x", "400"),
        ("/paths-encode/%00plain/x", "400"),
        ("/paths-encode/pl%zzin/x", "400"),
        // Too short.
        ("/", "400"),
        ("/paths-encode", "400"),
        ("/paths-encode/", "400"),
        ("/paths-encode?/plain/x", "400"),
        ("/paths-encode/plain/../../..", "400"),
        ("/../../../etc/passwd/x", "404"),
        // No request target at all, or not for us.
        ("/paths-encode/plain/a b", "400"),
        // Istio's Envoys cut it off instead.
        ("/paths-encode/plain/a#b", if place.host() == Host::Istio { "/base/a" } else { "400" }),
        ("paths-encode/plain/x", "400"),
        // Envoy takes no raw bytes beyond ASCII in a request target; encoded they are no matter.
        ("/paths-encode/plain/caf\u{e9}", "400"),
        ("/paths-encode/plain/x?q=\u{fc}", "400"),
    ] {
        let got = sent(place, &Way::Manual, path).unwrap_or_else(|error| error.to_string());
        if got != expected {
            failures.push(format!("{path}: {expected} expected, {got} arrived"));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
