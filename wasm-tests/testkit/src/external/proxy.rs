//! A corporate proxy: HTTP CONNECT (RFC 9110 §9.3.6), and requests that name an `http` target in full (RFC 9112 §3.2.2),
//! which it answers as the target would. Names are those of the DNS server. Tests read what was asked for from the
//! recorded requests of listener `proxy`.

use std::net::{IpAddr, SocketAddr};

use super::{
    answer::{Answer, Body},
    dns, endpoints,
    record::{Raw, Recorded},
    state::State,
};

/// The answer to a request.
pub fn answer(state: &State, request: &Recorded) -> Answer {
    let settings = state.settings();
    if let Some(status) = settings.proxy.status {
        return Answer::with(status, "text/plain", format!("proxy says {status}"));
    }
    if let Some(expected) = &settings.proxy.authorization
        && request.header("proxy-authorization") != [expected.as_str()]
    {
        return Answer::status(407).header("proxy-authenticate", "Basic realm=\"proxy\"");
    }
    if request.method != "CONNECT" {
        return forwarded(state, request);
    }
    let target = request.target.text();
    let Some((host, port)) = target.rsplit_once(':') else {
        return Answer::with(400, "text/plain", "no port");
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let literal = host.parse::<IpAddr>().ok();
    let address = literal.or_else(|| dns::lookup(&settings.dns, &host)?.first().copied());
    match (address, port.parse()) {
        (Some(address), Ok(port)) => Answer::status(200).body(Body::Tunnel(SocketAddr::new(address, port))),
        _ => Answer::with(502, "text/plain", format!("the proxy cannot find {target}")),
    }
}

/// What the target answers.
fn forwarded(state: &State, request: &Recorded) -> Answer {
    let target = request.target.text();
    let Some((host, path)) = target.strip_prefix("http://").and_then(|rest| rest.split_once('/')) else {
        return Answer::with(400, "text/plain", "this proxy is told where to go");
    };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if name.parse::<IpAddr>().is_err() && dns::lookup(&state.settings().dns, name).is_none() {
        return Answer::with(502, "text/plain", format!("the proxy cannot find {target}"));
    }
    let request = Recorded { target: Raw(format!("/{path}").into_bytes()), ..request.clone() };
    endpoints::answer(state, &request)
}
