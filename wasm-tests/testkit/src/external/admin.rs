//! The admin interface, on loopback.
//!
//! | call | what it does |
//! | --- | --- |
//! | `GET /recorded?listener=&method=&path=&prefix=&after=` | recorded requests, oldest first; `path` is exact, `prefix` of the path, `after` an id |
//! | `DELETE /recorded` | forgets them |
//! | `GET /settings`, `PUT /settings` | [`Settings`], whole |
//! | `GET /counts` | [`Counts`] |
//! | `GET /ended` | how answers ended, oldest first: [`Ended`](super::running::Ended) |
//! | `POST /gate?name=&permits=` | lets an answer that waits at this gate go on |
//! | `POST /token/revoke?token=` | this token ends, or all |
//! | `POST /csrf/revoke` | every CSRF session ends |

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{
    answer::Answer,
    record::Recorded,
    settings::Settings,
    state::{Judged, State},
    token::form,
};

/// What the double counted since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Token requests.
    pub token_requests: u64,
    /// Tokens issued.
    pub tokens: u64,
    /// Connections accepted, on all listeners but this one.
    pub connections: u64,
    /// DNS questions by name.
    pub dns: BTreeMap<String, u64>,
    /// Token requests by path.
    pub token_requests_at: BTreeMap<String, u64>,
    /// Calls of the CSRF endpoint.
    pub csrf_requests: u64,
    /// Requests to guarded paths, by path.
    pub judged: BTreeMap<String, Judged>,
}

/// The answer to an admin call.
pub fn answer(state: &State, request: &Recorded) -> Answer {
    let (method, path) = (request.method.text(), String::from_utf8_lossy(request.path()).into_owned());
    match (method.as_str(), path.as_str()) {
        ("GET", "/recorded") => recorded(state, request),
        ("DELETE", "/recorded") => {
            state.clear();
            Answer::status(204)
        }
        ("GET", "/settings") => Answer::json(&*state.settings()),
        ("PUT", "/settings") => put(state, request),
        ("GET", "/counts") => Answer::json(&Counts {
            token_requests: state.tokens.requests(),
            tokens: state.tokens.issued(),
            connections: state.connections(),
            dns: state.queries(),
            token_requests_at: state.tokens.requests_at(),
            csrf_requests: state.csrf.fetches(),
            judged: state.judged(),
        }),
        ("GET", "/ended") => Answer::json(&state.ends().all()),
        ("POST", "/gate") => {
            let permits = parameter(request, "permits").and_then(|permits| permits.parse().ok());
            state.gates.open(&parameter(request, "name").unwrap_or_default(), permits.unwrap_or(1));
            Answer::status(204)
        }
        ("POST", "/token/revoke") => {
            match parameter(request, "token") {
                Some(token) => state.tokens.revoke_one(&token),
                None => state.tokens.revoke(),
            }
            Answer::status(204)
        }
        ("POST", "/csrf/revoke") => {
            state.csrf.revoke();
            Answer::status(204)
        }
        _ => Answer::with(404, "text/plain", "no such admin call\n"),
    }
}

fn parameter(request: &Recorded, name: &str) -> Option<String> {
    let mut pairs = form(request.query().unwrap_or_default()).into_iter();
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

fn recorded(state: &State, request: &Recorded) -> Answer {
    let filters = form(request.query().unwrap_or_default());
    let wanted = |recorded: &Recorded| {
        filters.iter().all(|(key, value)| match key.as_str() {
            "listener" => recorded.listener == *value,
            "method" => recorded.method == *value,
            "path" => recorded.path() == value.as_bytes(),
            "prefix" => recorded.path().starts_with(value.as_bytes()),
            "after" => value.parse().is_ok_and(|id: u64| recorded.id > id),
            _ => false,
        })
    };
    Answer::json(&state.recorded(wanted))
}

fn put(state: &State, request: &Recorded) -> Answer {
    let body = request.body.content.as_ref().map(|body| body.0.as_slice()).unwrap_or_default();
    match serde_json::from_slice::<Settings>(body) {
        Ok(settings) => {
            state.set(settings);
            Answer::status(204)
        }
        Err(error) => Answer::with(400, "text/plain", error.to_string()),
    }
}
