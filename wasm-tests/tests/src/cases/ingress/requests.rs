//! What is forwarded, as complete lists (CV §6), and for which hosts (decision 9).

use fairlead_testkit::{
    Result,
    bed::INGRESS_HOST,
    http::{Request, Tls},
};
use fairlead_wire::{
    Reason,
    header::{HOST_ADDED, INTERNAL_PREFIX},
};

use super::{Answer, Arrival, Case, Expected, Place, arrival, case, client, post, subject_refused};
use crate::{case::Text, place::Host};

pub(super) fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let mut cases = headers(place)?;
    cases.extend(hosts(place)?);
    Ok(cases)
}

/// What a client may say; it all arrives.
const THEIRS: &[(&str, &str)] = &[
    ("content-type", "application/cloudevents+json"),
    ("ce-type", "order.created.v1"),
    ("ce-source", "/a/b?c=ü"),
    ("authorization", "Bearer theirs"),
    ("access-token", "Bearer theirs"),
    ("user-agent", "their agent/1.0"),
    ("x-request-id", "their id"),
    ("x-b3-traceid", "463ac35c9f6413ad"),
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("x-forwarded-proto", "theirs"),
    ("x-forwarded-host", "theirs"),
    ("cookie", "a=b"),
];

/// What only gateways say; nothing of it arrives, beside what [`HOST_ADDED`] lists.
const INTERNAL: &[&str] = &[
    "X-Application",
    "x-fairlead-profile",
    "x-fairlead-kept-x-request-id",
    "x-envoy-max-retries",
    "x-envoy-retry-on",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-original-dst-host",
    "x-istio-attributes",
];

fn headers(place: &dyn Place) -> Result<Vec<Case>> {
    let tls = || client(place, "shop");
    let event = || post("/shop/events");
    let plain = || arrival(place, "/publish");
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());

    let complete =
        THEIRS.iter().fold(event().header("X-Forwarded-For", "10.0.0.1"), |event, (name, value)| {
            event.header(name, value)
        });
    let mut lines: Vec<_> = THEIRS.iter().map(|(name, value)| line(name, value)).collect();
    lines.push(line("x-forwarded-for", &format!("10.0.0.1,{}", place.caller())));
    lines.push(line("content-length", "2"));

    let internal = HOST_ADDED
        .iter()
        .chain(INTERNAL)
        .fold(event().header(format!("{INTERNAL_PREFIX}anything"), "theirs"), |event, name| {
            event.header(name, "fairlead.control")
        });
    let hops = event()
        .header("Connection", "keep-alive, X-Named")
        .header("X-Named", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authorization", "Basic eA==")
        .header("TE", "gzip")
        .header("Trailer", "X-T");
    let chunks = Request::new("POST", "/shop/events").header("Host", INGRESS_HOST).chunks(["{", "}"]);
    let chunked =
        vec![line("x-forwarded-for", &place.caller().to_string()), line("transfer-encoding", "chunked")];
    Ok(vec![
        case(
            "a complete event",
            &["CV-5-r03"],
            tls()?,
            complete,
            Expected::Arrives(Arrival { headers: lines, ..plain()? }),
        ),
        case("internal headers of the client", &[], tls()?, internal, Expected::Arrives(plain()?)),
        case("hop by hop", &[], tls()?, hops, Expected::Arrives(plain()?)),
        case(
            "a chunked body stays chunked",
            &[],
            tls()?,
            chunks,
            Expected::Arrives(Arrival { headers: chunked, ..plain()? }),
        ),
        case(
            "forged identities beside the own certificate",
            &["CV-4.3-r11"],
            tls()?,
            forged(event(), "managed"),
            Expected::Arrives(plain()?),
        ),
        case(
            "forged identities of somebody else",
            &["CV-3-r04", "CV-4.3-r11"],
            tls()?,
            forged(post("/managed/events"), "client-1"),
            Expected::Refused(subject_refused()),
        ),
    ])
}

/// The same with `X-Forwarded-Client-Cert` twice, as this gateway would write it and as if a mesh had added to it.
fn forged(event: Request, common_name: &str) -> Request {
    let own = format!("Hash=0;Subject=\"CN={common_name}\"");
    let mesh = "By=spiffe://a/ns/b/sa/c;Hash=1;Subject=\"\";URI=spiffe://a/ns/b/sa/d";
    event.header("X-Forwarded-Client-Cert", &own).header("x-forwarded-client-cert", format!("{own},{mesh}"))
}

fn hosts(place: &dyn Place) -> Result<Vec<Case>> {
    let identity = place.authorities().first.client("shop")?;
    let host = |host: &str| Request::new("POST", "/shop/events").header("Host", host).body("{}");
    let named = |name: &str| Tls::new().server_name(name).identity(&identity);
    let text =
        "the TLS server name and the Host header differ: repeat the request on a connection to that host";
    let mismatch = || Expected::Refused(Answer::json(421, Reason::ServerNameMismatch, text));
    let plain = || arrival(place, "/publish").map(Expected::Arrives);
    let not_ours = || {
        let answer = Answer::json(403, Reason::NotRouted, "");
        Expected::Refused(Answer { body: Text::Any, ..answer })
    };
    let ours = || place.client(&identity);
    let with_port = host(&format!("{INGRESS_HOST}:8443"));
    let mut cases = vec![
        case("the port in Host is ignored", &[], ours(), with_port, plain()?),
        case("the host in any case", &[], ours(), host("Gateway.KYMA.local"), plain()?),
        case("a host that is not ours", &[], ours(), host("elsewhere.kyma.local"), not_ours()),
        case("a dot behind the host", &[], ours(), host(&format!("{INGRESS_HOST}.")), not_ours()),
    ];
    for second in place.hosts().iter().skip(1) {
        cases.extend([
            case("the second host", &[], named(second), host(second), plain()?),
            case("another of our hosts", &[], ours(), host(second), mismatch()),
            case("another of our server names", &[], named(second), host(INGRESS_HOST), mismatch()),
        ]);
    }
    // A listener of Istio has a filter chain for each host of its `Gateway`, and no connection for others.
    if place.host() == Host::Plain {
        cases.extend([
            case("another server name", &[], named("other.kyma.local"), host(INGRESS_HOST), mismatch()),
            case("no server name", &[], Tls::new().identity(&identity), host(INGRESS_HOST), mismatch()),
        ]);
    }
    Ok(cases)
}
