//! The second attempt: the caller's request, prepared as the first one was, with what is newer.
//!
//! A dispatched call passes no filter and no route: what these do natively to a request is done here
//! (`fairlead_wire::header`). Three headers that Envoy adds behind us reach the target on this attempt alone:
//! `x-envoy-original-dst-host`, `x-envoy-internal`, `x-envoy-expected-rq-timeout-ms`.

use std::borrow::Cow;

use fairlead_wire::header::{HEADERS_TIMEOUT, ORIGINAL_DST};

use crate::{
    egress,
    headers::{self, HeaderBlock},
    response::Exchange,
    snapshot::{Grants, Route},
    step::Op,
    strip,
};

/// Time for the body of an answer that is held, beyond the time to its headers, milliseconds.
const BODY_MS: u32 = 60_000;
/// Time for the whole answer where there is no limit for its headers: as long as any stream may be idle.
const UNLIMITED_MS: u32 = 300_000;

/// A call to send from the stream's context; the body is [`Replay::body`](super::Replay::body).
pub struct Dispatch {
    /// The pinned twin.
    pub cluster: String,
    /// Serialised.
    pub headers: Vec<u8>,
    /// How long to wait for the complete answer, milliseconds.
    pub timeout_ms: u32,
}

/// Headers are secrets.
impl std::fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatch").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// None if something is not there that was there at the first attempt.
pub(super) fn dispatch(
    cluster: String,
    block: &[u8],
    exchange: &Exchange,
    route: &Route,
    grants: &dyn Grants,
    address: &[u8],
    headers_timeout_ms: u32,
) -> Option<Dispatch> {
    let block = HeaderBlock::parse(block).ok()?;
    let ops = egress::prepared_again(&block, route, grants, exchange.path())?;
    let mut lines: Vec<(&[u8], Cow<'_, [u8]>)> =
        block.iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect();
    for op in ops {
        apply(&mut lines, op);
    }
    let mut sent: Vec<_> = lines.into_iter().filter_map(at_the_route).collect();
    sent.push((ORIGINAL_DST.as_bytes(), Cow::Borrowed(address)));
    let limit = route.headers_timeout_ms.unwrap_or(headers_timeout_ms);
    let timeout_ms = if limit == 0 {
        UNLIMITED_MS
    } else {
        sent.push((HEADERS_TIMEOUT.as_bytes(), Cow::Owned(limit.to_string().into_bytes())));
        limit.saturating_add(BODY_MS)
    };
    Some(Dispatch { cluster, headers: headers::serialise(&sent), timeout_ms })
}

/// What the host does for an operation on its own map.
pub(super) fn apply<'l>(lines: &mut Vec<(&'l [u8], Cow<'l, [u8]>)>, op: Op<'l>) {
    match op {
        Op::Remove(name) => lines.retain(|(line, _)| *line != name),
        Op::Add(name, value) => lines.push((name, value)),
        Op::Set(name, value) => match lines.iter_mut().find(|(line, _)| *line == name) {
            Some((_, line)) => *line = value,
            None => lines.push((name, value)),
        },
    }
}

/// A line as it leaves the route; none if it ends there.
fn at_the_route<'l>((name, value): (&'l [u8], Cow<'l, [u8]>)) -> Option<(&'l [u8], Cow<'l, [u8]>)> {
    match strip::put_back(name) {
        Some(_) if value.is_empty() => None,
        Some(own) => Some((own.as_bytes(), value)),
        None => (!strip::ends_at_the_route(name)).then_some((name, value)),
    }
}
