//! A WebSocket client over [`Connection`].

use super::{CLOSE, Frame, accept, decode, encode};
use crate::{
    Error, Result,
    http::{Connection, Request},
};

/// RFC 6455 §1.3's own example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// Any will do for a test.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An open WebSocket.
pub struct Client {
    connection: Connection,
    buffer: Vec<u8>,
}

impl Client {
    /// The handshake that opens one; add headers to it as needed.
    #[must_use]
    pub fn handshake(path: &str) -> Request {
        Request::new("GET", path)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Key", KEY)
            .header("Sec-WebSocket-Version", "13")
    }

    /// Opens one by [`handshake`](Self::handshake).
    ///
    /// # Errors
    /// The answer is not 101, or proves nothing about the key.
    pub fn open(mut connection: Connection, handshake: &Request) -> Result<Self> {
        let answer = connection.send(handshake)?.expect(101)?;
        if answer.header("sec-websocket-accept") != [accept(KEY)] {
            return Err(Error::new(format!("a handshake by somebody else: {:?}", answer.headers)));
        }
        Ok(Self { connection, buffer: Vec::new() })
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, opcode: u8, payload: &[u8]) -> Result {
        self.connection.write(&encode(opcode, payload, Some(MASK)))
    }

    /// The next frame.
    ///
    /// # Errors
    /// The connection ends before.
    pub fn receive(&mut self) -> Result<Frame> {
        loop {
            if let Some((frame, length)) = decode(&self.buffer) {
                self.buffer.drain(..length);
                return Ok(frame);
            }
            let byte = self.connection.exactly(1)?;
            self.buffer.extend(byte);
            self.buffer.extend(self.connection.buffered());
        }
    }

    /// Closes in order and waits for the peer to do the same.
    ///
    /// # Errors
    /// The peer does otherwise.
    pub fn close(mut self, code: u16) -> Result {
        self.send(CLOSE, &code.to_be_bytes())?;
        let frame = self.receive()?;
        if frame.opcode != CLOSE || frame.payload != code.to_be_bytes() {
            return Err(Error::new(format!("{frame:?} instead of the end")));
        }
        let rest = self.connection.rest()?;
        if rest.is_empty() { Ok(()) } else { Err(Error::new(format!("{} bytes behind the end", rest.len()))) }
    }
}
