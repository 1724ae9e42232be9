//! WebSocket frames and handshake (RFC 6455), for both sides: the double answers with them, [`Client`] asks.

mod client;
mod sha1;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub use client::Client;

/// A text frame.
pub const TEXT: u8 = 1;
/// A binary frame.
pub const BINARY: u8 = 2;
/// The end.
pub const CLOSE: u8 = 8;
/// Asks for a [`PONG`].
pub const PING: u8 = 9;
/// Answers a [`PING`].
pub const PONG: u8 = 10;

/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A frame without its mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The last of its message.
    pub last: bool,
    /// Kind.
    pub opcode: u8,
    /// Content.
    pub payload: Vec<u8>,
    /// It was masked, as a client must.
    pub masked: bool,
}

/// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`.
#[must_use]
pub fn accept(key: &str) -> String {
    STANDARD.encode(sha1::digest(format!("{key}{GUID}").as_bytes()))
}

/// A frame on the wire, masked as a client's if there is a mask.
#[must_use]
pub fn encode(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = vec![0x80 | opcode];
    let bit = if mask.is_some() { 0x80 } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => out.push(bit | length),
        (_, Ok(length)) => {
            out.push(bit | 126);
            out.extend(length.to_be_bytes());
        }
        _ => {
            out.push(bit | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(mask.iter().flatten());
    out.extend(masked(payload, mask.unwrap_or_default()));
    out
}

/// The first frame in `bytes` and its length on the wire; none if it is not complete.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, at) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        length => (u64::from(length), 2),
    };
    let is_masked = second & 0x80 != 0;
    let (mask, at) = match is_masked {
        true => (bytes.get(at..at + 4)?.try_into().ok()?, at + 4),
        false => ([0; 4], at),
    };
    let end = at.checked_add(usize::try_from(length).ok()?)?;
    let payload = masked(bytes.get(at..end)?, mask).collect();
    Some((Frame { last: first & 0x80 != 0, opcode: first & 0xf, payload, masked: is_masked }, end))
}

fn masked(payload: &[u8], mask: [u8; 4]) -> impl Iterator<Item = u8> {
    payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_that_of_the_rfc() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn frames_of_every_length_come_back() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let payload: Vec<u8> = (0..length).map(|at| (at % 256) as u8).collect();
                let wire = encode(BINARY, &payload, mask);
                let (frame, used) = decode(&wire).unwrap();
                assert_eq!((used, frame.opcode, frame.masked), (wire.len(), BINARY, mask.is_some()));
                assert!(frame.last && frame.payload == payload);
                assert_eq!(decode(&wire[..wire.len() - 1]), None);
            }
        }
    }
}
