//! The response phase: a target's 5xx becomes 502 (AG §12, CV §6), `Location` leads back through the gateway (AG
//! §12.1).
//!
//! Native, by the route, because it holds for every answer: removal of
//! [`RESPONSE_STRIP`](fairlead_wire::header::RESPONSE_STRIP) from what a target sends, and hop-by-hop headers.
//! Native, by `local_reply_config`: status, empty body and `x-fairlead-reason` of answers that Envoy itself makes.
//! They pass here untouched.

use std::{borrow::Cow, fmt, rc::Rc};

use fairlead_app_router::{Sent, has_location, location};
use fairlead_wire::{Reason, header};

use crate::{
    replay::Used,
    snapshot::{Egress, Route},
    step::Op,
};

/// What the host knows of a response. Asked for only where an answer hangs on it.
pub trait Response {
    /// The first line of this name.
    fn header(&self, name: &str) -> Option<Vec<u8>>;

    /// Who made the answer (property `response.code_details`); `via_upstream` is the target.
    fn code_details(&self) -> Option<Vec<u8>>;
}

/// What a forwarded request leaves for its response.
pub struct Exchange {
    /// The record's key, then the path and query as sent: one allocation for both.
    buffer: Vec<u8>,
    key_len: usize,
    /// Absent on ingress: `Location` is not rewritten there (CV §6).
    egress: Option<Rc<Egress>>,
    used: Used,
    /// The request asks for another protocol.
    upgrade: bool,
}

impl Exchange {
    /// `buffer` is the record's key, `key_len` long, then the path as sent.
    pub(crate) fn new(buffer: Vec<u8>, key_len: usize, egress: Option<Rc<Egress>>, used: Used) -> Self {
        Self { buffer, key_len, egress, used, upgrade: false }
    }

    /// The same for a request that asks for another protocol, if it does.
    pub(crate) fn upgrading(self, upgrade: bool) -> Self {
        Self { upgrade, ..self }
    }

    /// The grants that went out with the request.
    pub(crate) fn used(&self) -> Used {
        self.used
    }

    /// Whether the request carried a grant.
    #[must_use]
    pub fn has_grant(&self) -> bool {
        self.used.authorization.is_some() || self.used.csrf.is_some()
    }

    /// The record's key, also for metrics: `app/service[/entry]` on egress, `app` on ingress.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.buffer.get(..self.key_len).unwrap_or_default()
    }

    /// Path and query as sent to the target.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.buffer.get(self.key_len..).unwrap_or_default()
    }

    /// How to call the target; absent on ingress.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        match self.egress.as_deref()? {
            Egress::Route(route) => Some(route),
            Egress::Refusal(_) => None,
        }
    }

    /// What to do with the response's headers. `status` is the value of `:status`.
    #[must_use]
    pub fn on_response(&self, status: u16, response: &dyn Response) -> Vec<Op<'static>> {
        match status {
            // Nobody asked for it, and what comes behind it would be taken for an answer to the next request.
            101 if self.egress.is_some() && !self.upgrade => vec![
                Op::Set(b":status", Cow::Borrowed(b"502")),
                Op::Set(
                    header::REASON.as_bytes(),
                    Cow::Borrowed(Reason::TargetUnreachable.as_str().as_bytes()),
                ),
            ],
            500..=599 => server_error(status, response),
            _ if has_location(status) => self.redirect(response).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// AG §12.1. Answers that Envoy makes have no `Location` of such a status.
    fn redirect(&self, response: &dyn Response) -> Option<Op<'static>> {
        let route = self.route()?;
        let value = response.header("location").filter(|value| !value.is_empty())?;
        let sent = Sent { authority: route.authority.as_bytes(), base: &route.base, path: self.path() };
        Some(Op::Set(b"location", Cow::Owned(location(&value, &sent, self.key())?)))
    }
}

/// The path may carry secrets in its query: only the key is shown.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("key", &String::from_utf8_lossy(self.key())).finish_non_exhaustive()
    }
}

/// The headers that a `Connection` header of a response names beside itself: they end here (RFC 9110 §7.6.1). `Upgrade`
/// is left to the codec, which needs it; `close` is no header.
pub fn named_by_connection(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|name| {
        // A pseudo header is no name that could be meant.
        let left = [&b""[..], b"close", b"upgrade"];
        !name.contains(&b':') && !left.iter().any(|left| name.eq_ignore_ascii_case(left))
    })
}

/// A target's 5xx becomes 502 and says what it was; an answer that Envoy made stays (AG §12).
fn server_error(status: u16, response: &dyn Response) -> Vec<Op<'static>> {
    if response.code_details().is_none_or(|details| details != b"via_upstream") {
        return Vec::new();
    }
    let name = header::TARGET_STATUS.as_bytes();
    vec![
        Op::Remove(name),
        Op::Set(name, Cow::Owned(status.to_string().into_bytes())),
        Op::Set(b":status", Cow::Borrowed(b"502")),
    ]
}

#[cfg(test)]
mod tests;
