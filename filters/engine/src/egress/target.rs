//! What a caller's request becomes for its target (AG §5–§10).

use std::{borrow::Cow, num::NonZeroU64, rc::Rc};

use fairlead_app_router::{JoinError, Split, join, join_query};
use fairlead_credential_injector::{absent, csrf::Session, query};
use fairlead_wire::{
    feed::Credential,
    header::{ACCESS_TOKEN, CSRF_TOKEN, HEADERS_TIMEOUT, IDLE, PROFILE},
};

use super::{refusals, request::Seen};
use crate::{
    headers::HeaderBlock,
    replay::{Manner, Used},
    response::Exchange,
    snapshot::{Egress, GrantState, Grants, Route},
    step::{Forward, Op, Step, WaitFor},
    strip,
};

/// What every request of a pipeline is measured by, where its route does not say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) replay_bytes: u32,
    pub(super) concurrency: u32,
}

/// What a request gets on top.
struct Credentials<'a> {
    /// The value of `Authorization`, if not the caller's.
    authorization: Option<&'a [u8]>,
    csrf: Option<&'a Session>,
    used: Used,
}

/// Forwards by `route`, which is `entry`'s.
pub(super) fn forward<'a>(
    headers: &HeaderBlock<'a>,
    seen: Seen<'a>,
    split: &Split<'_>,
    entry: &Rc<Egress>,
    route: &'a Route,
    grants: &'a dyn Grants,
    limits: Limits,
) -> Step<'a> {
    if route.calls.reach(route.concurrency.unwrap_or(limits.concurrency)) {
        return Step::Answer(refusals::concurrency());
    }
    let buffer = match address(route, split) {
        Ok(buffer) => buffer,
        Err(error) => return Step::Answer(refusals::rest(error)),
    };
    let mut credentials = match credentials(&seen, route, grants) {
        Ok(credentials) => credentials,
        Err(id) => return Step::Wait(WaitFor::Grant(id)),
    };
    let mut keep = None;
    if credentials.used.carried().anything() {
        let manner = Manner::of(headers);
        credentials.used.repeatable = manner.repeatable;
        let again = route.replay && manner.holdable && !credentials.used.access_token;
        keep = again.then_some(route.replay_bytes.unwrap_or(limits.replay_bytes));
    }
    let used = credentials.used;
    let websocket = seen.websocket;
    let ops = prepare(headers, seen, route, &credentials);
    let exchange = Exchange::new(buffer, split.key.len(), Some(Rc::clone(entry)), used).upgrading(websocket);
    Step::Forward(Forward {
        ops,
        exchange,
        permit: Some(route.calls.enter()),
        keep,
        only_http1: route.tls && websocket,
    })
}

/// The operations for a request that is sent again: as before, with the grants as they are now. None if one is missing.
pub(crate) fn prepared_again<'a>(
    headers: &HeaderBlock<'a>,
    route: &'a Route,
    grants: &'a dyn Grants,
    path: &'a [u8],
) -> Option<Vec<Op<'a>>> {
    let seen = Seen::read(headers);
    let credentials = credentials(&seen, route, grants).ok()?;
    let mut ops = prepare(headers, seen, route, &credentials);
    ops.push(Op::Set(b":path", Cow::Borrowed(path)));
    Some(ops)
}

/// The id of a grant that is not there, otherwise what goes on top (AG §8, §9).
fn credentials<'a>(
    seen: &Seen<'a>,
    route: &'a Route,
    grants: &'a dyn Grants,
) -> Result<Credentials<'a>, &'a str> {
    let mut used = Used { access_token: seen.access_token.is_some(), ..Used::default() };
    let authorization = match (seen.access_token, &route.credential) {
        (Some(token), _) => Some(token),
        (None, Credential::None) => None,
        (None, Credential::Static(value)) => Some(value.as_bytes()),
        (None, Credential::Grant(id)) => match grants.grant(id) {
            GrantState::Ready(grant) => {
                used.authorization = NonZeroU64::new(grant.serial);
                Some(&*grant.authorization)
            }
            GrantState::Missing => return Err(id),
        },
    };
    let csrf = match route.csrf.as_deref().map(|id| (id, grants.grant(id))) {
        None => None,
        Some((_, GrantState::Ready(grant))) => {
            used.csrf = NonZeroU64::new(grant.serial);
            grant.csrf.as_ref()
        }
        Some((id, GrantState::Missing)) => return Err(id),
    };
    Ok(Credentials { authorization, csrf, used })
}

/// All operations but that on the path.
fn prepare<'a>(
    headers: &HeaderBlock<'a>,
    seen: Seen<'a>,
    route: &'a Route,
    credentials: &Credentials<'a>,
) -> Vec<Op<'a>> {
    let authorization = credentials.authorization;
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
    if let Some(session) = credentials.csrf {
        forgery(&mut ops, headers, session);
    }
    if let Some(timeout) = route.headers_timeout_ms {
        ops.push(Op::Set(HEADERS_TIMEOUT.as_bytes(), Cow::Owned(timeout.to_string().into_bytes())));
    }
    if let Some(class) = route.idle {
        ops.push(Op::Set(IDLE.as_bytes(), Cow::Borrowed(class.as_str().as_bytes())));
    }
    if route.headers.is_empty() {
        return ops;
    }
    let cookies = ops.iter().any(|op| matches!(op, Op::Set(b"cookie", _)));
    // What is on the request by now: what the caller sent, without a consumed token, and the credential.
    let present = |name: &str| match name {
        "authorization" => authorization.is_some() || seen.authorizations > 0,
        "cookie" if credentials.csrf.is_some() => cookies,
        CSRF_TOKEN if credentials.csrf.is_some() => true,
        ACCESS_TOKEN if seen.access_token.is_some() => false,
        _ => headers.contains(strip::kept(name).unwrap_or(name).as_bytes()),
    };
    ops.extend(absent(&route.headers, present).map(|(name, value)| {
        // The route removes what the host sets by itself and puts back what waits: a custom value waits there too.
        Op::Add(strip::kept(name).unwrap_or(name).as_bytes(), Cow::Borrowed(value.as_bytes()))
    }));
    ops
}

/// The CSRF token, and one `Cookie` line in the place of all (AG §9).
fn forgery<'a>(ops: &mut Vec<Op<'a>>, headers: &HeaderBlock<'a>, session: &'a Session) {
    let lines = |wanted: &'static [u8]| {
        headers.iter().filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
    };
    if lines(CSRF_TOKEN.as_bytes()).count() > 1 {
        ops.push(Op::Remove(CSRF_TOKEN.as_bytes()));
    }
    ops.push(Op::Set(CSRF_TOKEN.as_bytes(), Cow::Borrowed(session.token())));
    let cookies = session.cookies(lines(b"cookie"));
    if cookies.is_empty() || lines(b"cookie").count() > 1 {
        ops.push(Op::Remove(b"cookie"));
    }
    if !cookies.is_empty() {
        ops.push(Op::Set(b"cookie", cookies));
    }
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
