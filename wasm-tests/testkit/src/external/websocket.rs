//! A WebSocket endpoint: messages come back as they were sent, pings are answered, a close is.

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{
    answer::{Answer, Body},
    record::Recorded,
};
use crate::websocket::{CLOSE, PING, PONG, accept, decode, encode};

/// The answer to a handshake.
pub fn answer(request: &Recorded) -> Answer {
    let is = |name: &str, value: &str| {
        request.header(name).iter().any(|line| line.to_ascii_lowercase().contains(value))
    };
    match request.header("sec-websocket-key").first() {
        Some(key) if is("upgrade", "websocket") && is("connection", "upgrade") => Answer::status(101)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Accept", accept(key))
            .body(Body::WebSocket),
        _ => Answer::with(426, "text/plain", "no WebSocket handshake came through")
            .header("upgrade", "websocket"),
    }
}

/// Speaks until either side ends. A frame of a client without mask ends it too (RFC 6455 §5.1).
///
/// # Errors
/// Reading or writing fails.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    mut buffer: BytesMut,
) -> std::io::Result<()> {
    loop {
        while let Some((frame, length)) = decode(&buffer) {
            buffer.advance(length);
            let opcode = match frame.opcode {
                PING => PONG,
                PONG => continue,
                opcode => opcode,
            };
            if !frame.masked {
                return Ok(());
            }
            let mut out = encode(opcode, &frame.payload, None);
            if let (false, Some(first)) = (frame.last, out.first_mut()) {
                *first &= 0x7f;
            }
            stream.write_all(&out).await?;
            stream.flush().await?;
            if opcode == CLOSE {
                return Ok(());
            }
        }
        buffer.reserve(16 * 1024);
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}
