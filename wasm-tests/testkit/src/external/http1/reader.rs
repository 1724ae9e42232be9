//! Reading requests.

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Collected, End};
use crate::external::record::Raw;

/// A head that has not ended after so many bytes is refused.
const MAX_HEAD: usize = 16 * 1024 * 1024;
/// Header lines that are parsed at first; a longer head gets [`MANY_HEADERS`].
const FEW_HEADERS: usize = 128;
const MANY_HEADERS: usize = 16 * 1024;

/// Bytes from a connection that were not used yet.
pub(super) struct Reader<'a, S> {
    pub(super) stream: &'a mut S,
    pub(super) buffer: BytesMut,
}

/// What comes first on a connection.
pub(super) enum Head {
    Request(RequestHead),
    Malformed(String),
    End,
}

/// Request line and header lines.
pub(super) struct RequestHead {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) minor: u8,
    pub(super) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Reader<'a, S> {
    pub(super) fn new(stream: &'a mut S) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(16 * 1024) }
    }

    /// Reads more; false at the end.
    async fn fill(&mut self) -> std::io::Result<bool> {
        self.buffer.reserve(16 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// Returns when the peer has ended the connection. What it sends meanwhile is kept for later.
    pub(super) async fn gone(&mut self) {
        while self.buffer.len() < MAX_HEAD {
            if !matches!(self.fill().await, Ok(true)) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    pub(super) async fn head(&mut self) -> std::io::Result<Head> {
        loop {
            if !self.buffer.is_empty() {
                match parse(&self.buffer, FEW_HEADERS) {
                    Ok(Some((head, length))) => {
                        self.buffer.advance(length);
                        return Ok(Head::Request(head));
                    }
                    Ok(None) if self.buffer.len() > MAX_HEAD => {
                        return Ok(Head::Malformed("head too long".to_owned()));
                    }
                    Ok(None) => {}
                    Err(error) => return Ok(Head::Malformed(error.to_string())),
                }
            }
            if !self.fill().await? {
                return Ok(Head::End);
            }
        }
    }

    /// Reads `length` bytes; false if the connection ended before.
    pub(super) async fn exactly(&mut self, length: u64, body: &mut Collected) -> std::io::Result<bool> {
        let mut left = length;
        while left > 0 {
            if self.buffer.is_empty() && !self.fill().await? {
                return Ok(false);
            }
            let size = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            body.add(&self.buffer.split_to(size));
            left -= size as u64;
        }
        Ok(true)
    }

    /// Reads chunks and trailers (RFC 9112 §7.1); false if they end too early or are malformed.
    pub(super) async fn chunked(
        &mut self,
        body: &mut Collected,
        trailers: &mut Vec<(Raw, Raw)>,
    ) -> std::io::Result<bool> {
        loop {
            let Some(line) = self.line().await? else { return Ok(false) };
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size =
                std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
            match size {
                None => return Ok(false),
                Some(0) => break,
                Some(size) => {
                    if !self.exactly(size, body).await? || self.line().await?.is_none() {
                        return Ok(false);
                    }
                }
            }
        }
        while let Some(line) = self.line().await? {
            if line.is_empty() {
                return Ok(true);
            }
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let name = parts.next().unwrap_or_default();
            trailers.push((name.into(), parts.next().unwrap_or_default().trim_ascii().into()));
        }
        Ok(false)
    }

    /// A line without its end.
    async fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.split_to(end).to_vec();
                self.buffer.advance(2);
                return Ok(Some(line));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Sends everything back until the peer ends.
    pub(super) async fn echo(mut self) -> std::io::Result<End> {
        loop {
            let piece = self.buffer.split();
            self.stream.write_all(&piece).await?;
            self.stream.flush().await?;
            if !self.fill().await? {
                return Ok(End::Closed);
            }
        }
    }
}

fn parse(buffer: &[u8], lines: usize) -> Result<Option<(RequestHead, usize)>, httparse::Error> {
    let mut headers = vec![httparse::EMPTY_HEADER; lines];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) if lines < MANY_HEADERS => return parse(buffer, MANY_HEADERS),
        Err(error) => return Err(error),
    };
    let head = RequestHead {
        method: request.method.unwrap_or_default().as_bytes().to_vec(),
        target: request.path.unwrap_or_default().as_bytes().to_vec(),
        minor: request.version.unwrap_or(1),
        headers: request
            .headers
            .iter()
            .map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec()))
            .collect(),
    };
    Ok(Some((head, length)))
}
