//! An answer before it is put on the wire.

use std::time::Duration;

use bytes::Bytes;

/// What the double does about a request.
#[derive(Debug)]
pub struct Answer {
    /// How long it waits first.
    pub delay: Duration,
    /// Informational statuses ahead of the final one; HTTP/1.1 only.
    pub early: Vec<u16>,
    /// Status.
    pub status: u16,
    /// Header lines, without framing.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// These bytes.
    Full(Bytes),
    /// So many bytes, made as they are sent, with a content length.
    Sized(u64),
    /// Chunks with a pause before each, without a content length.
    Drip {
        /// How many chunks are left.
        count: u64,
        /// Before each.
        pause: Duration,
        /// The bytes of one chunk.
        chunk: Bytes,
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
}

/// One piece of [`Body::Sized`].
static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

impl Answer {
    /// A status without anything.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            delay: Duration::ZERO,
            early: Vec::new(),
            status,
            headers: Vec::new(),
            body: Body::Full(Bytes::new()),
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
}

impl Body {
    /// Content length to announce.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Sized(length) => Some(*length),
            Self::Truncated { announced, .. } => Some(*announced),
            Self::Drip { .. } | Self::Reset | Self::Upgrade => None,
        }
    }

    /// The next piece, after its pause.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Full(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Self::Sized(left) | Self::Truncated { sent: left, .. } => {
                let size = usize::try_from(*left).unwrap_or(usize::MAX).min(PIECE.len());
                *left -= size as u64;
                PIECE.get(..size).filter(|piece| !piece.is_empty()).map(Bytes::from_static)
            }
            Self::Drip { count, pause, chunk } => {
                *count = count.checked_sub(1)?;
                tokio::time::sleep(*pause).await;
                Some(chunk.clone())
            }
            Self::Reset | Self::Upgrade => None,
        }
    }
}
