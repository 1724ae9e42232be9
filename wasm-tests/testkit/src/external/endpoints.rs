//! What the external system answers.
//!
//! | path | answer |
//! | --- | --- |
//! | `/basic-auth/{user}/{password}` | 200 JSON if `Authorization` says so, 401 otherwise, as httpbin |
//! | `/protected/bearer` | 200 JSON for a token that [`token`] issued, 401 otherwise |
//! | `/oauth/token`, `/oauth/certificate` | [`token`], by secret and by client certificate |
//! | `/csrf/token`, `/csrf/token/bearer`, `…/certificate`, `…/basic/{user}/{password}` | [`csrf`]: a session for whoever has this credential |
//! | `/csrf/guarded[/…]` | 403 unless token and cookie are of one session; otherwise what follows says |
//! | `/guarded[/401\|403][/…]` | 401 or 403 unless [`token`] issued the token and it holds; otherwise what follows says |
//! | `/status/{code}` | this status, body `status {code}` |
//! | `/bytes/{n}` | `n` bytes with a content length |
//! | `/flow/{n}` | the same without a content length |
//! | `/drip/{n}/{ms}` | `n` chunks `drip\n`, `ms` milliseconds before each |
//! | `/events/{n}/{ms}` | `n` server-sent events, `ms` milliseconds before each |
//! | `/gate/{name}/{n}` | `n` server-sent events, each but the first when the gate of this name opens ([`admin`](super::admin)) |
//! | `/loris/{head}/{body}` | the echo, `head` milliseconds before each byte of the head, `body` before each of the body |
//! | `/delay/{ms}` | the echo, `ms` milliseconds later |
//! | `/truncate/{announced}/{sent}` | a body that ends too early |
//! | `/reset` | the connection is reset |
//! | `/upgrade` | 101, then every byte is sent back |
//! | `/websocket` | a WebSocket that sends every message back |
//! | `/cookies/{n}` | `n` lines `Set-Cookie` |
//! | `/redirect?to=…` | 302 with this `Location` |
//! | `/answer?status=&header=name:value&body=&trailer=name:value&early=&delay=` | as asked; `header`, `trailer` and `early` may repeat; the latter is a status, or `status,name:value` |
//! | anything else | the echo: 200, the request as JSON ([`Recorded`]) |
//!
//! An endpoint's words may stand anywhere in a path, so that it is reached below any base path; what follows them is
//! ignored for those without arguments.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{
    answer::{Answer, Body},
    csrf,
    gate::Gate,
    record::Recorded,
    state::State,
    token::{self, Proof},
    websocket,
};

/// The answer to a request.
pub fn answer(state: &State, request: &Recorded) -> Answer {
    let path = String::from_utf8_lossy(request.path());
    let words: Vec<&str> = path.split('/').skip(1).collect();
    (0..words.len())
        .find_map(|start| endpoint(state, request, words.get(start..).unwrap_or_default()))
        .unwrap_or_else(|| Answer::json(request))
}

/// What follows a guard that let the request through.
fn behind(state: &State, request: &Recorded, words: &[&str]) -> Answer {
    endpoint(state, request, words).unwrap_or_else(|| Answer::json(request))
}

fn endpoint(state: &State, request: &Recorded, words: &[&str]) -> Option<Answer> {
    let number = |word: &str| word.parse::<u64>().ok();
    Some(match *words {
        ["basic-auth", user, password] => basic(request, user, password),
        ["protected", "bearer"] => bearer(state, request),
        ["oauth", "token"] => token::answer(state, request, Proof::Secret),
        ["oauth", "certificate"] => token::answer(state, request, Proof::Certificate),
        ["csrf", "token", ref credential @ ..] => match session_refused(state, request, credential)? {
            Some(refused) => refused,
            None => csrf::fetch(state, request),
        },
        ["csrf", "guarded", ref rest @ ..] => {
            let refused = csrf::refusal(state, request);
            state.judge(request, refused.is_none());
            refused.unwrap_or_else(|| behind(state, request, rest))
        }
        ["guarded", status @ ("401" | "403"), ref rest @ ..] => {
            guarded(state, request, number(status)?, rest)
        }
        ["guarded", ref rest @ ..] => guarded(state, request, 401, rest),
        ["status", code] => {
            let code = code.parse().ok().filter(|code| (100..1000).contains(code))?;
            Answer::with(code, "text/plain", format!("status {code}"))
        }
        ["bytes", length] => large(Body::Sized(number(length)?)),
        ["flow", length] => large(Body::Flow(number(length)?)),
        ["drip", count, pause] => Answer::status(200).header("content-type", "text/plain").body(Body::Drip {
            count: number(count)?,
            pause: Duration::from_millis(number(pause)?),
            chunk: Bytes::from_static(b"drip\n"),
        }),
        ["events", count, pause] => events(number(count)?, number(pause)?, None),
        ["gate", name, count] => events(number(count)?, 0, Some(state.gates.named(name))),
        ["loris", head, body] => {
            let mut echo =
                Answer { head_pause: Duration::from_millis(number(head)?), ..Answer::json(request) };
            if let Body::Full(rest) = &echo.body {
                echo.body = Body::Trickle { rest: rest.clone(), pause: Duration::from_millis(number(body)?) };
            }
            echo
        }
        ["delay", pause] => {
            let delay = Duration::from_millis(number(pause)?);
            Answer { delay, ..Answer::json(request) }
        }
        ["truncate", announced, sent] => {
            Answer::status(200).body(Body::Truncated { announced: number(announced)?, sent: number(sent)? })
        }
        ["reset"] => Answer::status(0).body(Body::Reset),
        ["upgrade"] => upgrade(request),
        ["websocket"] => websocket::answer(request),
        ["cookies", count] => (0..number(count)?).fold(Answer::status(200), |answer, at| {
            answer.header("set-cookie", format!("c{at}={at}; Path=/base; HttpOnly"))
        }),
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
    if holds_token(state, request) {
        return Answer::json(&json!({ "authenticated": true }));
    }
    Answer::status(401).header("www-authenticate", "Bearer")
}

fn holds_token(state: &State, request: &Recorded) -> bool {
    let values = request.header("authorization");
    let [value] = values.as_slice() else { return false };
    value.strip_prefix("Bearer ").is_some_and(|token| state.tokens.holds(token))
}

fn guarded(state: &State, request: &Recorded, status: u64, rest: &[&str]) -> Answer {
    let let_through = holds_token(state, request);
    state.judge(request, let_through);
    if let_through {
        return behind(state, request, rest);
    }
    Answer::with(u16::try_from(status).unwrap_or(401), "text/plain", "rejected token")
        .header("www-authenticate", "Bearer error=\"invalid_token\"")
        .header("set-cookie", "rejected=1")
        .header("x-rejected", request.id.to_string())
}

/// Whether a session is refused to somebody with this credential; none if the words are no credential.
fn session_refused(state: &State, request: &Recorded, words: &[&str]) -> Option<Option<Answer>> {
    let shown = match *words {
        [] => true,
        ["bearer"] => holds_token(state, request),
        ["certificate"] => request.tls.as_ref().is_some_and(|tls| tls.peer.is_some()),
        ["basic", user, password] => basic(request, user, password).status == 200,
        _ => return None,
    };
    Some((!shown).then(|| Answer::with(401, "text/plain", "no session without the credential")))
}

fn large(body: Body) -> Answer {
    Answer::status(200).header("content-type", "application/octet-stream").body(body)
}

fn events(count: u64, pause: u64, gate: Option<Arc<Gate>>) -> Answer {
    let pause = Duration::from_millis(pause);
    let body = Body::Events { next: 1, last: count, pause, gate };
    Answer::status(200)
        .header("content-type", "text/event-stream")
        .header("cache-control", "no-cache")
        .body(body)
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
                let (name, value) = line(value);
                answer = answer.header(name, value);
            }
            "trailer" => answer.trailers.push(line(value)),
            "body" => answer.body = Body::Full(Bytes::from(value.clone())),
            "early" => {
                let (status, lines) = value.split_once(',').unwrap_or((value, ""));
                let lines = Some(lines).filter(|lines| !lines.is_empty()).map(line);
                answer.early.extend(status.parse().ok().map(|status| (status, lines.into_iter().collect())));
            }
            "delay" => answer.delay = Duration::from_millis(value.parse().unwrap_or(0)),
            _ => {}
        }
    }
    answer
}

/// `name:value` as a header line.
fn line(text: &str) -> (Bytes, Bytes) {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    (name.to_owned().into(), value.trim_start().to_owned().into())
}
