//! A token endpoint that records what it gets and answers from a script, and a name server that leads to it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use fairlead_model::ClientPair;
use fairlead_pki::{Authority, Leaf};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

/// Never answers.
pub fn hang() -> Vec<u8> {
    b"hang".to_vec()
}

pub fn raw(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

pub fn redirect(status: u16, to: &str) -> Vec<u8> {
    raw(&format!(
        "HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ))
}

pub fn json(body: &str) -> Vec<u8> {
    raw(&format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A CA that signed nothing here.
pub fn other_ca() -> String {
    Authority::generate("other", now()).unwrap().certificate_pem().to_owned()
}

/// A client's certificate by this CA, as a Secret holds it, with text in front.
pub fn client(ca: &Authority) -> ClientPair {
    let pair = ca.issue(&Leaf::client("client", "spiffe://cluster.local/ns/x/sa/y"), now()).unwrap();
    let crt = format!("notBefore=Nov 1\nnotAfter=Nov 2\n{}", pair.certificate_pem);
    ClientPair::read(crt.as_bytes(), pair.key_pem.as_bytes()).unwrap()
}

/// A CA of clients.
pub fn clients() -> Authority {
    Authority::generate("clients", now()).unwrap()
}

/// How an endpoint is spoken to.
#[derive(Clone, Copy)]
pub enum Tls<'a> {
    None,
    Server,
    /// A certificate by this CA is demanded.
    Demanded(&'a Authority),
    /// A certificate by this CA is taken, if there is one.
    Taken(&'a Authority),
}

/// Listens on 127.0.0.2, one answer a connection.
pub struct TokenEndpoint {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    shown: Arc<Mutex<Vec<bool>>>,
    ca: Option<String>,
}

impl TokenEndpoint {
    pub fn start(answers: Vec<Vec<u8>>, tls: bool) -> Self {
        Self::with(answers, if tls { Tls::Server } else { Tls::None })
    }

    pub fn with(answers: Vec<Vec<u8>>, tls: Tls<'_>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, shown) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (seen, peers) = (requests.clone(), shown.clone());
        let (config, ca) = server(tls).unzip();
        thread::spawn(move || {
            // A connection that breaks in the handshake takes no answer.
            let mut answers = answers.into_iter().peekable();
            while answers.peek().is_some() {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                match &config {
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        let mut stream = StreamOwned::new(connection, stream);
                        let Some(request) = read(&mut stream) else { continue };
                        peers.lock().unwrap().push(stream.conn.peer_certificates().is_some());
                        serve(stream, request, &mut answers, &seen);
                    }
                    None => {
                        let mut stream = stream;
                        let Some(request) = read(&mut stream) else { continue };
                        serve(stream, request, &mut answers, &seen);
                    }
                }
            }
        });
        Self { address, requests, shown, ca }
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Whether a client certificate was shown, by request; by TLS only.
    pub fn shown(&self) -> Vec<bool> {
        self.shown.lock().unwrap().clone()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn ca(&self) -> String {
        self.ca.clone().unwrap()
    }

    pub fn url(&self, host: &str, path: &str) -> String {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.port())
    }
}

fn server(tls: Tls<'_>) -> Option<(Arc<ServerConfig>, String)> {
    let ca = Authority::generate("token ca", now()).unwrap();
    let pair = ca.issue(&Leaf::server("token", &["token.example.test"]), now()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = |clients: &Authority, mandatory: bool| -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(clients.certificate_pem().as_bytes()).unwrap()).unwrap();
        let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        if mandatory { builder.build().unwrap() } else { builder.allow_unauthenticated().build().unwrap() }
    };
    let verifier = match tls {
        Tls::None => return None,
        Tls::Server => WebPkiClientVerifier::no_client_auth(),
        Tls::Demanded(clients) => verifier(clients, true),
        Tls::Taken(clients) => verifier(clients, false),
    };
    let config = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pair.certificate_pem.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(pair.key_pem.as_bytes()).unwrap(),
        )
        .unwrap();
    Some((Arc::new(config), ca.certificate_pem().to_owned()))
}

/// A request, if it comes.
fn read(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    while !complete(&got) {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(n) => got.extend_from_slice(&buffer[..n]),
        }
    }
    Some(got)
}

/// Answers it.
fn serve(
    mut stream: impl Read + Write,
    request: Vec<u8>,
    answers: &mut impl Iterator<Item = Vec<u8>>,
    seen: &Mutex<Vec<String>>,
) {
    seen.lock().unwrap().push(String::from_utf8(request).unwrap());
    let answer = answers.next().unwrap();
    if answer == hang() {
        // Until the other side gives up.
        let _ = stream.read(&mut [0; 16]);
    } else {
        let _ = stream.write_all(&answer);
        let _ = stream.flush();
    }
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    request.len() >= head.len() + 4 + length
}

/// Answers A questions: `inside` is 127.0.0.1, `gone` does not exist, everything else is 127.0.0.2.
pub struct Names {
    pub address: SocketAddr,
}

impl Names {
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                socket.send_to(&answer(&buffer[..length]), from).unwrap();
            }
        });
        Self { address }
    }
}

/// RFC 1035 §4: header, question as asked, at most one answer.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut end = 12;
    while question[end] != 0 {
        end += usize::from(question[end]) + 1;
    }
    let kind = u16::from_be_bytes([question[end + 1], question[end + 2]]);
    let first = &question[13..13 + usize::from(question[12])];
    let gone = first.eq_ignore_ascii_case(b"gone");
    let found = kind == 1 && !gone;
    let mut answer = question[..2].to_vec();
    answer.extend_from_slice(&[0x81, if gone { 0x83 } else { 0x80 }, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    answer.extend_from_slice(&question[12..end + 5]);
    if found {
        let last = if first.eq_ignore_ascii_case(b"inside") { 1 } else { 2 };
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, last]);
    }
    answer
}
