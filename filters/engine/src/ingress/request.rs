//! One pass over an ingress request's headers.

use fairlead_wire::header::APPLICATION;

use crate::{headers::HeaderBlock, step::Op, strip};

/// Set by the gateway from the verified handshake.
pub(super) const XFCC: &[u8] = b"x-forwarded-client-cert";

/// What the pipeline needs of the headers.
#[derive(Debug, Default)]
pub(super) struct Seen<'a> {
    pub(super) path: &'a [u8],
    pub(super) authority: &'a [u8],
    /// The last line of XFCC, nearest to us; empty without one.
    pub(super) xfcc: &'a [u8],
    /// Removals of what a client sent and nobody behind may see.
    pub(super) removals: Vec<Op<'a>>,
}

impl<'a> Seen<'a> {
    pub(super) fn read(headers: &HeaderBlock<'a>) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            match name {
                b":path" => seen.path = value,
                b":authority" => seen.authority = value,
                XFCC => seen.xfcc = value,
                _ if name == APPLICATION.as_bytes() || strip::ends_here(name) => {
                    seen.removals.push(Op::Remove(name));
                }
                _ => {}
            }
        }
        seen
    }
}
