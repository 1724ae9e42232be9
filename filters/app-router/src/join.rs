//! Base path and sub-path become the path that goes to the target (AG §5.1).

use thiserror::Error;

use crate::base::Base;
use crate::bytes::{
    DOT, PERCENT, STRAY, TOLERATED, classes_in, decoded, encode as recode, escapes_are_valid,
};
use crate::dots::leaves;

/// Why a sub-path is not forwarded. Either way the caller gets 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JoinError {
    /// A dot segment, in whatever encoding, that would leave the base path.
    #[error("the path leaves the base path of the target")]
    LeavesBase,
    /// A `%` without two hexadecimal digits. The reference refuses it too, and servers read it in different ways.
    #[error("the path has an invalid percent escape")]
    Escape,
}

/// Appends the path for the target: `base`, one slash, and `rest` ([`Split::rest`](crate::Split::rest)), which is a
/// plain path and never read as a URI. An empty `rest` gives the base path, at least `/`.
///
/// With `encode` (`spec.encodeUrl`) all is decoded and re-encoded, so `%2F` becomes a slash. Without, both parts go
/// out as spelt; only a sub-path with a byte that must not stand in a path is re-encoded as with `encode`, whole
/// (AG §5.1, step 1).
///
/// The common sub-path is scanned once and copied once. Dot segments that stay below the base go out as they are;
/// the others are an error even where the base is the root. What counts is every way in which a server may read the
/// bytes that go out: dots, slashes and backslashes escaped or not, `..;x`, repeated slashes as one.
///
/// # Errors
/// [`JoinError`]; `out` is then as it was.
pub fn join(out: &mut Vec<u8>, base: &Base, rest: &[u8], encode: bool) -> Result<(), JoinError> {
    if rest.is_empty() {
        out.extend_from_slice(base.alone(encode));
        return Ok(());
    }
    let classes = classes_in(rest);
    if classes & PERCENT != 0 && !escapes_are_valid(rest) {
        return Err(JoinError::Escape);
    }
    let stem = base.stem(encode);
    let before = out.len();
    out.reserve(stem.len() + 1 + rest.len());
    out.extend_from_slice(stem);
    out.push(b'/');
    let start = out.len();
    if classes & STRAY != 0 || (encode && classes & (TOLERATED | PERCENT) != 0) {
        let mut bytes = decoded(rest).peekable();
        bytes.next_if_eq(&b'/');
        recode(out, bytes);
    } else {
        out.extend_from_slice(rest.strip_prefix(b"/").unwrap_or(rest));
    }
    if classes & PERCENT != 0 || (classes & DOT != 0 && rest.windows(2).any(|pair| pair == b"..")) {
        let sent = out.get(start..).unwrap_or_default();
        if leaves(sent) {
            out.truncate(before);
            return Err(JoinError::LeavesBase);
        }
    }
    Ok(())
}
