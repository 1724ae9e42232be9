//! One connection of a load.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Instant};

use bytes::{Buf as _, BytesMut};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Report, Shared};
use crate::{Result, http::Tls};

/// TLS for new connections.
pub(super) type Connector = (TlsConnector, ServerName<'static>);

pub(super) fn connector(tls: &Tls, address: SocketAddr) -> Result<Connector> {
    Ok((TlsConnector::from(tls.config()?), tls.name(address.ip())?))
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

struct Connection {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
}

/// What was read.
struct Answer {
    status: u16,
    body: Vec<u8>,
    close: bool,
}

/// Sends requests until there are no more.
pub(super) async fn drive(shared: Arc<Shared>, connector: Option<Connector>) -> Report {
    let mut report = Report::default();
    let mut open: Option<Connection> = None;
    while let Some(request) = shared.request().await {
        let begin = Instant::now();
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => match connect(shared.load.address, connector.as_ref()).await {
                Ok(connection) => connection,
                Err(error) => {
                    report.failure(&format!("connect: {}", name(error.kind())));
                    shared.request_ended();
                    tokio::task::yield_now().await;
                    continue;
                }
            },
        };
        match connection.exchange(request).await {
            Ok(answer) => {
                report.answer(answer.status, begin.elapsed());
                if !(shared.load.judge)(answer.status, &answer.body) {
                    report.wrong(answer.status, &answer.body);
                }
                if !answer.close {
                    open = Some(connection);
                }
            }
            Err(error) => report.failure(&name(error.kind())),
        }
        shared.request_ended();
    }
    report
}

fn name(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "reset".to_owned(),
        ErrorKind::UnexpectedEof => "ended".to_owned(),
        ErrorKind::ConnectionRefused => "refused".to_owned(),
        other => other.to_string(),
    }
}

async fn connect(address: SocketAddr, connector: Option<&Connector>) -> std::io::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match connector {
        None => Box::new(stream),
        Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
    };
    Ok(Connection { stream, buffer: BytesMut::with_capacity(16 * 1024) })
}

/// How a body ends.
enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    async fn exchange(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        loop {
            let (status, framing, close) = self.head().await?;
            let body = match framing {
                Framing::Length(length) => self.take(length).await?,
                Framing::Chunked => self.chunks().await?,
            };
            if status >= 200 {
                return Ok(Answer { status, body, close });
            }
        }
    }

    async fn fill(&mut self) -> std::io::Result<()> {
        self.buffer.reserve(16 * 1024);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    async fn head(&mut self) -> std::io::Result<(u16, Framing, bool)> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.buffer).map_err(|_| ErrorKind::InvalidData)?;
            if let httparse::Status::Complete(length) = parsed {
                let status = response.code.unwrap_or(0);
                let value = |name: &str| {
                    let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                    found.and_then(|header| std::str::from_utf8(header.value).ok())
                };
                let close = value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                let framing = match value("content-length").and_then(|value| value.parse().ok()) {
                    Some(length) => Framing::Length(length),
                    None if value("transfer-encoding").is_some() => Framing::Chunked,
                    None => Framing::Length(0),
                };
                self.buffer.advance(length);
                return Ok((status, framing, close));
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(length).to_vec())
    }

    async fn chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size =
                line.split(';').next().and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
            let size = size.ok_or(ErrorKind::InvalidData)?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(size).await?);
            self.take(2).await?;
        }
    }

    async fn line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer.split_to(end)).into_owned();
                self.buffer.advance(2);
                return Ok(line);
            }
            self.fill().await?;
        }
    }
}
