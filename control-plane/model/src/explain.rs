//! How a call would be answered, for people (`fairlead explain`). Nothing of a Secret is in it.

use std::fmt;

use fairlead_app_router::normalise;
use fairlead_wire::{
    Reason, Refusal,
    feed::{Credential, EgressOutcome, EgressRoute},
    idle::Idle,
};
use serde::Serialize;

use crate::{
    ClientPair, GrantKind, GrantSpec, Problem,
    compile::{Compiled, Needs, Way, text},
    date,
};

/// How a call is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What was asked, `app/service` or `app/service/entry`.
    pub path: String,
    /// The key of the record that answers, `app/service/entry` (or `app/service` where that is ambiguous); none: no record does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// What happens.
    pub verdict: Verdict,
    /// A path that would have matched: names in paths are lower case, with `-` for everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
    /// What is wrong with the Application, if it exists.
    pub problems: Vec<Problem>,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It goes to a target.
    #[serde(rename_all = "camelCase")]
    Forward {
        /// Scheme, host, base path and query.
        target: String,
        /// Transport profile: its id and its [kind](crate::Trust::kind).
        profile: (String, &'static str),
        /// The proxy that it goes through.
        #[serde(skip_serializing_if = "Option::is_none")]
        proxy: Option<String>,
        /// The certificate that the connection shows: its fingerprint and its last day.
        #[serde(skip_serializing_if = "Option::is_none")]
        client_certificate: Option<String>,
        /// What goes on top of it, with the token endpoint.
        credential: String,
        /// The CSRF endpoint.
        #[serde(skip_serializing_if = "Option::is_none")]
        csrf: Option<String>,
        /// Secrets that it is made of, `namespace/name`.
        secrets: Vec<String>,
        /// Names of headers that are added where the caller sends none.
        headers: Vec<String>,
        /// Names of query parameters that are added where the caller sends none.
        query_parameters: Vec<String>,
        /// Whether the path is decoded and encoded anew (`spec.encodeUrl`).
        encode_url: bool,
        /// Milliseconds until response headers, 0: no limit; none: the installation's limit.
        #[serde(skip_serializing_if = "Option::is_none")]
        headers_timeout_ms: Option<u32>,
        /// How long it may be idle, `none`: no limit; absent: the installation's limit.
        #[serde(skip_serializing_if = "Option::is_none")]
        idle: Option<&'static str>,
        /// How many of the Application's calls one worker has at a time, 0: no limit; absent: the installation's limit.
        #[serde(skip_serializing_if = "Option::is_none")]
        concurrency: Option<u32>,
        /// What becomes of a call whose grant is rejected.
        replay: String,
    },
    /// It is answered with an error.
    #[serde(rename_all = "camelCase")]
    Refuse {
        /// HTTP status.
        status: u16,
        /// The word that also stands in `x-fairlead-reason`.
        reason: &'static str,
        /// The body, byte for byte.
        body: String,
    },
}

/// Explains `path` with what `find` knows of an Application.
pub(crate) fn explain<'a>(path: &str, find: impl Fn(&str) -> Option<&'a Compiled>) -> Explanation {
    let path = path.trim_matches('/');
    let mut segments = path.splitn(4, '/');
    let (application, service, entry) =
        (segments.next().unwrap_or_default(), segments.next(), segments.next());
    let Some(service) = service else {
        let refusal = Refusal::json(400, Reason::PathTooShort, "failed to extract API Identifier from path");
        return Explanation::new(path, None, Verdict::refuse(&refusal));
    };
    let compiled = find(application);
    let mut explanation = match compiled.and_then(|compiled| look_up(compiled, application, service, entry)) {
        Some((key, way)) => Explanation::new(path, Some(key), Verdict::of(way)),
        None => {
            let refusal =
                entry.map_or_else(|| text::no_service(service), |entry| text::no_entry(service, entry));
            Explanation::new(path, None, Verdict::refuse(&refusal))
        }
    };
    if let (None, Some(compiled)) = (&explanation.matched, compiled) {
        let (service, entry) = (normalise(service), entry.map(normalise));
        if look_up(compiled, application, &service, entry.as_deref()).is_some() {
            explanation.did_you_mean = Some(key(application, &service, entry.as_deref()));
        }
    }
    explanation.problems = compiled.map(|compiled| compiled.problems.to_vec()).unwrap_or_default();
    explanation
}

fn key(application: &str, service: &str, entry: Option<&str>) -> String {
    match entry {
        Some(entry) => format!("{application}/{service}/{entry}"),
        None => format!("{application}/{service}"),
    }
}

/// As the plugin does: an exact key, or the one record of `app/service` that is `manual`.
fn look_up<'a>(
    compiled: &'a Compiled,
    application: &str,
    service: &str,
    entry: Option<&str>,
) -> Option<(&'a str, &'a Way)> {
    let exact = key(application, service, entry);
    let found = compiled.find(&exact).or_else(|| {
        let below = |key: &str| key.strip_prefix(&exact).is_some_and(|rest| rest.starts_with('/'));
        compiled.egress.iter().find(|(key, way)| entry.is_none() && way.manual && below(key))
    });
    found.map(|(key, way)| (&**key, way))
}

impl Explanation {
    fn new(path: &str, matched: Option<&str>, verdict: Verdict) -> Self {
        Self {
            path: path.to_owned(),
            matched: matched.map(str::to_owned),
            verdict,
            did_you_mean: None,
            problems: Vec::new(),
        }
    }
}

impl Verdict {
    fn refuse(refusal: &Refusal) -> Self {
        Self::Refuse { status: refusal.status, reason: refusal.reason.as_str(), body: refusal.body.clone() }
    }

    fn of(way: &Way) -> Self {
        match (way.record.read().map(|record| record.outcome), &way.needs) {
            (Some(EgressOutcome::Refusal(refusal)), _) => Self::refuse(&refusal),
            (Some(EgressOutcome::Route(route)), Some(needs)) => Self::forward(&route, needs),
            // Neither a route without needs is ever made, nor a record that cannot be read.
            _ => Self::refuse(&Refusal::empty(503, Reason::ProfileMissing)),
        }
    }

    fn forward(route: &EgressRoute, needs: &Needs) -> Self {
        let scheme = if route.tls { "https" } else { "http" };
        let mark = if route.query.is_empty() { "" } else { "?" };
        let mut headers: Vec<String> = route.headers.iter().map(|(name, _)| name.clone()).collect();
        headers.dedup();
        Self::Forward {
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

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path)?;
        match &self.matched {
            Some(key) => writeln!(f, "  match        {key}")?,
            None => writeln!(f, "  match        none")?,
        }
        if let Some(path) = &self.did_you_mean {
            writeln!(f, "  did you mean {path}")?;
        }
        match &self.verdict {
            Verdict::Forward {
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
            } => {
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
            }
            Verdict::Refuse { status, reason, body } => {
                writeln!(f, "  answer       {status} ({reason})")?;
                let body = if body.is_empty() { "empty" } else { body.trim_end() };
                writeln!(f, "  body         {body}")?;
            }
        }
        for problem in &self.problems {
            writeln!(f, "  problem      {problem}")?;
        }
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
