//! A token endpoint that records what it gets and answers from a script, and a name server that leads to it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use fairlead_pki::{Authority, Leaf};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// Never answers.
pub fn hang() -> Vec<u8> {
    b"hang".to_vec()
}

pub fn raw(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
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

/// Listens on 127.0.0.2, one answer a connection.
pub struct TokenEndpoint {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    ca: Option<String>,
}

impl TokenEndpoint {
    pub fn start(answers: Vec<Vec<u8>>, tls: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        let (config, ca) = if tls { Some(server()) } else { None }.unzip();
        thread::spawn(move || {
            // A connection that breaks in the handshake takes no answer.
            let mut answers = answers.into_iter().peekable();
            while answers.peek().is_some() {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                match &config {
                    Some(config) => {
                        let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                        serve(StreamOwned::new(connection, stream), &mut answers, &seen);
                    }
                    None => serve(stream, &mut answers, &seen),
                }
            }
        });
        Self { address, requests, ca }
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
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

fn server() -> (Arc<ServerConfig>, String) {
    let ca = Authority::generate("token ca", now()).unwrap();
    let pair = ca.issue(&Leaf::server("token", &["token.example.test"]), now()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pair.certificate_pem.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(pair.key_pem.as_bytes()).unwrap(),
        )
        .unwrap();
    (Arc::new(config), ca.certificate_pem().to_owned())
}

fn serve(
    mut stream: impl Read + Write,
    answers: &mut impl Iterator<Item = Vec<u8>>,
    seen: &Mutex<Vec<String>>,
) {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    while !complete(&got) {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => got.extend_from_slice(&buffer[..n]),
        }
    }
    seen.lock().unwrap().push(String::from_utf8(got).unwrap());
    let answer = answers.next().unwrap();
    if answer == hang() {
        // Until the other side gives up.
        let _ = stream.read(&mut buffer);
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
