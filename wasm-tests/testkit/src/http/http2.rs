//! An HTTP/2 client without TLS, by prior knowledge (RFC 9113 §3.3): for what needs both directions at once, as gRPC
//! does. What is shown is what the protocol's library made of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap,
    body::{Frame, Incoming},
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    runtime::Runtime,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use super::{Connection, Response};
use crate::{Error, Result, error::Doing as _, external::record::Raw};

/// Without progress for this long, anything fails.
const LIMIT: Duration = Duration::from_secs(30);

/// An error resets the stream.
type Piece = std::io::Result<Frame<Bytes>>;
type Sent = UnsyncBoxBody<Bytes, std::io::Error>;

/// A connection for any number of exchanges.
pub struct Http2 {
    runtime: Arc<Runtime>,
    sender: SendRequest<Sent>,
}

impl Http2 {
    /// Speaks HTTP/2 on a fresh plain connection.
    ///
    /// # Errors
    /// The peer does not.
    pub fn over(connection: &Connection) -> Result<Self> {
        let stream = connection.tcp()?;
        stream.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .doing("no runtime")?;
        let sender = runtime.block_on(async {
            let io = TokioIo::new(tokio::net::TcpStream::from_std(stream)?);
            let shake = http2::handshake(TokioExecutor::new(), io);
            let (sender, connection) = shake.await.doing("cannot speak HTTP/2")?;
            tokio::spawn(connection);
            Ok::<_, Error>(sender)
        })?;
        Ok(Self { runtime: Arc::new(runtime), sender })
    }

    /// Begins an exchange; the body is still open.
    ///
    /// # Errors
    /// This is no request.
    pub fn begin(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Exchange> {
        let (body, pieces) = unbounded_channel();
        let mut request = hyper::Request::builder().method(method).uri(format!("http://test{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body_of(pieces)).doing("no request")?;
        let answer = self.runtime.spawn(self.sender.send_request(request));
        let runtime = Arc::clone(&self.runtime);
        Ok(Exchange { runtime, body: Some(body), answer: Some(answer), incoming: None })
    }
}

fn body_of(pieces: UnboundedReceiver<Piece>) -> Sent {
    let pieces = stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) });
    StreamBody::new(pieces).boxed_unsync()
}

/// A request and its answer, both under way. Dropped, it is cancelled.
pub struct Exchange {
    runtime: Arc<Runtime>,
    /// Absent once it has ended.
    body: Option<UnboundedSender<Piece>>,
    answer: Option<JoinHandle<hyper::Result<hyper::Response<Incoming>>>>,
    incoming: Option<Incoming>,
}

impl Exchange {
    /// Sends a piece of the body.
    ///
    /// # Errors
    /// The body has ended.
    pub fn send(&mut self, piece: impl Into<Bytes>) -> Result {
        let body = self.body.as_ref().ok_or_else(|| Error::new("the body has ended"))?;
        body.send(Ok(Frame::data(piece.into()))).doing("the exchange is over")
    }

    /// Ends the body.
    pub fn end(&mut self) {
        self.body = None;
    }

    /// Waits for the head of the answer.
    ///
    /// # Errors
    /// The stream is reset, or nothing comes.
    pub fn head(&mut self) -> Result<Response> {
        let answer = self.answer.take().ok_or_else(|| Error::new("there is one head only"))?;
        let answer = within(&self.runtime, answer)?.doing("the exchange")?.doing("no answer")?;
        let (head, incoming) = answer.into_parts();
        self.incoming = Some(incoming);
        Ok(Response { status: head.status.as_u16(), headers: lines(&head.headers), ..Response::default() })
    }

    /// Waits for some more of the body; nothing at its end, when the trailers are in `response`.
    ///
    /// # Errors
    /// The stream is reset, or nothing comes.
    pub fn piece(&mut self, response: &mut Response) -> Result<Option<Vec<u8>>> {
        let Some(incoming) = &mut self.incoming else { return Err(Error::new("there is no head yet")) };
        loop {
            let Some(frame) = within(&self.runtime, incoming.frame())? else {
                response.complete = true;
                return Ok(None);
            };
            match frame.doing("the answer's body")?.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data.to_vec())),
                Err(frame) => {
                    response.trailers =
                        frame.into_trailers().map(|trailers| lines(&trailers)).unwrap_or_default();
                }
            }
        }
    }

    /// Reads the rest of the answer.
    ///
    /// # Errors
    /// As [`piece`](Self::piece).
    pub fn finish(&mut self, response: &mut Response) -> Result {
        while let Some(piece) = self.piece(response)? {
            response.body.extend(piece);
        }
        Ok(())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Without it a body that is under way would end here as if it were complete.
        if let Some(body) = self.body.take() {
            let _ = body.send(Err(std::io::ErrorKind::ConnectionAborted.into()));
        }
        if let Some(answer) = &self.answer {
            answer.abort();
        }
    }
}

fn within<F: Future>(runtime: &Runtime, future: F) -> Result<F::Output> {
    runtime.block_on(async { tokio::time::timeout(LIMIT, future).await }).doing("nothing came")
}

fn lines(headers: &HeaderMap) -> Vec<(Raw, Raw)> {
    headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect()
}
