//! The OAuth token endpoint: client credentials, sent in `Authorization` and in the form (AG §8.3).

use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode;
use serde_json::json;

use super::{answer::Answer, record::Recorded, settings, state::State};

/// Tokens that were issued and still hold.
#[derive(Default)]
pub struct Tokens {
    requests: AtomicU64,
    issued: AtomicU64,
    valid: Mutex<HashSet<String>>,
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
pub fn answer(state: &State, request: &Recorded) -> Answer {
    state.tokens.requests.fetch_add(1, Ordering::Relaxed);
    let settings = state.settings();
    let mut answer = judged(state, request, &settings.token);
    answer.delay = Duration::from_millis(settings.token.delay_ms);
    answer
}

fn judged(state: &State, request: &Recorded, settings: &settings::Token) -> Answer {
    let body = settings.body.clone();
    if settings.status.is_some_and(|status| status != 200) || body.is_some() {
        let status = settings.status.unwrap_or(200);
        return Answer::with(status, "application/json", body.unwrap_or_default());
    }
    if let Err(error) = check(request, settings) {
        let body = json!({ "error": "invalid_client", "error_description": error }).to_string();
        return Answer::with(401, "application/json", body);
    }
    let mut granted = json!({ "access_token": state.tokens.issue(&settings.prefix), "token_type": "Bearer" });
    if let (Some(seconds), Some(fields)) = (settings.expires_in, granted.as_object_mut()) {
        fields.insert("expires_in".to_owned(), seconds.into());
    }
    Answer::json(&granted)
}

fn check(request: &Recorded, settings: &settings::Token) -> Result<(), String> {
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
    let (id, secret) = (field("client_id")?, field("client_secret")?);
    let expected = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    if request.header("authorization") != [expected] {
        return Err("Authorization differs from the form".to_owned());
    }
    if settings.clients.is_empty() || settings.clients.get(&id) == Some(&secret) {
        return Ok(());
    }
    Err("unknown client or wrong secret".to_owned())
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
