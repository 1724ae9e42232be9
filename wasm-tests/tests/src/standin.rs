//! A control plane that a test plays itself, over mTLS with the real one's certificates: for what the real one never
//! says.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use fairlead_testkit::{
    Result, bed::Bed, bed::LIMIT, certs::Identity, error::Doing as _, external::tls, wait,
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A call of a gateway.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The body.
    pub body: String,
}

impl Asked {
    /// A value of the query, escapes left as they are.
    #[must_use]
    pub fn query(&self, name: &str) -> &str {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let mut fields = query.split('&').filter_map(|field| field.split_once('='));
        fields.find(|(have, _)| *have == name).map_or("", |(_, value)| value)
    }
}

/// An answer, byte for byte; the connection ends after it if it says so.
#[derive(Clone, Debug)]
pub struct Bytes {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// End the connection.
    pub close: bool,
}

impl Bytes {
    /// What the control plane would send: status, marker, body.
    #[must_use]
    pub fn marked(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self::with(status, "x-fairlead-feed: 1\r\n", body)
    }

    /// With these header lines instead of the marker.
    #[must_use]
    pub fn with(status: u16, lines: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status} Any\r\n{lines}content-length: {}\r\n\r\n", body.len());
        Self { bytes: [head.as_bytes(), body].concat(), close: false }
    }
}

/// A running stand-in. Dropping ends it and frees the port.
pub struct StandIn {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Takes the place of a bed's control plane, which has ended; `answer` is asked for each call.
    ///
    /// # Errors
    /// The port is taken, or there are no certificates.
    pub fn start(bed: &Bed, answer: impl Fn(&Asked) -> Bytes + Send + Sync + 'static) -> Result<Self> {
        let (certificate, key) = bed.control.pair("control");
        let read = |file: std::path::PathBuf| std::fs::read_to_string(&file).doing(file.display());
        let identity = Identity { certificate_pem: read(certificate)?, key_pem: read(key)? };
        let config = tls::server(&identity, &tls::Clients::Optional, &["http/1.1"])?;
        let address = bed.control.address("gateways")?;
        let listener = wait::attempt("the control plane's port", LIMIT, || bind(address))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (answer, stopped): (Arc<Answer>, _) = (Arc::new(answer), Arc::clone(&stop));
        let thread = std::thread::spawn(move || accept(&listener, &config, &answer, &stopped));
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Answer = dyn Fn(&Asked) -> Bytes + Send + Sync;

/// How long anything blocks before it looks whether it is over.
const LOOK: Duration = Duration::from_millis(20);

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).doing(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>, answer: &Arc<Answer>, stop: &Arc<AtomicBool>) {
    let mut connections = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let Ok((stream, _)) = listener.accept() else {
            std::thread::sleep(LOOK);
            continue;
        };
        let (config, answer, stop) = (Arc::clone(config), Arc::clone(answer), Arc::clone(stop));
        // A gateway that leaves, or does not like what it gets, is what these tests are about.
        connections.push(std::thread::spawn(move || drop(serve(stream, config, &*answer, &stop))));
    }
    connections.into_iter().for_each(|connection| drop(connection.join()));
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    answer: &Answer,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK))?;
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(session, stream);
    let mut buffer = Vec::new();
    loop {
        while let Some(asked) = take(&mut buffer) {
            let Bytes { bytes, close } = answer(&asked);
            stream.write_all(&bytes)?;
            stream.flush()?;
            if close {
                return Ok(());
            }
        }
        let mut piece = [0; 16 * 1024];
        match stream.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(read) => buffer.extend(piece.iter().take(read)),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {
                if stop.load(Ordering::SeqCst) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Takes a whole request off the front.
fn take(buffer: &mut Vec<u8>) -> Option<Asked> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(buffer.get(..end)?).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let lengths = lines.filter_map(|line| line.split_once(':'));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
    let all = end + 4 + length;
    let body = String::from_utf8_lossy(buffer.get(end + 4..all)?).into_owned();
    buffer.drain(..all);
    Some(Asked { method, path, body })
}
