//! A request that is sent again because its target rejected our grant (design decision 10, AG §11).
//!
//! Which grants went out is in a request's [`Exchange`]; a [`Replay`] beside it keeps
//! what is needed to send it again: the headers as the pipeline saw them, and the body as it passed. When the target
//! rejects a grant the shell holds the answer and asks [`Replay::next`] until it says what becomes of the request: the
//! first answer passes, or the request is dispatched to the profile's pinned twin, at the very address that rejected
//! it. What comes back there is judged by [`second`].
//!
//! Exactly one further attempt: what it is answered with is final.

mod again;
mod answer;
mod body;

use std::num::NonZeroU64;

use fairlead_credential_injector::rejection::{Carried, is_repeatable};
use fairlead_wire::{Reason, Refusal, profile};

pub use again::Dispatch;
pub use answer::{Second, second};
pub use body::Budget;
pub use fairlead_credential_injector::rejection::Rejection;

use crate::{
    headers::HeaderBlock,
    response::Exchange,
    snapshot::{GrantState, Grants},
    step::WaitFor,
};
use body::Body;

/// Grants that went out with a request, and what else its answer hangs on. Serials begin with 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// Serial of the grant whose `Authorization` went out.
    pub(crate) authorization: Option<NonZeroU64>,
    /// Serial of the grant whose CSRF token went out.
    pub(crate) csrf: Option<NonZeroU64>,
    pub(crate) access_token: bool,
    pub(crate) repeatable: bool,
}

impl Used {
    pub(crate) fn carried(self) -> Carried {
        Carried {
            authorization: self.authorization.is_some(),
            csrf: self.csrf.is_some(),
            access_token: self.access_token,
            repeatable: self.repeatable,
        }
    }
}

/// Media type of server-sent events.
const EVENTS: &[u8] = b"text/event-stream";

/// What the headers say about sending a request again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Its method may be executed twice.
    pub(crate) repeatable: bool,
    /// Its answer can be held: it is no upgrade, no event stream and no gRPC call, and has no trailers.
    pub(crate) holdable: bool,
}

impl Manner {
    pub(crate) fn of(headers: &HeaderBlock<'_>) -> Self {
        let mut manner = Self { repeatable: false, holdable: true };
        for (name, value) in headers {
            match name {
                b":method" => {
                    manner.repeatable = is_repeatable(value);
                    manner.holdable &= value != b"CONNECT";
                }
                b"upgrade" | b":protocol" | b"trailer" => manner.holdable = false,
                b"accept" => manner.holdable &= !value.windows(EVENTS.len()).any(|part| part == EVENTS),
                b"content-type" => manner.holdable &= !value.starts_with(b"application/grpc"),
                _ => {}
            }
        }
        manner
    }
}

/// A request that may have to be sent again.
pub struct Replay {
    /// Its headers as the pipeline saw them, serialised.
    headers: Vec<u8>,
    body: Body,
    /// For which of its grants it has waited.
    waited: [bool; 2],
}

/// What becomes of a request whose grant was rejected.
#[derive(Debug)]
pub enum Next<'a> {
    /// The first answer passes.
    Pass,
    /// Pause until it is there, then ask again.
    Wait(WaitFor<'a>),
    /// Send this from the stream's context, and bring what comes back to [`second`].
    Send(Box<Dispatch>),
}

impl Replay {
    /// `headers` are the request's, serialised as the pipeline saw them; `ended`: there is no body; a body is kept up to
    /// `limit` bytes.
    #[must_use]
    pub fn new(headers: Vec<u8>, ended: bool, limit: u32, budget: &Budget) -> Self {
        Self { headers, body: Body::new(ended, limit, budget), waited: [false; 2] }
    }

    /// A part of the body passes, of `size` bytes. True if [`Replay::keep`] is to get them.
    pub fn wants(&mut self, size: usize, ends: bool) -> bool {
        self.body.wants(size, ends)
    }

    /// Bytes that are [wanted](Replay::wants).
    pub fn keep(&mut self, bytes: &[u8]) {
        self.body.keep(bytes);
    }

    /// Whether no answer has a body, whatever its headers say.
    #[must_use]
    pub fn is_head(&self) -> bool {
        let block = HeaderBlock::parse(&self.headers);
        block.is_ok_and(|block| block.iter().any(|line| line == (b":method", b"HEAD")))
    }

    /// The second attempt is on its way: nothing of this is needed any longer.
    pub fn dismiss(&mut self) {
        self.headers = Vec::new();
        self.body.drop_bytes();
    }

    /// What was kept of the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.bytes()
    }

    /// What is to be done next. `address` is where the first attempt went (property `upstream.address`);
    /// `headers_timeout_ms` the installation's.
    pub fn next<'a>(
        &mut self,
        exchange: &'a Exchange,
        grants: &dyn Grants,
        address: Option<&[u8]>,
        headers_timeout_ms: u32,
    ) -> Next<'a> {
        let Some(route) = exchange.route().filter(|_| !self.body.is_too_large()) else { return Next::Pass };
        let used = exchange.used();
        let mut renewed = false;
        let pairs = [(route.grant(), used.authorization), (route.csrf.as_deref(), used.csrf)];
        for ((id, serial), waited) in pairs.into_iter().zip(&mut self.waited) {
            let (Some(id), Some(serial)) = (id, serial.map(NonZeroU64::get)) else { continue };
            match grants.grant(id) {
                GrantState::Ready(grant) if grant.serial > serial => renewed |= grant.differs_from(serial),
                _ if std::mem::replace(waited, true) => return Next::Pass,
                _ => return Next::Wait(WaitFor::Newer(id, serial)),
            }
        }
        // The same request would be rejected for the same reason. A target that rejects before it has heard all leaves
        // time for the rest of the body while the grants are renewed, and no more.
        if !renewed || !self.body.is_complete() {
            return Next::Pass;
        }
        let twin = profile::pinned(&route.profile);
        let dispatch = twin.zip(address).and_then(|(cluster, address)| {
            again::dispatch(cluster, &self.headers, exchange, route, grants, address, headers_timeout_ms)
        });
        dispatch.map_or(Next::Pass, |dispatch| Next::Send(Box::new(dispatch)))
    }
}

/// Headers and body are secrets.
impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("waited", &self.waited).finish_non_exhaustive()
    }
}

/// What a request gets that cannot wait, or for which no newer grant came, for this reason; none: the first answer. A
/// limit on rejections protects the token endpoint from our callers: then nothing has become worse than it was.
#[must_use]
pub fn without_newer(refusal: &Refusal) -> Option<Refusal> {
    match refusal.reason {
        Reason::GrantLimited | Reason::TooManyHeld => None,
        _ => Some(Refusal::empty(502, Reason::ReplayFailed)),
    }
}

impl Exchange {
    /// Which grants the target rejects by an answer of this status, and whether the request may be sent again; none for
    /// an answer that Envoy itself made.
    #[must_use]
    pub fn rejection(&self, status: u16, response: &dyn crate::response::Response) -> Option<Rejection> {
        if !matches!(status, 401 | 403) || !self.used().carried().anything() {
            return None;
        }
        let demands_token = || {
            let token = response.header(fairlead_wire::header::CSRF_TOKEN);
            token.is_some_and(|value| value.eq_ignore_ascii_case(b"required"))
        };
        let rejection = self.used().carried().rejected(status, demands_token)?;
        let from_target = response.code_details().is_some_and(|details| details == b"via_upstream");
        from_target.then_some(rejection)
    }

    /// Ids and serials of the grants that were rejected.
    pub fn rejected(&self, rejection: Rejection) -> impl Iterator<Item = (&str, u64)> {
        let used = self.used();
        let route = self.route();
        let authorization = route.and_then(|route| route.grant()).zip(used.authorization);
        let csrf = route.and_then(|route| route.csrf.as_deref()).zip(used.csrf);
        let both = [authorization.filter(|_| rejection.authorization), csrf.filter(|_| rejection.csrf)];
        both.into_iter().flatten().map(|(id, serial)| (id, serial.get()))
    }
}

#[cfg(test)]
mod tests;
