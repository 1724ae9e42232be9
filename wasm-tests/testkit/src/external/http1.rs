//! HTTP/1.1 server that keeps every byte of a request's head: order and spelling of header lines, bytes outside
//! UTF-8, targets that are no URI (RFC 9112).

mod reader;
mod writer;

use std::net::SocketAddr;

use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    answer::{Answer, Body},
    record::{self, KEPT_BODY, Raw, Recorded},
    websocket,
};
use reader::{Head, Reader};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By the peer, or in order.
    Closed,
    /// It is to be reset.
    Reset,
}

/// Serves one connection. `connection` is what each request's record begins as.
///
/// # Errors
/// Reading or writing fails.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    connection: &Recorded,
    answer: impl Fn(&mut Recorded) -> Answer,
) -> std::io::Result<End> {
    let mut reader = Reader::new(stream);
    loop {
        let head = match reader.head().await? {
            Head::End => return Ok(End::Closed),
            Head::Malformed(error) => {
                let message = format!("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n{error}\n");
                reader.stream.write_all(message.as_bytes()).await?;
                return Ok(End::Closed);
            }
            Head::Request(head) => head,
        };
        let mut request = Recorded {
            version: if head.minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" }.to_owned(),
            method: Raw(head.method),
            target: Raw(head.target),
            headers: head.headers.into_iter().map(|(name, value)| (Raw(name), Raw(value))).collect(),
            ..connection.clone()
        };
        if request.header("expect").iter().any(|value| value.eq_ignore_ascii_case("100-continue")) {
            reader.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        body(&mut reader, &mut request).await?;
        let last = head.minor == 0
            || !request.body.complete
            || request.header("connection").iter().any(|value| value.to_ascii_lowercase().contains("close"));
        let mut answer = answer(&mut request);
        tokio::select! {
            () = tokio::time::sleep(answer.delay) => {}
            () = reader.gone() => return Ok(End::Closed),
        }
        match answer.body {
            Body::Reset => {
                answer.running.finish();
                return Ok(End::Reset);
            }
            Body::Upgrade => {
                writer::head(reader.stream, &answer, None).await?;
                return reader.echo().await;
            }
            Body::WebSocket => {
                writer::head(reader.stream, &answer, None).await?;
                websocket::serve(reader.stream, reader.buffer).await?;
                answer.running.finish();
                return Ok(End::Closed);
            }
            Body::Tunnel(to) => return tunnel(reader, answer, to).await,
            _ => {}
        }
        let only_head = request.method == "HEAD";
        let complete = writer::answer(&mut reader, &mut answer, only_head, head.minor == 0).await?;
        answer.running.finish();
        if last || !complete {
            return Ok(End::Closed);
        }
    }
}

/// Connects, says so with `answer`, and copies both ways until both sides have ended.
async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(
    mut reader: Reader<'_, S>,
    mut answer: Answer,
    to: SocketAddr,
) -> std::io::Result<End> {
    let Ok(mut target) = TcpStream::connect(to).await else {
        let mut failed = Answer::with(502, "text/plain", format!("the proxy cannot connect to {to}"));
        writer::answer(&mut reader, &mut failed, false, false).await?;
        return Ok(End::Closed);
    };
    target.set_nodelay(true)?;
    writer::head(reader.stream, &answer, None).await?;
    target.write_all(&reader.buffer).await?;
    tokio::io::copy_bidirectional(reader.stream, &mut target).await?;
    answer.running.finish();
    Ok(End::Closed)
}

/// Reads the body that the head announces.
async fn body<S: AsyncRead + AsyncWrite + Unpin>(
    reader: &mut Reader<'_, S>,
    request: &mut Recorded,
) -> std::io::Result<()> {
    let chunked = request
        .header("transfer-encoding")
        .iter()
        .any(|value| value.to_ascii_lowercase().contains("chunked"));
    let length = request.header("content-length").first().and_then(|value| value.trim().parse::<u64>().ok());
    let mut collected = Collected::default();
    let complete = if chunked {
        reader.chunked(&mut collected, &mut request.trailers).await?
    } else {
        reader.exactly(length.unwrap_or(0), &mut collected).await?
    };
    request.body = collected.finish(complete, chunked);
    Ok(())
}

/// A body as it comes in.
#[derive(Default)]
pub struct Collected {
    length: u64,
    hash: Sha256,
    content: Vec<u8>,
}

impl Collected {
    /// Takes the next piece.
    pub fn add(&mut self, piece: &[u8]) {
        self.length += piece.len() as u64;
        self.hash.update(piece);
        if self.content.len() <= KEPT_BODY {
            self.content.extend(piece);
        }
    }

    /// Whether nothing came yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// What is recorded of it.
    #[must_use]
    pub fn finish(self, complete: bool, chunked: bool) -> record::Body {
        record::Body {
            length: self.length,
            sha256: hex(&self.hash.finalize()),
            chunked,
            complete,
            content: (self.content.len() <= KEPT_BODY).then_some(Raw(self.content)),
        }
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
