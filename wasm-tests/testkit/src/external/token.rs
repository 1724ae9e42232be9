//! The OAuth token endpoints: client credentials, sent in `Authorization` and in the form (AG §8.3), or a client
//! certificate and the id in the form (§8.4). What the query asks for goes before the settings, so that endpoints of
//! different manners exist side by side:
//!
//! | key | what |
//! | --- | --- |
//! | `expires_in` | this JSON value, or this string if it is no JSON; `none`: absent |
//! | `status`, `body`, `type` | an answer with this status, body, content type |
//! | `pad` | so many bytes more in the JSON |
//! | `delay` | milliseconds before the answer |
//! | `drip` | milliseconds before each byte of the body |
//! | `flapping` | statuses in turn: `503,200` |

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Body},
    record::Recorded,
    settings,
    state::State,
};

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A secret, in `Authorization` and in the form.
    Secret,
    /// A certificate in the TLS handshake, and nothing else.
    Certificate,
}

/// Tokens that were issued and still hold.
#[derive(Default)]
pub struct Tokens {
    requests: AtomicU64,
    issued: AtomicU64,
    valid: Mutex<HashSet<String>>,
    requests_at: Mutex<BTreeMap<String, u64>>,
}

impl Tokens {
    /// Token requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Tokens issued so far.
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// Lets every token end now.
    pub fn revoke(&self) {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Lets this token end now.
    pub fn revoke_one(&self, token: &str) {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }

    /// Token requests so far, by path.
    pub fn requests_at(&self) -> BTreeMap<String, u64> {
        self.requests_at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a request; how many there were at this path before.
    fn request(&self, path: &str) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut requests = self.requests_at.lock().unwrap_or_else(PoisonError::into_inner);
        let count = requests.entry(path.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    /// Whether `token` was issued and not revoked.
    pub fn holds(&self, token: &str) -> bool {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).contains(token)
    }

    fn issue(&self, prefix: &str) -> String {
        let token = format!("{prefix}{}", self.issued.fetch_add(1, Ordering::Relaxed) + 1);
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone());
        token
    }
}

/// The answer to a token request.
pub fn answer(state: &State, request: &Recorded, proof: Proof) -> Answer {
    let path = String::from_utf8_lossy(request.path()).into_owned();
    let before = state.tokens.request(&path);
    let all = state.settings();
    let mut settings = all.token_at.get(&path).unwrap_or(&all.token).clone();
    let wishes = form(request.query().unwrap_or_default());
    wishes.iter().for_each(|(key, value)| wish(&mut settings, key, value));
    let turn = usize::try_from(before).ok().and_then(|before| before.checked_rem(settings.flapping.len()));
    if let Some(status) = turn.and_then(|turn| settings.flapping.get(turn)) {
        settings.status = Some(*status);
    }
    let mut answer = judged(state, request, &settings, proof);
    answer.delay = Duration::from_millis(settings.delay_ms);
    for (key, value) in wishes {
        match key.as_str() {
            "type" => answer.headers = vec![("content-type".into(), value.into())],
            "drip" => {
                if let (Body::Full(rest), Ok(pause)) = (&answer.body, value.parse()) {
                    answer.body = Body::Trickle { rest: rest.clone(), pause: Duration::from_millis(pause) };
                }
            }
            _ => {}
        }
    }
    answer
}

fn wish(settings: &mut settings::Token, key: &str, value: &str) {
    match key {
        "expires_in" if value == "none" => settings.expires_in = None,
        "expires_in" => {
            let json = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            settings.fields.insert(key.to_owned(), json);
        }
        "status" => settings.status = value.parse().ok(),
        "body" => settings.body = Some(value.to_owned()),
        "pad" => {
            settings.fields.insert(key.to_owned(), "x".repeat(value.parse().unwrap_or(0)).into());
        }
        "delay" => settings.delay_ms = value.parse().unwrap_or(0),
        "flapping" => settings.flapping = value.split(',').filter_map(|status| status.parse().ok()).collect(),
        _ => {}
    }
}

fn judged(state: &State, request: &Recorded, settings: &settings::Token, proof: Proof) -> Answer {
    let body = settings.body.clone();
    if settings.status.is_some_and(|status| status != 200) || body.is_some() {
        let status = settings.status.unwrap_or(200);
        return Answer::with(status, "application/json", body.unwrap_or_default());
    }
    if let Err(error) = check(request, settings, proof) {
        let body = json!({ "error": "invalid_client", "error_description": error }).to_string();
        return Answer::with(401, "application/json", body);
    }
    let mut granted = serde_json::Map::new();
    granted.insert("access_token".to_owned(), state.tokens.issue(&settings.prefix).into());
    granted.insert("token_type".to_owned(), "Bearer".into());
    granted.extend(settings.expires_in.map(|seconds| ("expires_in".to_owned(), seconds.into())));
    granted.extend(settings.fields.clone());
    Answer::json(&granted)
}

fn check(request: &Recorded, settings: &settings::Token, proof: Proof) -> Result<(), String> {
    if request.method != "POST" {
        return Err(format!("method {:?}", request.method));
    }
    let content_type = request.header("content-type").join(",");
    if content_type != "application/x-www-form-urlencoded" {
        return Err(format!("content type {content_type}"));
    }
    let form = request.body.content.as_ref().map(|body| form(&body.0)).unwrap_or_default();
    let field = |name: &str| {
        let mut values = form.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone());
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            _ => Err(format!("form field {name} is not there once")),
        }
    };
    if field("grant_type")? != "client_credentials" {
        return Err("grant_type".to_owned());
    }
    let id = field("client_id")?;
    match proof {
        Proof::Secret => {
            let secret = field("client_secret")?;
            let expected = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
            if request.header("authorization") != [expected] {
                return Err("Authorization differs from the form".to_owned());
            }
            if settings.clients.is_empty() || settings.clients.get(&id) == Some(&secret) {
                return Ok(());
            }
            Err("unknown client or wrong secret".to_owned())
        }
        Proof::Certificate => {
            if field("client_secret").is_ok() || !request.header("authorization").is_empty() {
                return Err("a secret was sent".to_owned());
            }
            let peer = request.tls.as_ref().and_then(|tls| tls.peer.as_ref());
            let certificate = &peer.ok_or("no client certificate")?.sha256;
            if settings.clients.is_empty() || settings.clients.get(&id) == Some(certificate) {
                return Ok(());
            }
            Err("unknown client or wrong certificate".to_owned())
        }
    }
}

/// Pairs of `application/x-www-form-urlencoded`, decoded.
#[must_use]
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    let decode = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        percent_decode(&spaced).decode_utf8_lossy().into_owned()
    };
    body.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let key = parts.next().unwrap_or_default();
            (decode(key), decode(parts.next().unwrap_or_default()))
        })
        .collect()
}
