//! The second answer: what the caller gets in the place of the first one.
//!
//! It comes to us whole, past the route that strips a target's answers, and is given by the host as an answer of our own:
//! so everything that happens natively to a target's answer is done here. Trailers cannot be given that way: they end
//! here.

use std::borrow::Cow;

use fairlead_wire::{
    Reason, Refusal,
    header::{REQUEST, RESPONSE_STRIP, Rule},
};

use super::again::apply;
use crate::{
    headers::{self, HeaderBlock},
    response::{Exchange, Response, named_by_connection},
};

/// Added by Envoy's router to every answer that a target gave, and to none that Envoy made.
const FROM_TARGET: &[u8] = b"x-envoy-upstream-service-time";

/// What the caller gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Second {
    /// This status, these header lines, serialised, and the body as it came.
    Answer(u16, Vec<u8>),
    /// There is none.
    Refused(Refusal),
}

/// Judges what came back for a replay: `headers` are its lines, none if nothing came; `body_size` in bytes, of which
/// `limit` are allowed. `in_place`: the lines take the place of the first answer's, so that they name the status too.
#[must_use]
pub fn second(
    exchange: &Exchange,
    headers: &HeaderBlock<'_>,
    body_size: usize,
    limit: u32,
    in_place: bool,
) -> Second {
    let came = SecondAnswer(headers);
    let status = came.first(b":status").and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
    let (Some(status), true) = (status, headers.contains(FROM_TARGET)) else {
        return Second::Refused(match status {
            Some(504) => Refusal::empty(504, Reason::TargetTimeout),
            _ => Refusal::empty(502, Reason::ReplayFailed),
        });
    };
    if u32::try_from(body_size).is_ok_and(|size| size <= limit) {
        let (status, lines) = lines(exchange, status, &came, in_place);
        Second::Answer(status, lines)
    } else {
        Second::Refused(Refusal::empty(502, Reason::ReplayAnswerTooLarge))
    }
}

fn lines(exchange: &Exchange, status: u16, came: &SecondAnswer<'_>, in_place: bool) -> (u16, Vec<u8>) {
    let number = status.to_string();
    let mut lines = vec![(&b":status"[..], Cow::Borrowed(number.as_bytes()))];
    let passing = came.0.iter().filter(|(name, _)| passes(name, came, in_place));
    lines.extend(passing.map(|(name, value)| (name, Cow::Borrowed(value))));
    for op in exchange.on_response(status, came) {
        apply(&mut lines, op);
    }
    let status = lines.first().and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
    let rest = lines.get(usize::from(!in_place)..).unwrap_or_default();
    (status.unwrap_or_default(), headers::serialise(rest))
}

/// Whether a line of the target's answer goes to the caller. Of the length of a body that is given with it, the host
/// says itself what is true.
fn passes(name: &[u8], came: &SecondAnswer<'_>, in_place: bool) -> bool {
    let hop_by_hop = REQUEST.iter().any(|row| row.rule == Rule::HopByHop && row.name.as_bytes() == name);
    let stripped = RESPONSE_STRIP.iter().any(|stripped| stripped.as_bytes() == name);
    let length = name == b"content-length" && !in_place;
    if name.starts_with(b":") || hop_by_hop || stripped || length {
        return false;
    }
    let connection = came.0.iter().filter(|(line, _)| *line == b"connection");
    let mut named = connection.flat_map(|(_, value)| named_by_connection(value));
    !named.any(|named| named.eq_ignore_ascii_case(name))
}

/// An answer that the target gave.
struct SecondAnswer<'a>(&'a HeaderBlock<'a>);

impl<'a> SecondAnswer<'a> {
    fn first(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.0.iter().find(|(line, _)| *line == name).map(|(_, value)| value)
    }
}

impl Response for SecondAnswer<'_> {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.first(name.as_bytes()).map(<[u8]>::to_vec)
    }

    fn code_details(&self) -> Option<Vec<u8>> {
        Some(b"via_upstream".to_vec())
    }
}
