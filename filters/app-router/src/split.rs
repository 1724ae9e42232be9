//! A caller's path, cut into what names the target and what is for the target (AG §3).
//!
//! The input is `:path` as the plugin sees it; [`Split::key`] goes into the look-up, [`Split::rest`] into
//! [`join`](crate::join), [`Split::query`] into [`join_query`](crate::join_query).

use thiserror::Error;

use crate::bytes::{DOT, PLAIN, classes_in, cut, decoded, escapes_are_valid};
use crate::dots::{Kind, kind};

/// Which grammar a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// `/{app}/{service}[/{target path}]`, port 8080.
    Manual,
    /// `/{app}/{service}/{entry}[/{target path}]`, port 8082.
    Ucl,
}

/// The parts of a path, as spelt. Names are compared literally: nothing is decoded or lower-cased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// `app/service` or `app/service/entry`, contiguous, without a leading slash.
    pub key: &'a [u8],
    /// First segment.
    pub app: &'a [u8],
    /// Second segment; may be empty (`/app//x`).
    pub service: &'a [u8],
    /// Third segment on the UCL port; may be empty.
    pub entry: Option<&'a [u8]>,
    /// What follows the slash after the key, without the whole path's trailing slashes. Begins with a slash where
    /// the caller wrote several. Empty if there is nothing.
    pub rest: &'a [u8],
    /// What follows the first `?`; `None` without one.
    pub query: Option<&'a [u8]>,
}

/// Why a path names no target. Either way the caller gets 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// Fewer segments than the port's grammar has.
    #[error("the path has too few segments")]
    TooShort,
    /// A segment that is compared holds a slash, backslash or NUL in any encoding but a slash as such, is a dot
    /// segment, or has an invalid escape. Such a segment can only be there to be read differently by somebody else.
    #[error("the path has an ambiguous application, service or entry segment")]
    Refused,
}

/// Cuts `path_and_query` (`:path`) by the grammar of `ports`. Allocates nothing.
///
/// Leading and trailing slashes of the path do not count, so a trailing slash never reaches the target (AG §3).
/// Other unusual bytes in the compared segments are no error: no Application has such a name, so the look-up fails.
///
/// # Errors
/// [`PathError::TooShort`], [`PathError::Refused`].
pub fn split(ports: Ports, path_and_query: &[u8]) -> Result<Split<'_>, PathError> {
    let (path, query) = cut(path_and_query, b'?');
    let path = trim_slashes(path);
    let (app, after) = cut(path, b'/');
    let (service, after) = cut(after.ok_or(PathError::TooShort)?, b'/');
    let (entry, rest) = match ports {
        Ports::Manual => (None, after),
        Ports::Ucl => {
            let (entry, rest) = cut(after.ok_or(PathError::TooShort)?, b'/');
            (Some(entry), rest)
        }
    };
    if is_ambiguous(app) || is_ambiguous(service) || entry.is_some_and(is_ambiguous) {
        return Err(PathError::Refused);
    }
    let length = app.len() + 1 + service.len() + entry.map_or(0, |entry| 1 + entry.len());
    let key = path.get(..length).unwrap_or_default();
    Ok(Split { key, app, service, entry, rest: rest.unwrap_or_default(), query })
}

fn trim_slashes(mut path: &[u8]) -> &[u8] {
    while let [b'/', left @ ..] | [left @ .., b'/'] = path {
        path = left;
    }
    path
}

fn is_ambiguous(segment: &[u8]) -> bool {
    let classes = classes_in(segment);
    if classes == PLAIN {
        return false;
    }
    matches!(kind(segment), Kind::Dot | Kind::Climb)
        || (classes != DOT
            && (decoded(segment).any(|byte| matches!(byte, b'/' | b'\\' | 0)) || !escapes_are_valid(segment)))
}
