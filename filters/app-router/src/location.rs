//! Redirects of a target, turned into redirects through the gateway (AG §12.1).
//!
//! Comes from the response's `Location` and what was kept of the request; the result replaces that header.

mod reference;

use crate::base::Base;
use crate::bytes::{decoded, escape, keep};
use crate::dots::leaves;
use reference::Reference;

/// What a request became, as far as a redirect depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// `:authority` of the target.
    pub authority: &'a [u8],
    /// Base path of the target.
    pub base: &'a Base,
    /// `:path` as sent, with its query: what a relative reference starts from.
    pub path: &'a [u8],
}

/// May an answer with this final status have a `Location` to rewrite?
#[must_use]
pub fn has_location(status: u16) -> bool {
    status == 201 || (300..400).contains(&status)
}

/// The `Location` for the caller, or `None` to leave `value` as it is.
///
/// `value` is resolved against what was sent. If it then is `http` or `https` on the target's host name (exact case;
/// scheme and port do not count) and below the base path (decoded, at a segment border, with or without the base's
/// last slash), the base path is replaced by `/{key}` ([`Split::key`](crate::Split::key)). Dot segments and repeated
/// slashes are cleaned, a trailing slash, escapes, query and fragment stay as spelt. The result has neither scheme nor
/// host. What could be read as leaving the base path is left as it is, as is what no URL parser takes.
#[must_use]
pub fn location(value: &[u8], sent: &Sent<'_>, key: &[u8]) -> Option<Vec<u8>> {
    let reference = Reference::parse(value)?;
    if let Some(authority) = reference.authority
        && reference::host(authority)? != reference::host(sent.authority)?
    {
        return None;
    }
    let target = reference.resolve(sent.path);
    let rest = below(&target.path, sent.base)?;
    let segments = || rest.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
    let mut out = Vec::with_capacity(key.len() + value.len() + 2);
    out.push(b'/');
    out.extend_from_slice(key);
    for segment in segments() {
        out.push(b'/');
        keep(&mut out, segment);
    }
    if rest.ends_with(b"/") {
        out.push(b'/');
    }
    if leaves(out.get(1 + key.len() + 1..).unwrap_or_default()) {
        return None;
    }
    for (mark, part) in [(b'?', target.query), (b'#', target.fragment)] {
        if let Some(part) = part {
            out.push(mark);
            visible(&mut out, part);
        }
    }
    Some(out)
}

/// What of `path` comes after the base path: nothing, or from a slash on, as spelt.
fn below<'a>(path: &'a [u8], base: &Base) -> Option<&'a [u8]> {
    let mut path = decoded(path);
    for expected in decoded(base.stem(false)) {
        if path.next()? != expected {
            return None;
        }
    }
    (path.left.is_empty() || path.left.starts_with(b"/")).then_some(path.left)
}

/// Escapes what is no visible ASCII.
fn visible(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        if byte.is_ascii_graphic() { out.push(*byte) } else { escape(out, *byte) }
    }
}
