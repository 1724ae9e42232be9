//! A connection, and reading answers from it (RFC 9112).

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use rustls::{ClientConnection, StreamOwned};

use super::{Request, Response, Tls};
use crate::{Error, Result, error::Doing as _, external::record::Raw};

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// By TCP.
    Tcp(SocketAddr),
    /// By a Unix socket.
    Unix(PathBuf),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Self::Unix(path.to_path_buf())
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Self {
        address.clone()
    }
}

/// Where connections to loopback addresses come from. Not 127.0.0.1, in place of which Envoy writes the machine's own
/// address into `X-Forwarded-For`.
pub const CALLER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Without progress for this long, a read fails.
const LIMIT: Duration = Duration::from_secs(30);

trait Stream: Read + Write + Send {
    /// The socket itself, where nothing lies between.
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }
}

impl Stream for TcpStream {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl Stream for UnixStream {}
impl Stream for StreamOwned<ClientConnection, TcpStream> {}

/// How the body of the answer that is being read ends.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
    Over,
}

/// A client's connection.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    framing: Framing,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn open(address: impl Into<Address>) -> Result<Self> {
        let stream: Box<dyn Stream> = match address.into() {
            Address::Tcp(address) => Box::new(tcp(address)?),
            Address::Unix(path) => {
                let stream = UnixStream::connect(&path).doing(path.display())?;
                stream.set_read_timeout(Some(LIMIT))?;
                Box::new(stream)
            }
        };
        Ok(Self { stream, buffer: Vec::new(), framing: Framing::Over })
    }

    /// Connects and finishes the TLS handshake. With TLS 1.3 a refused client certificate shows at the first read.
    ///
    /// # Errors
    /// Nobody listens there, or the handshake fails.
    pub fn open_tls(address: impl Into<Address>, tls: &Tls) -> Result<Self> {
        let Address::Tcp(address) = address.into() else { return Err(Error::new("TLS over a Unix socket")) };
        let mut stream = tcp(address)?;
        let mut session =
            ClientConnection::new(tls.config()?, tls.name(address.ip())?).doing("cannot start TLS")?;
        while session.is_handshaking() {
            session.complete_io(&mut stream).doing(format!("TLS handshake with {address}"))?;
        }
        let stream = Box::new(StreamOwned::new(session, stream));
        Ok(Self { stream, buffer: Vec::new(), framing: Framing::Over })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Writing fails, or no complete head comes back. A body that ends too early is no error: see
    /// [`Response::complete`].
    pub fn send(&mut self, request: &Request) -> Result<Response> {
        // An answer may come before the request is read to its end; then writing fails and reading does not.
        let written = self.write(&request.bytes());
        let mut response = match self.begin(request.method() == b"HEAD") {
            Ok(response) => response,
            Err(error) => return Err(written.err().unwrap_or(error)),
        };
        self.finish(&mut response)?;
        Ok(response)
    }

    /// Writes these bytes.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn write(&mut self, bytes: &[u8]) -> Result {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).doing("cannot write")
    }

    /// Reads an answer's head, informational ones before it included.
    ///
    /// # Errors
    /// The connection ends, or what comes is no HTTP.
    pub fn begin(&mut self, without_body: bool) -> Result<Response> {
        let mut early = Vec::new();
        loop {
            let mut response = self.head()?;
            if (100..200).contains(&response.status) && response.status != 101 {
                early.push(response.status);
                continue;
            }
            response.early = early;
            let bodiless = without_body || matches!(response.status, 101 | 204 | 304);
            let chunked = response.header("transfer-encoding").iter().any(|value| value.contains("chunked"));
            let length = response.header("content-length").first().and_then(|length| length.parse().ok());
            self.framing = match length {
                _ if bodiless => Framing::Over,
                _ if chunked => Framing::Chunked,
                Some(length) => Framing::Length(length),
                None => Framing::UntilClose,
            };
            response.complete = bodiless;
            return Ok(response);
        }
    }

    /// Reads the rest of an answer that was begun.
    ///
    /// # Errors
    /// Reading fails otherwise than by the connection's end.
    pub fn finish(&mut self, response: &mut Response) -> Result {
        while let Some(piece) = self.piece(response)? {
            response.body.extend(piece);
        }
        Ok(())
    }

    /// Reads some more of the body: at least a byte, or nothing at its end.
    ///
    /// # Errors
    /// Reading fails otherwise than by the connection's end.
    pub fn piece(&mut self, response: &mut Response) -> Result<Option<Vec<u8>>> {
        match self.framing {
            Framing::Over => Ok(None),
            Framing::Length(0) => self.over(response, true),
            Framing::Length(left) => {
                if self.buffer.is_empty() && !self.fill()? {
                    return self.over(response, false);
                }
                let size = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.framing = Framing::Length(left - size as u64);
                Ok(Some(self.buffer.drain(..size).collect()))
            }
            Framing::UntilClose => {
                if self.buffer.is_empty() && !self.fill()? {
                    return self.over(response, true);
                }
                Ok(Some(std::mem::take(&mut self.buffer)))
            }
            Framing::Chunked => self.chunk(response),
        }
    }

    /// Everything until the connection ends.
    ///
    /// # Errors
    /// Reading fails otherwise than by the connection's end.
    pub fn rest(&mut self) -> Result<Vec<u8>> {
        while self.fill()? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Another handle of a plain connection's socket.
    ///
    /// # Errors
    /// There is something between.
    pub(crate) fn tcp(&self) -> Result<TcpStream> {
        let stream = self.stream.tcp().ok_or_else(|| Error::new("not a plain TCP connection"))?;
        stream.try_clone().doing("no handle left")
    }

    /// What was read beyond that what was asked for.
    pub(crate) fn buffered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Exactly `length` bytes.
    ///
    /// # Errors
    /// The connection ends before.
    pub fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill()? {
                return Err(Error::new(format!("the connection ended after {} bytes", self.buffer.len())));
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn over(&mut self, response: &mut Response, complete: bool) -> Result<Option<Vec<u8>>> {
        response.complete = complete;
        self.framing = Framing::Over;
        Ok(None)
    }

    fn chunk(&mut self, response: &mut Response) -> Result<Option<Vec<u8>>> {
        let Some(line) = self.line()? else { return self.over(response, false) };
        let size = line.split(';').next().and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
        let size = size.ok_or_else(|| Error::new(format!("no chunk size: {line}")))?;
        if size > 0 {
            let Ok(piece) = self.exactly(size) else { return self.over(response, false) };
            let _ = self.exactly(2);
            return Ok(Some(piece));
        }
        while let Some(line) = self.line()? {
            let Some((name, value)) = line.split_once(':') else {
                return self.over(response, line.is_empty());
            };
            response.trailers.push((name.into(), value.trim().into()));
        }
        self.over(response, false)
    }

    /// A line without its end, bytes outside UTF-8 replaced.
    fn line(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default()).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(Some(line));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// The next head, be it an informational one.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn head(&mut self) -> Result<Response> {
        loop {
            let mut headers = vec![httparse::EMPTY_HEADER; 1024];
            let mut parsed = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = parsed.parse(&self.buffer).doing("no HTTP answer")? {
                let response = Response {
                    status: parsed.code.unwrap_or(0),
                    headers: parsed
                        .headers
                        .iter()
                        .map(|header| (Raw::from(header.name), Raw::from(header.value)))
                        .collect(),
                    ..Response::default()
                };
                self.buffer.drain(..length);
                return Ok(response);
            }
            if !self.fill()? {
                return Err(Error::new(format!(
                    "the connection ended before an answer: {:?}",
                    Raw::from(&self.buffer)
                )));
            }
        }
    }

    /// Reads more; false at the end of the connection, a reset included.
    fn fill(&mut self) -> Result<bool> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(read) => {
                self.buffer.extend(piece.iter().take(read));
                Ok(read > 0)
            }
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                Ok(false)
            }
            Err(error) => Err(error).doing("cannot read"),
        }
    }
}

fn tcp(address: SocketAddr) -> Result<TcpStream> {
    let stream = match address {
        SocketAddr::V4(v4) if v4.ip().is_loopback() => from_caller(address),
        _ => TcpStream::connect_timeout(&address, LIMIT),
    };
    let stream = stream.doing(format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// Connects from [`CALLER`].
fn from_caller(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::bind(&socket, &SocketAddr::from((CALLER, 0)))?;
    net::connect(&socket, &address)?;
    Ok(TcpStream::from(socket))
}
