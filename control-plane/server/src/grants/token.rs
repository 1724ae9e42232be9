//! One token request, exactly as AG §8.3 has it, and what its answer means.
//!
//! `POST`, client id and secret both as Basic and in the form, no `User-Agent`. Redirects are followed up to
//! [`REDIRECTS`] times; 301, 302 and 303 turn the request into a GET. Another origin (scheme, host or port) never gets
//! credentials: a redirected GET goes there bare, a redirect that would repeat the form there (307, 308) is refused.
//! Each hop is guarded and resolved anew.

use std::time::Duration;

use bytes::Bytes;
use fairlead_credential_injector::{applies, basic, query};
use fairlead_model::{GrantKind, GrantSpec};
use fairlead_wire::{Reason, Refusal};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::dial::{Answer, Dialler, Manner};

/// How many redirects are followed.
pub const REDIRECTS: usize = 10;

/// A token as it came.
pub struct Token {
    /// The complete `Authorization` value.
    pub authorization: SecretString,
    /// `expires_in`; absent and 0 are `None`: good until rejected.
    pub lifetime: Option<Duration>,
}

/// Bounds of one token request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// All hops and the body together.
    pub timeout: Duration,
    /// Of the body.
    pub max_answer_bytes: usize,
}

/// Fetches a token.
///
/// # Errors
/// The refusal for the waiting requests: E12–E16 of AG §14. URLs in it are without query and user information, since
/// these may be secrets.
pub async fn fetch(dialler: &Dialler, spec: &GrantSpec, limits: Limits) -> Result<Token, Refusal> {
    let endpoint = spec.endpoint.as_ref().map_err(Refusal::clone)?;
    let mut url = endpoint.url.clone();
    let shown = shown(&url);
    let unreachable = |error: String| {
        let text = format!("failed to make a request to '{shown}': {error}");
        Refusal::json(502, Reason::TokenEndpointUnreachable, &text)
    };
    add_parameters(&mut url, &spec.query_parameters);
    let (mut request, deadline) = (Outgoing::first(spec)?, Instant::now() + limits.timeout);
    let manner = Manner { trust: &endpoint.trust, client: None, proxy: endpoint.proxy.as_ref() };
    for _ in 0..=REDIRECTS {
        let message = request.message(&url).map_err(|e| unreachable(e.to_string()))?;
        let answer = dialler
            .send(&url, message, manner, deadline)
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        match request.follow(&url, answer.head()).map_err(&unreachable)? {
            Some(next) => url = next,
            None => return read(answer, &shown, limits).await,
        }
    }
    Err(unreachable(format!("stopped after {REDIRECTS} redirects")))
}

async fn read(answer: Answer, shown: &str, limits: Limits) -> Result<Token, Refusal> {
    let status = answer.head().status();
    if status != StatusCode::OK {
        let text = format!("incorrect response code '{}' while getting token from {shown}", status.as_u16());
        return Err(Refusal::json(502, Reason::TokenEndpointStatus, &text));
    }
    let failed = |text: &str| Refusal::json(502, Reason::TokenEndpointAnswer, text);
    let body = answer
        .body(limits.max_answer_bytes)
        .await
        .map_err(|e| failed(&format!("failed to read token response body from '{shown}': {e}")))?;
    token(&body).map_err(|e| failed(&format!("failed to unmarshal token response body: {e}")))
}

/// What is sent at the current hop.
struct Outgoing {
    method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Outgoing {
    fn first(spec: &GrantSpec) -> Result<Self, Refusal> {
        let GrantKind::ClientCredentials { client_id, client_secret } = &spec.kind else {
            let text = "failed to create token request: this kind of grant is not fetched yet";
            return Err(Refusal::json(500, Reason::CredentialUnsupported, text));
        };
        let (id, secret) = (client_id.expose_secret(), client_secret.expose_secret());
        let mut headers = HeaderMap::new();
        let mut authorization = HeaderValue::from_str(&basic(id, secret)).map_err(|_| {
            let text = "failed to create token request: the client credentials fit no header";
            Refusal::json(500, Reason::SecretInvalid, text)
        })?;
        authorization.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, authorization);
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form_type);
        let fixed = headers.clone();
        for (name, value) in &spec.headers {
            // What no header can carry was reported when the Secret was compiled.
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
            let Ok(mut value) = HeaderValue::from_str(value.expose_secret()) else { continue };
            if applies(name.as_str()) && !fixed.contains_key(&name) {
                value.set_sensitive(true);
                headers.append(name, value);
            }
        }
        let form = [("client_id", id), ("client_secret", secret), ("grant_type", "client_credentials")];
        let form = form.map(|(key, value)| (key.into(), Box::from([value.into()])));
        let mut body = Vec::new();
        query::reserialise(&mut body, b"", &form);
        Ok(Self { method: Method::POST, headers, body: body.into() })
    }

    fn message(&self, url: &Url) -> Result<Request<Full<Bytes>>, http::Error> {
        let target = url.query().map_or_else(|| url.path().to_owned(), |q| format!("{}?{q}", url.path()));
        let mut message =
            Request::builder().method(self.method.clone()).uri(target).body(Full::new(self.body.clone()))?;
        *message.headers_mut() = self.headers.clone();
        message.headers_mut().insert(header::HOST, HeaderValue::from_str(&authority(url))?);
        Ok(message)
    }

    /// The next hop, if the answer is a redirect; changes what will be sent there.
    fn follow<B>(&mut self, url: &Url, answer: &http::Response<B>) -> Result<Option<Url>, String> {
        let repeats = match answer.status().as_u16() {
            301..=303 => false,
            307 | 308 => true,
            _ => return Ok(None),
        };
        let Some(location) = answer.headers().get(header::LOCATION) else { return Ok(None) };
        let next = location
            .to_str()
            .ok()
            .and_then(|location| url.join(location).ok())
            .ok_or_else(|| "failed to parse Location header".to_owned())?;
        let same_origin = url.origin() == next.origin();
        if repeats && !same_origin {
            return Err(format!("redirect to another origin, {}, would forward credentials", shown(&next)));
        }
        if !repeats {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers.remove(header::CONTENT_TYPE);
        }
        if !same_origin {
            self.headers.clear();
        }
        Ok(Some(next))
    }
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

/// Without what may be a secret.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<Expires>,
}

/// Some servers write the number as a string (AG §19, 14).
#[derive(Deserialize)]
#[serde(untagged)]
enum Expires {
    Number(i64),
    Text(String),
}

fn token(body: &[u8]) -> Result<Token, String> {
    // The parser's own message may quote the token.
    let answered: Answered = serde_json::from_slice(body)
        .map_err(|e| format!("{:?} error at line {} column {}", e.classify(), e.line(), e.column()))?;
    let seconds = match answered.expires_in {
        None => 0,
        Some(Expires::Number(seconds)) => seconds,
        Some(Expires::Text(text)) => text.trim().parse().map_err(|_| "expires_in is no number".to_owned())?,
    };
    let token = answered.access_token.unwrap_or_default();
    // An empty token is accepted; the header is then just `Bearer` (AG §8.3).
    let authorization = if token.is_empty() { "Bearer".to_owned() } else { format!("Bearer {token}") };
    HeaderValue::from_str(&authorization).map_err(|_| "access_token fits no header".to_owned())?;
    let lifetime = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
    Ok(Token { authorization: authorization.into(), lifetime })
}
