//! CSRF (AG §9): an endpoint that gives a token and cookies of one session, and the check of both at a target.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{answer::Answer, record::Recorded, state::State};

/// Name of the cookie that must belong to the token.
const COOKIE: &str = "csrf-session";
const HEADER: &str = "x-csrf-token";

/// Sessions that were issued and still hold.
#[derive(Default)]
pub struct Sessions {
    fetches: AtomicU64,
    issued: AtomicU64,
    /// Token → cookie.
    valid: Mutex<BTreeMap<String, String>>,
}

impl Sessions {
    /// Calls of the endpoint so far.
    pub fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::Relaxed)
    }

    /// Lets every session end now.
    pub fn revoke(&self) {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn issue(&self, token: &str, cookie: &str) -> (String, String) {
        let number = self.issued.fetch_add(1, Ordering::Relaxed) + 1;
        let (token, cookie) = (format!("{token}{number}"), format!("{cookie}{number}"));
        let mut valid = self.valid.lock().unwrap_or_else(PoisonError::into_inner);
        valid.insert(token.clone(), cookie.clone());
        (token, cookie)
    }

    fn cookie(&self, token: &str) -> Option<String> {
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

/// The answer to a call of the endpoint, whose credential was judged already. The session is in one of three cookies.
pub fn fetch(state: &State, request: &Recorded) -> Answer {
    state.csrf.fetches.fetch_add(1, Ordering::Relaxed);
    let settings = state.settings();
    let settings = &settings.csrf;
    let mut answer = match settings.status {
        Some(status) => Answer::with(status, "text/plain", format!("CSRF endpoint says {status}")),
        None if request.header(HEADER) != ["fetch"] => {
            Answer::with(400, "text/plain", "X-csrf-token is not fetch")
        }
        None => {
            let (token, cookie) = state.csrf.issue(&settings.token_prefix, &settings.cookie_prefix);
            Answer::status(200)
                .header("X-CSRF-Token", token)
                .header("Set-Cookie", format!("{COOKIE}={cookie}; Path=/; Secure; HttpOnly"))
                .header("Set-Cookie", "route=node-1; Max-Age=60")
                .header("Set-Cookie", "lang=en")
        }
    };
    answer.delay = Duration::from_millis(settings.delay_ms);
    answer
}

/// What a target says to a request whose token and cookie are not of one session that holds; none to a good one.
pub fn refusal(state: &State, request: &Recorded) -> Option<Answer> {
    let tokens = request.header(HEADER);
    let [token] = tokens.as_slice() else { return Some(required(state)) };
    let lines = request.header("cookie");
    let pairs = lines.iter().flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut cookies = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
    match (state.csrf.cookie(token), cookies.next(), cookies.next()) {
        (Some(expected), Some(cookie), None) if expected == cookie => None,
        _ => Some(required(state)),
    }
}

fn required(state: &State) -> Answer {
    let status = state.settings().csrf.rejection;
    Answer::with(status, "text/plain", "CSRF token validation failed").header(HEADER, "Required")
}
