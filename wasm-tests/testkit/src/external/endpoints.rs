//! What the external system answers.
//!
//! | path | answer |
//! | --- | --- |
//! | `/basic-auth/{user}/{password}` | 200 JSON if `Authorization` says so, 401 otherwise, as httpbin |
//! | `/protected/bearer` | 200 JSON for a token that [`token`] issued, 401 otherwise |
//! | `/oauth/token` | [`token`] |
//! | `/status/{code}` | this status, body `status {code}` |
//! | `/bytes/{n}` | `n` bytes with a content length |
//! | `/drip/{n}/{ms}` | `n` chunks `drip\n`, `ms` milliseconds before each |
//! | `/delay/{ms}` | the echo, `ms` milliseconds later |
//! | `/truncate/{announced}/{sent}` | a body that ends too early |
//! | `/reset` | the connection is reset |
//! | `/upgrade` | 101, then every byte is sent back |
//! | `/redirect?to=…` | 302 with this `Location` |
//! | `/answer?status=&header=name:value&body=&early=&delay=` | as asked; `header` and `early` may repeat |
//! | anything else | the echo: 200, the request as JSON ([`Recorded`]) |
//!
//! An endpoint's words may stand anywhere in a path, so that it is reached below any base path; what follows them is
//! ignored for those without arguments.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{
    answer::{Answer, Body},
    record::Recorded,
    state::State,
    token,
};

/// The answer to a request.
pub fn answer(state: &State, request: &Recorded) -> Answer {
    let path = String::from_utf8_lossy(request.path());
    let words: Vec<&str> = path.split('/').skip(1).collect();
    (0..words.len())
        .find_map(|start| endpoint(state, request, words.get(start..).unwrap_or_default()))
        .unwrap_or_else(|| Answer::json(request))
}

fn endpoint(state: &State, request: &Recorded, words: &[&str]) -> Option<Answer> {
    let number = |word: &str| word.parse::<u64>().ok();
    Some(match *words {
        ["basic-auth", user, password] => basic(request, user, password),
        ["protected", "bearer"] => bearer(state, request),
        ["oauth", "token"] => token::answer(state, request),
        ["status", code] => {
            let code = code.parse().ok().filter(|code| (100..1000).contains(code))?;
            Answer::with(code, "text/plain", format!("status {code}"))
        }
        ["bytes", length] => sized(number(length)?),
        ["drip", count, pause] => Answer::status(200).header("content-type", "text/plain").body(Body::Drip {
            count: number(count)?,
            pause: Duration::from_millis(number(pause)?),
            chunk: Bytes::from_static(b"drip\n"),
        }),
        ["delay", pause] => {
            let delay = Duration::from_millis(number(pause)?);
            Answer { delay, ..Answer::json(request) }
        }
        ["truncate", announced, sent] => {
            Answer::status(200).body(Body::Truncated { announced: number(announced)?, sent: number(sent)? })
        }
        ["reset"] => Answer::status(0).body(Body::Reset),
        ["upgrade"] => upgrade(request),
        ["redirect"] => asked(302, &parameters(request)),
        ["answer"] => asked(200, &parameters(request)),
        _ => return None,
    })
}

fn basic(request: &Recorded, user: &str, password: &str) -> Answer {
    let decode = |word: &str| percent_decode_str(word).decode_utf8_lossy().into_owned();
    let (user, password) = (decode(user), decode(password));
    let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    if request.header("authorization") == [expected] {
        return Answer::json(&json!({ "authenticated": true, "user": user }));
    }
    Answer::status(401).header("www-authenticate", "Basic realm=\"Fake Realm\"")
}

fn bearer(state: &State, request: &Recorded) -> Answer {
    let values = request.header("authorization");
    match values.as_slice() {
        [value] if value.strip_prefix("Bearer ").is_some_and(|token| state.tokens.holds(token)) => {
            Answer::json(&json!({ "authenticated": true }))
        }
        _ => Answer::status(401).header("www-authenticate", "Bearer"),
    }
}

fn sized(length: u64) -> Answer {
    Answer::status(200).header("content-type", "application/octet-stream").body(Body::Sized(length))
}

fn upgrade(request: &Recorded) -> Answer {
    match request.header("upgrade").first() {
        Some(protocol) => Answer::status(101)
            .header("connection", "Upgrade")
            .header("upgrade", protocol.clone())
            .body(Body::Upgrade),
        None => Answer::with(426, "text/plain", "no Upgrade header came through"),
    }
}

fn parameters(request: &Recorded) -> Vec<(String, String)> {
    token::form(request.query().unwrap_or_default())
}

fn asked(status: u16, parameters: &[(String, String)]) -> Answer {
    let mut answer = Answer::status(status);
    for (key, value) in parameters {
        match key.as_str() {
            "status" => answer.status = value.parse().unwrap_or(500),
            "to" => answer = answer.header("location", value.clone()),
            "header" => {
                let (name, value) = value.split_once(':').unwrap_or((value, ""));
                answer = answer.header(name.to_owned(), value.trim_start().to_owned());
            }
            "body" => answer.body = Body::Full(Bytes::from(value.clone())),
            "early" => answer.early.extend(value.parse::<u16>()),
            "delay" => answer.delay = Duration::from_millis(value.parse().unwrap_or(0)),
            _ => {}
        }
    }
    answer
}
