//! What a caller's request becomes for its target (AG §5–§10).

use std::{borrow::Cow, rc::Rc};

use fairlead_app_router::{JoinError, Split, join, join_query};
use fairlead_credential_injector::{absent, query};
use fairlead_wire::{
    feed::Credential,
    header::{ACCESS_TOKEN, HEADERS_TIMEOUT, PROFILE},
};

use super::{refusals, request::Seen};
use crate::{
    headers::HeaderBlock,
    response::Exchange,
    snapshot::{Egress, GrantState, Grants, Route},
    step::{Forward, Op, Step, WaitFor},
    strip,
};

/// Forwards by `route`, which is `entry`'s.
pub(super) fn forward<'a>(
    headers: &HeaderBlock<'a>,
    seen: Seen<'a>,
    split: &Split<'_>,
    entry: &Rc<Egress>,
    route: &'a Route,
    grants: &'a dyn Grants,
) -> Step<'a> {
    let buffer = match address(route, split) {
        Ok(buffer) => buffer,
        Err(error) => return Step::Answer(refusals::rest(error)),
    };
    let authorization = match (seen.access_token, &route.credential) {
        (Some(token), _) => Some(token),
        (None, Credential::None) => None,
        (None, Credential::Static(value)) => Some(value.as_bytes()),
        (None, Credential::Grant(id)) => match grants.grant(id) {
            GrantState::Ready(value) => Some(value),
            GrantState::Missing => return Step::Wait(WaitFor::Grant(id)),
        },
    };
    let mut ops = seen.removals;
    // Room for what most requests get: one allocation.
    ops.reserve(4 + route.headers.len());
    if seen.access_token.is_some() {
        ops.push(Op::Remove(ACCESS_TOKEN.as_bytes()));
    }
    if authorization.is_some() && seen.authorizations > 1 {
        // Setting replaces the first line only: a caller's second one must not stay beside ours.
        ops.push(Op::Remove(b"authorization"));
    }
    ops.push(Op::Set(b":authority", Cow::Borrowed(route.authority.as_bytes())));
    ops.push(Op::Set(PROFILE.as_bytes(), Cow::Borrowed(route.profile.as_bytes())));
    ops.extend(authorization.map(|value| Op::Set(b"authorization", Cow::Borrowed(value))));
    if let Some(timeout) = route.headers_timeout_ms {
        ops.push(Op::Set(HEADERS_TIMEOUT.as_bytes(), Cow::Owned(timeout.to_string().into_bytes())));
    }
    // What is on the request by now: what the caller sent, without a consumed token, and the credential.
    let present = |name: &str| match name {
        "authorization" => authorization.is_some() || seen.authorizations > 0,
        ACCESS_TOKEN if seen.access_token.is_some() => false,
        _ => headers.contains(strip::kept(name).unwrap_or(name).as_bytes()),
    };
    ops.extend(absent(&route.headers, present).map(|(name, value)| {
        // The route removes what the host sets by itself and puts back what waits: a custom value waits there too.
        Op::Add(strip::kept(name).unwrap_or(name).as_bytes(), Cow::Borrowed(value.as_bytes()))
    }));
    Step::Forward(Forward { ops, exchange: Exchange::new(buffer, split.key.len(), Some(Rc::clone(entry))) })
}

/// The record's key, then the path and query to send.
fn address(route: &Route, split: &Split<'_>) -> Result<Vec<u8>, JoinError> {
    let query_len = route.query.len() + split.query.map_or(0, <[u8]>::len) + 2;
    // Twice the rest: escaping makes a path longer, and a second allocation costs more than a few unused bytes.
    let mut buffer = Vec::with_capacity(split.key.len() + 64 + 2 * split.rest.len() + query_len);
    buffer.extend_from_slice(split.key);
    join(&mut buffer, &route.base, split.rest, route.encode_url)?;
    if route.query_parameters.is_empty() {
        join_query(&mut buffer, route.query.as_bytes(), split.query);
        return Ok(buffer);
    }
    let mut sent = Vec::with_capacity(query_len);
    join_query(&mut sent, route.query.as_bytes(), split.query);
    let mark = buffer.len();
    buffer.push(b'?');
    query::reserialise(&mut buffer, sent.strip_prefix(b"?").unwrap_or_default(), &route.query_parameters);
    if buffer.len() == mark + 1 {
        buffer.truncate(mark);
    }
    Ok(buffer)
}
