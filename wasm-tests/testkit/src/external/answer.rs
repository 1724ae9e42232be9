//! An answer before it is put on the wire.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;

use super::{gate::Gate, running::Running};

/// What the double does about a request.
#[derive(Debug)]
pub struct Answer {
    /// How long it waits first.
    pub delay: Duration,
    /// Informational answers ahead of the final one, each with its header lines; HTTP/1.1 only.
    pub early: Vec<(u16, Vec<(Bytes, Bytes)>)>,
    /// Before each byte of the head; HTTP/1.1 only.
    pub head_pause: Duration,
    /// Status.
    pub status: u16,
    /// Header lines, without framing.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The body.
    pub body: Body,
    /// Trailer lines; the body then has no content length.
    pub trailers: Vec<(Bytes, Bytes)>,
    /// Notices how it ends.
    pub running: Running,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// These bytes.
    Full(Bytes),
    /// So many bytes, made as they are sent, with a content length: byte `n` is `n % 251`.
    Sized(u64),
    /// The same without a content length.
    Flow(u64),
    /// Chunks with a pause before each, without a content length.
    Drip {
        /// How many chunks are left.
        count: u64,
        /// Before each.
        pause: Duration,
        /// The bytes of one chunk.
        chunk: Bytes,
    },
    /// These bytes one by one, with a pause before each and a content length.
    Trickle {
        /// What is left.
        rest: Bytes,
        /// Before each.
        pause: Duration,
    },
    /// Server-sent events, numbered from 1, without a content length.
    Events {
        /// The next one's number.
        next: u64,
        /// The last one's.
        last: u64,
        /// Before each.
        pause: Duration,
        /// Before each but the first, it must open.
        gate: Option<Arc<Gate>>,
    },
    /// A content length of `announced`, then only so many bytes and the end of the connection.
    Truncated {
        /// The content length.
        announced: u64,
        /// Bytes that are really sent.
        sent: u64,
    },
    /// No answer at all: the connection is reset.
    Reset,
    /// 101; what comes afterwards is sent back. HTTP/1.1 only.
    Upgrade,
    /// 101; what comes afterwards is spoken by [`websocket`](super::websocket). HTTP/1.1 only.
    WebSocket,
    /// What comes afterwards goes to this address, and back. HTTP/1.1 only.
    Tunnel(SocketAddr),
}

/// Period of the bytes of [`Body::Sized`]: a prime, so that a piece in the wrong place shows.
pub const PERIOD: u64 = 251;

/// One piece of [`Body::Sized`]: whole periods.
static PIECE: LazyLock<Bytes> =
    LazyLock::new(|| (0..64 * 1024 / PERIOD * PERIOD).map(|at| (at % PERIOD) as u8).collect());

impl Answer {
    /// A status without anything.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            delay: Duration::ZERO,
            early: Vec::new(),
            head_pause: Duration::ZERO,
            status,
            headers: Vec::new(),
            body: Body::Full(Bytes::new()),
            trailers: Vec::new(),
            running: Running::default(),
        }
    }

    /// A status with a body.
    #[must_use]
    pub fn with(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut answer = Self::status(status).header("content-type", content_type);
        answer.body = Body::Full(body.into());
        answer
    }

    /// 200 with JSON.
    #[must_use]
    pub fn json(value: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::with(200, "application/json", body),
            Err(error) => Self::with(500, "text/plain", error.to_string()),
        }
    }

    /// The same with one more header line.
    #[must_use]
    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Content length to announce.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.body.length().filter(|_| self.trailers.is_empty())
    }
}

impl Body {
    fn length(&self) -> Option<u64> {
        match self {
            Self::Full(bytes) | Self::Trickle { rest: bytes, .. } => Some(bytes.len() as u64),
            Self::Sized(length) => Some(*length),
            Self::Truncated { announced, .. } => Some(*announced),
            Self::Flow(_) | Self::Drip { .. } | Self::Events { .. } => None,
            Self::Reset | Self::Upgrade | Self::WebSocket | Self::Tunnel(_) => None,
        }
    }

    /// Whether the first piece may be long in coming, so that the head must not wait for it.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self, Self::Drip { .. } | Self::Trickle { .. } | Self::Events { .. })
    }

    /// The next piece, after its pause.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Full(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            // Every piece but the last is whole periods, so each begins with 0.
            Self::Sized(left) | Self::Flow(left) | Self::Truncated { sent: left, .. } => {
                let size = usize::try_from(*left).unwrap_or(usize::MAX).min(PIECE.len());
                *left -= size as u64;
                Some(PIECE.slice(..size)).filter(|piece| !piece.is_empty())
            }
            Self::Drip { count, pause, chunk } => {
                *count = count.checked_sub(1)?;
                tokio::time::sleep(*pause).await;
                Some(chunk.clone())
            }
            Self::Trickle { rest, pause } => {
                if rest.is_empty() {
                    return None;
                }
                tokio::time::sleep(*pause).await;
                Some(rest.split_to(1))
            }
            Self::Events { next, last, pause, gate } => {
                if *next > *last {
                    return None;
                }
                if let (true, Some(gate)) = (*next > 1, gate) {
                    gate.pass().await;
                }
                tokio::time::sleep(*pause).await;
                let event = format!("id: {next}\ndata: event {next}\n\n");
                *next += 1;
                Some(Bytes::from(event))
            }
            Self::Reset | Self::Upgrade | Self::WebSocket | Self::Tunnel(_) => None,
        }
    }
}
