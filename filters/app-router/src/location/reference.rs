//! URI references (RFC 3986 §4, §5), as far as redirects need them.

use crate::bytes::{cut, decoded, escapes_are_valid};

/// A reference to something on a web server, cut into its parts as spelt. The scheme was checked and is gone.
#[derive(Clone, Copy)]
pub(super) struct Reference<'a> {
    /// After `//`.
    pub(super) authority: Option<&'a [u8]>,
    path: &'a [u8],
    query: Option<&'a [u8]>,
    fragment: Option<&'a [u8]>,
}

/// A resolved reference.
pub(super) struct Resolved<'a> {
    /// Without dot segments. Empty only if an authority had none.
    pub(super) path: Vec<u8>,
    /// Without `?`.
    pub(super) query: Option<&'a [u8]>,
    /// Without `#`.
    pub(super) fragment: Option<&'a [u8]>,
}

impl<'a> Reference<'a> {
    /// `None`: empty, not `http` or `https`, or not well-formed (control bytes, an invalid escape in the path, a colon
    /// in a relative reference's first segment, a scheme without authority).
    pub(super) fn parse(value: &'a [u8]) -> Option<Self> {
        if value.is_empty() || value.iter().any(u8::is_ascii_control) {
            return None;
        }
        let (value, fragment) = cut(value, b'#');
        let (value, query) = cut(value, b'?');
        let hierarchical = match scheme(value)? {
            (None, value) => value,
            (Some(scheme), value) => {
                let is_web = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
                if !is_web || !value.starts_with(b"//") {
                    return None;
                }
                value
            }
        };
        let (authority, path) = match hierarchical.strip_prefix(b"//") {
            Some(value) => {
                let end = memchr::memchr(b'/', value).unwrap_or(value.len());
                let (authority, path) = value.split_at_checked(end)?;
                (Some(authority), path)
            }
            None => (None, hierarchical),
        };
        escapes_are_valid(path).then_some(Self { authority, path, query, fragment })
    }

    /// Resolves against `sent`, a path with its query.
    pub(super) fn resolve(self, sent: &'a [u8]) -> Resolved<'a> {
        let (sent_path, sent_query) = cut(sent, b'?');
        let Self { authority, path, mut query, fragment } = self;
        let path = if authority.is_some() && path.is_empty() {
            Vec::new()
        } else if authority.is_some() || path.starts_with(b"/") {
            without_dots(path.split(slash))
        } else if path.is_empty() {
            query = query.or(sent_query);
            without_dots(sent_path.split(slash))
        } else {
            // All of what was sent but its last segment.
            let directory =
                memchr::memrchr(b'/', sent_path).and_then(|end| sent_path.get(..end)).unwrap_or_default();
            without_dots(directory.split(slash).chain(path.split(slash)))
        };
        Resolved { path, query, fragment }
    }
}

fn slash(byte: &u8) -> bool {
    *byte == b'/'
}

/// RFC 3986 §5.2.4 for an absolute path in segments, of which the first is the empty one before the first slash.
/// Escaped dots count: clients take them for dots.
fn without_dots<'a>(segments: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_in_dots = false;
    for segment in segments.skip(1) {
        let climbs = decoded(segment).eq(*b"..");
        ends_in_dots = climbs || decoded(segment).eq(*b".");
        if climbs {
            kept.pop();
        } else if !ends_in_dots {
            kept.push(segment);
        }
    }
    if ends_in_dots {
        kept.push(b"");
    }
    let mut path = Vec::new();
    for segment in kept {
        path.push(b'/');
        path.extend_from_slice(segment);
    }
    path
}

/// Host name of an authority, without user-info, port and an IP literal's brackets; `None` if there is none or the
/// port is no number.
pub(super) fn host(authority: &[u8]) -> Option<&[u8]> {
    let address = authority.rsplit(|byte| *byte == b'@').next()?;
    let (host, port) = match address.strip_prefix(b"[") {
        Some(literal) => {
            let (host, port) = cut(literal, b']');
            (host, port?)
        }
        None => address.split_at_checked(memchr::memchr(b':', address).unwrap_or(address.len()))?,
    };
    let port_is_number = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    (port_is_number && !host.is_empty()).then_some(host)
}

/// Scheme, if there is one, and what follows. `None`: the first segment has a colon but no scheme before it.
fn scheme(value: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let segment = cut(value, b'/').0;
    let (scheme, Some(_)) = cut(segment, b':') else { return Some((None, value)) };
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    let after = value.get(scheme.len() + 1..)?;
    is_scheme.then_some((Some(scheme), after))
}
