//! A minimal HTTP/1.1 server: fast enough that Envoy, not it, is what is measured.

use std::{future::Future, sync::Arc};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Request line and headers, and the body.
pub(crate) struct Message {
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
}

impl Message {
    /// The request target.
    pub(crate) fn target(&self) -> &str {
        let line = self.head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).ok().and_then(|line| line.split(' ').nth(1)).unwrap_or_default()
    }
}

/// Accepts for ever, in background tasks of the running runtime. `answer` makes complete responses.
pub(crate) async fn accept<A, F>(socket: TcpListener, tls: Option<TlsAcceptor>, answer: A)
where
    A: Fn(Message) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Bytes> + Send + 'static,
{
    let answer = Arc::new(answer);
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (tls, answer) = (tls.clone(), Arc::clone(&answer));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, &*answer).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, &*answer).await;
                    }
                }
            }
        });
    }
}

/// One connection, until the peer ends it.
async fn serve<S, A, F>(mut stream: S, answer: &A)
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Fn(Message) -> F,
    F: Future<Output = Bytes>,
{
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    while let Some(message) = read(&mut stream, &mut buffer).await {
        let response = answer(message).await;
        if stream.write_all(&response).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Option<Message> {
    let end = loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        fill(stream, buffer).await?;
    };
    let head = buffer.split_to(end).freeze();
    let length = if head.first() == Some(&b'P') { content_length(&head) } else { 0 };
    while buffer.len() < length {
        fill(stream, buffer).await?;
    }
    Some(Message { head, body: buffer.split_to(length).freeze() })
}

async fn fill<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Option<()> {
    buffer.reserve(8 * 1024);
    (stream.read_buf(buffer).await.ok()? > 0).then_some(())
}

fn content_length(head: &[u8]) -> usize {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// A complete 200 response with these further header lines, each ended by CRLF.
pub(crate) fn ok(lines: &str, body: &[u8]) -> Bytes {
    answer("200 OK", lines, body)
}

/// The same with another status and reason.
pub(crate) fn answer(status: &str, lines: &str, body: &[u8]) -> Bytes {
    let head = format!("HTTP/1.1 {status}\r\n{lines}content-length: {}\r\n\r\n", body.len());
    Bytes::from([head.as_bytes(), body].concat())
}
