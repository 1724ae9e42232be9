//! One token request, exactly as AG §8.3 and §8.4 have it, and what its answer means.
//!
//! `OAuth`: `POST`, client id and secret both as Basic and in the form. `OAuthWithCert`: mutual TLS, the id in the form
//! alone, no `Authorization`. Neither sends a `User-Agent` of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use fairlead_credential_injector::{applies, basic, query};
use fairlead_model::{ClientPair, Endpoint, GrantSpec};
use fairlead_wire::{Reason, Refusal};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::{
    exchange::{Outgoing, shown},
    failure::{Failure, Trouble},
    fetch::{Content, Fetched},
};
use crate::dial::{BodyError, Dialler};

/// A token is never held longer than this, whatever its server says: times beyond can be no times.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// How the client makes itself known.
pub(super) enum Client<'a> {
    /// By id and secret.
    Secret(&'a SecretString, &'a SecretString),
    /// By id and certificate.
    Certificate(&'a SecretString, &'a Arc<ClientPair>),
}

/// Fetches a token; the answer's body may have `max` bytes.
///
/// # Errors
/// E12–E16, E17 and E18 of AG §14.
pub(super) async fn fetch(
    dialler: &Dialler,
    spec: &GrantSpec,
    client: Client<'_>,
    max: usize,
    deadline: Instant,
) -> Result<Fetched, Failure> {
    let endpoint = spec.endpoint.as_ref().map_err(|refusal| Failure::of(refusal.clone()))?;
    let outgoing = outgoing(spec, &client)?;
    let token = ask(dialler, spec, endpoint, outgoing, max, deadline).await;
    token.map_err(|trouble| trouble.failure(&spec.kind, &shown(&endpoint.url)))
}

async fn ask(
    dialler: &Dialler,
    spec: &GrantSpec,
    endpoint: &Endpoint,
    outgoing: Outgoing,
    max: usize,
    deadline: Instant,
) -> Result<Fetched, Trouble> {
    let mut url = endpoint.url.clone();
    add_parameters(&mut url, &spec.query_parameters);
    let answer = outgoing.send(dialler, endpoint, url, deadline).await?;
    let body = answer.body(max).await.map_err(|error: BodyError| Trouble::Body(error.to_string()))?;
    token(&body).map_err(Trouble::Content)
}

fn outgoing(spec: &GrantSpec, client: &Client<'_>) -> Result<Outgoing, Failure> {
    let mut headers = HeaderMap::new();
    let mut form = Vec::with_capacity(3);
    let mut shows = None;
    match client {
        Client::Secret(id, secret) => {
            let (id, secret) = (id.expose_secret(), secret.expose_secret());
            let authorization = sensitive(&basic(id, secret)).ok_or_else(|| {
                let text = "failed to create token request: the client credentials fit no header";
                Failure::of(Refusal::json(500, Reason::SecretInvalid, text))
            })?;
            headers.insert(header::AUTHORIZATION, authorization);
            form.extend([("client_id", id), ("client_secret", secret)]);
        }
        Client::Certificate(id, pair) => {
            form.push(("client_id", id.expose_secret()));
            shows = Some(Arc::clone(pair));
        }
    }
    form.push(("grant_type", "client_credentials"));
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, form_type);
    let fixed = headers.clone();
    for (name, value) in &spec.headers {
        // What no header can carry was reported when the Secret was compiled.
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        let Some(value) = sensitive(value.expose_secret()) else { continue };
        if applies(name.as_str()) && !fixed.contains_key(&name) {
            headers.append(name, value);
        }
    }
    let form: Vec<query::Parameter> =
        form.into_iter().map(|(key, value)| (key.into(), Box::from([value.into()]))).collect();
    let mut body = Vec::new();
    query::reserialise(&mut body, b"", &form);
    let (method, body) = (Method::POST, Bytes::from(body));
    Ok(Outgoing { method, headers, body, client: shows, public: HeaderMap::new() })
}

/// A header value that is printed nowhere.
pub(super) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn add_parameters(url: &mut Url, parameters: &[(String, Vec<SecretString>)]) {
    if !parameters.is_empty() {
        let values =
            |values: &[SecretString]| values.iter().map(|value| value.expose_secret().into()).collect();
        let parameters: Vec<query::Parameter> =
            parameters.iter().map(|(key, all)| (key.as_str().into(), values(all))).collect();
        let mut query = Vec::new();
        query::reserialise(&mut query, url.query().unwrap_or_default().as_bytes(), &parameters);
        // It writes ASCII only.
        url.set_query(std::str::from_utf8(&query).ok().filter(|query| !query.is_empty()));
    }
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<Expires>,
}

/// Some servers write the number as a string (AG §19, 14), some with a fraction.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expires {
    Whole(i64),
    Number(f64),
    Text(String),
}

impl Expires {
    /// Seconds; what is below one is 0.
    fn seconds(self) -> Result<u64, String> {
        let seconds = match self {
            Self::Whole(seconds) => return Ok(u64::try_from(seconds).unwrap_or(0)),
            Self::Number(seconds) => seconds,
            Self::Text(text) => text.trim().parse().map_err(|_| "expires_in is no number".to_owned())?,
        };
        if seconds.is_nan() {
            return Err("expires_in is no number".to_owned());
        }
        // Saturates, infinities too.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "this is what is meant")]
        Ok(seconds.max(0.0) as u64)
    }
}

fn token(body: &[u8]) -> Result<Fetched, String> {
    // The fields of a structure may come as an array, for the parser.
    if body.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err("it is no object".to_owned());
    }
    // The parser's own message may quote the token.
    let answered: Answered = serde_json::from_slice(body)
        .map_err(|e| format!("{:?} error at line {} column {}", e.classify(), e.line(), e.column()))?;
    let seconds = answered.expires_in.map_or(Ok(0), Expires::seconds)?;
    let token = answered.access_token.unwrap_or_default();
    // An empty token is accepted; the header is then just `Bearer` (AG §8.3).
    let authorization = if token.is_empty() { "Bearer".to_owned() } else { format!("Bearer {token}") };
    HeaderValue::from_str(&authorization).map_err(|_| "access_token fits no header".to_owned())?;
    let lifetime = Some(Duration::from_secs(seconds).min(LONGEST)).filter(|lifetime| !lifetime.is_zero());
    Ok(Fetched { content: Content::Authorization(authorization.into()), lifetime })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_however_they_are_written() {
        let longest = Some(LONGEST.as_secs());
        for (written, seconds) in [
            ("null", None),
            ("0", None),
            ("-5", None),
            ("-0.5", None),
            ("0.9", None),
            ("-1e300", None),
            ("1", Some(1)),
            ("3599.9", Some(3599)),
            ("3600.0", Some(3600)),
            ("1e3", Some(1000)),
            ("\"3600\"", Some(3600)),
            ("\" 3600 \"", Some(3600)),
            ("\"3600.5\"", Some(3600)),
            ("\"-1\"", None),
            ("9223372036854775807", longest),
            ("18446744073709551615", longest),
            ("18446744073709551616", longest),
            ("1e300", longest),
            ("\"1e400\"", longest),
        ] {
            let body = format!("{{\"access_token\":\"t\",\"expires_in\":{written}}}");
            let fetched = token(body.as_bytes()).unwrap_or_else(|e| panic!("{written}: {e}"));
            assert_eq!(fetched.lifetime.map(|lifetime| lifetime.as_secs()), seconds, "{written}");
        }
        for written in ["\"soon\"", "\"\"", "\"NaN\"", "true", "[]", "{}", "1e999", "01"] {
            let body = format!("{{\"access_token\":\"c4n4ry\",\"expires_in\":{written}}}");
            let error = token(body.as_bytes()).err().unwrap_or_else(|| panic!("{written}"));
            assert!(!error.contains("c4n4ry"), "{error}");
        }
    }

    #[test]
    fn tokens_that_no_header_carries_are_refused() {
        for token_in_json in ["a\\nb", "a\\rb", "a\\u0000b", "a\\u007fb"] {
            let body = format!("{{\"access_token\":\"{token_in_json}\"}}");
            assert_eq!(
                token(body.as_bytes()).err().as_deref(),
                Some("access_token fits no header"),
                "{body}"
            );
        }
        for (body, want) in [
            ("{}", "Bearer"),
            ("{\"access_token\":\"\"}", "Bearer"),
            ("{\"access_token\":null,\"token_type\":7}", "Bearer"),
            ("{\"access_token\":\"\\u00e9\"}", "Bearer \u{e9}"),
            ("{\"access_token\":\"a.b-c_d~e+f/g=\",\"scope\":[]}", "Bearer a.b-c_d~e+f/g="),
        ] {
            let Content::Authorization(value) = token(body.as_bytes()).unwrap().content else {
                panic!("{body}")
            };
            assert_eq!(value.expose_secret(), want);
        }
    }
}
