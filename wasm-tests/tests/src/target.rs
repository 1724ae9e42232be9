//! An external system that the test itself plays, for what the double cannot know: when exactly to answer.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use fairlead_testkit::{Error, Result, bed::LIMIT, error::Doing as _, wait};

/// A plain listener.
pub struct Target {
    listener: TcpListener,
    address: SocketAddr,
}

impl Target {
    /// Listens on a free port of 127.0.0.2 (spec/decisions 43).
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn new() -> Result<Self> {
        Self::at(Ipv4Addr::new(127, 0, 0, 2))
    }

    /// [`new`](Self::new) on another address.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn at(address: Ipv4Addr) -> Result<Self> {
        let listener = TcpListener::bind((address, 0)).doing(format!("cannot bind {address}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Its URL, without path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection.
    ///
    /// # Errors
    /// Nobody connects.
    pub fn accept(&self) -> Result<Peer> {
        let accept = || self.listener.accept().doing("accept");
        let (stream, _) = wait::attempt("a connection to the target", LIMIT, accept)?;
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Peer { stream, buffer: Vec::new() })
    }

    /// Whether somebody has connected and was not accepted yet; that connection is gone afterwards.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

/// Who connected.
pub struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Peer {
    /// Everything up to and including `end`.
    ///
    /// # Errors
    /// The connection ends, or stays silent for [`LIMIT`], before.
    pub fn until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len().max(1)).position(|window| window == end) {
                return Ok(self.buffer.drain(..at + end.len()).collect());
            }
            let mut piece = [0; 16 * 1024];
            let read = self.stream.read(&mut piece).doing("the target reads")?;
            if read == 0 {
                let have = self.buffer.escape_ascii();
                return Err(Error::new(format!("the gateway ended the connection after {have}")));
            }
            self.buffer.extend(piece.iter().take(read));
        }
    }

    /// The head of a request: request line and header lines as sent, without line ends.
    ///
    /// # Errors
    /// As [`until`](Self::until).
    pub fn head(&mut self) -> Result<Vec<String>> {
        let head = self.until(b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&head);
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result {
        self.stream.write_all(bytes.as_ref()).doing("the target writes")
    }

    /// Sends a whole answer, the last one of this connection.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn answer(&mut self, status: u16, body: &str) -> Result {
        self.send(format!(
            "HTTP/1.1 {status} Any\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// Waits until the gateway has ended the connection.
    ///
    /// # Errors
    /// It says something instead, or nothing within `limit`.
    pub fn ended(&mut self, limit: Duration) -> Result {
        self.stream.set_read_timeout(Some(limit))?;
        match self.stream.read(&mut [0; 64]) {
            Ok(0) => Ok(()),
            Ok(read) => Err(Error::new(format!("{read} bytes instead of the end"))),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error).doing("waiting for the end"),
        }
    }
}
