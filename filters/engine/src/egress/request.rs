//! One pass over an egress request's headers.

use fairlead_wire::header::ACCESS_TOKEN;

use crate::{headers::HeaderBlock, step::Op, strip};

/// What the pipeline needs of the headers.
#[derive(Debug, Default)]
pub(super) struct Seen<'a> {
    pub(super) path: &'a [u8],
    pub(super) authority: &'a [u8],
    /// The first line of `Access-Token`, if it is not empty (AG §8.6).
    pub(super) access_token: Option<&'a [u8]>,
    /// Lines of `Authorization`.
    pub(super) authorizations: usize,
    /// It asks for a WebSocket (RFC 6455 §4.1).
    pub(super) websocket: bool,
    /// Removals of what a caller sent and nobody behind may see.
    pub(super) removals: Vec<Op<'a>>,
}

impl<'a> Seen<'a> {
    pub(super) fn read(headers: &HeaderBlock<'a>) -> Self {
        let mut seen = Self::default();
        let mut access_tokens = 0_usize;
        for (name, value) in headers {
            match name {
                b":path" => seen.path = value,
                b":authority" => seen.authority = value,
                b"authorization" => seen.authorizations += 1,
                b"upgrade" => seen.websocket |= value.eq_ignore_ascii_case(b"websocket"),
                _ if name == ACCESS_TOKEN.as_bytes() => {
                    access_tokens += 1;
                    if access_tokens == 1 && !value.is_empty() {
                        seen.access_token = Some(value);
                    }
                }
                _ if strip::ends_here(name) => seen.removals.push(Op::Remove(name)),
                _ => {}
            }
        }
        seen
    }
}
