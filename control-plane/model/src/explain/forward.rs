//! A call that goes to a target, as `fairlead explain` shows it.

use std::fmt;

use fairlead_wire::{
    feed::{Credential, EgressRoute},
    idle::Idle,
};
use serde::Serialize;

use crate::{ClientPair, GrantKind, GrantSpec, compile::Needs, date};

/// How a call goes to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forward {
    /// Scheme, host, base path and query.
    pub target: String,
    /// Transport profile: its id and its [kind](crate::Trust::kind).
    pub profile: (String, &'static str),
    /// The proxy that it goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The certificate that the connection shows: its fingerprint and its last day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// What goes on top of it, with the token endpoint.
    pub credential: String,
    /// The CSRF endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csrf: Option<String>,
    /// Secrets that it is made of, `namespace/name`.
    pub secrets: Vec<String>,
    /// Names of headers that are added where the caller sends none.
    pub headers: Vec<String>,
    /// Names of query parameters that are added where the caller sends none.
    pub query_parameters: Vec<String>,
    /// Whether the path is decoded and encoded anew (`spec.encodeUrl`).
    pub encode_url: bool,
    /// Milliseconds until response headers, 0: no limit; none: the installation's limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers_timeout_ms: Option<u32>,
    /// How long it may be idle, `none`: no limit; absent: the installation's limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<&'static str>,
    /// How many of the Application's calls one worker has at a time, 0: no limit; absent: the installation's limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// What becomes of a call whose grant is rejected.
    pub replay: String,
}

impl Forward {
    pub(super) fn new(route: &EgressRoute, needs: &Needs) -> Self {
        let scheme = if route.tls { "https" } else { "http" };
        let mark = if route.query.is_empty() { "" } else { "?" };
        let mut headers: Vec<String> = route.headers.iter().map(|(name, _)| name.clone()).collect();
        headers.dedup();
        Self {
            target: format!("{scheme}://{}{}{mark}{}", route.authority, route.base_path, route.query),
            profile: (needs.profile.id.clone(), needs.profile.trust.kind()),
            proxy: needs.profile.proxy.as_ref().map(ToString::to_string),
            client_certificate: needs.profile.client.as_deref().map(shown),
            credential: credential(route, needs),
            csrf: route.csrf.as_deref().map(|id| needs.grant(id).map(endpoint).unwrap_or_default()),
            secrets: needs.secrets.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect(),
            headers,
            query_parameters: route.query_parameters.iter().map(|(name, _)| name.clone()).collect(),
            encode_url: route.encode_url,
            headers_timeout_ms: route.headers_timeout_ms,
            idle: route.idle.map(Idle::as_str),
            concurrency: route.concurrency,
            replay: replay(route),
        }
    }
}

fn credential(route: &EgressRoute, needs: &Needs) -> String {
    match &route.credential {
        Credential::None => "none".to_owned(),
        Credential::Static(_) => "Authorization: Basic [redacted]".to_owned(),
        Credential::Grant(id) => match needs.grant(id) {
            Some(grant) if grant.endpoint.is_err() => endpoint(grant),
            Some(grant) => format!("Authorization: Bearer [redacted], {}", endpoint(grant)),
            None => "Authorization: Bearer [redacted]".to_owned(),
        },
    }
}

/// Where a grant is fetched, and with what.
fn endpoint(grant: &GrantSpec) -> String {
    let endpoint = match &grant.endpoint {
        Ok(endpoint) => endpoint,
        Err(refusal) => {
            return format!("no token can be had: {} {}", refusal.status, refusal.body.trim_end());
        }
    };
    let mut url = endpoint.url.clone();
    // A query may hold a key.
    url.set_query(None);
    let mut text = format!("a token from {url} ({}", endpoint.trust.kind());
    if let Some(proxy) = &endpoint.proxy {
        text.push_str(&format!(", through {proxy}"));
    }
    if let GrantKind::CertifiedClient { pair, .. } = &grant.kind {
        text.push_str(&format!(", with the certificate {}", shown(pair)));
    }
    text.push(')');
    text
}

fn shown(pair: &ClientPair) -> String {
    format!("{} until {}", pair.fingerprint, date::day(pair.expires))
}

fn replay(route: &EgressRoute) -> String {
    let grants = matches!(route.credential, Credential::Grant(_)) || route.csrf.is_some();
    match (grants, route.no_replay, route.replay_bytes) {
        (false, ..) => "never: it has no token that could be renewed".to_owned(),
        (_, true, _) => "off".to_owned(),
        (.., Some(bytes)) => format!("with bodies up to {bytes} bytes"),
        _ => "with bodies up to the installation's limit".to_owned(),
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            profile: (id, kind),
            proxy,
            client_certificate,
            credential,
            csrf,
            secrets,
            headers,
            query_parameters,
            encode_url,
            headers_timeout_ms,
            idle,
            concurrency,
            replay,
        } = self;
        writeln!(f, "  target       {target}")?;
        writeln!(f, "  transport    {kind} ({id})")?;
        optional(f, "  proxy        ", proxy.as_deref())?;
        optional(f, "  certificate  ", client_certificate.as_deref())?;
        writeln!(f, "  credential   {credential}")?;
        optional(f, "  csrf         ", csrf.as_deref())?;
        list(f, "  secrets      ", secrets, "")?;
        list(f, "  headers      ", headers, ": [redacted]")?;
        list(f, "  parameters   ", query_parameters, "=[redacted]")?;
        writeln!(f, "  encodeUrl    {encode_url}")?;
        match headers_timeout_ms {
            None => writeln!(f, "  time-out     the installation's")?,
            Some(0) => writeln!(f, "  time-out     none")?,
            Some(millis) => writeln!(f, "  time-out     {millis} ms to response headers")?,
        }
        writeln!(f, "  idle         {}", idle.unwrap_or("the installation's"))?;
        match concurrency {
            None => writeln!(f, "  concurrency  the installation's")?,
            Some(0) => writeln!(f, "  concurrency  no limit")?,
            Some(limit) => writeln!(f, "  concurrency  {limit} in one worker")?,
        }
        writeln!(f, "  replay       {replay}")?;
        Ok(())
    }
}

fn optional(f: &mut fmt::Formatter<'_>, label: &str, value: Option<&str>) -> fmt::Result {
    value.map_or(Ok(()), |value| writeln!(f, "{label}{value}"))
}

fn list(f: &mut fmt::Formatter<'_>, label: &str, names: &[String], value: &str) -> fmt::Result {
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = names.iter().map(|name| format!("{name}{value}")).collect();
    writeln!(f, "{label}{}", names.join(", "))
}
