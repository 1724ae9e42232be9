//! A tunnel through an outbound proxy: `CONNECT`, RFC 9110 §9.3.6. The proxy gets host and port of the endpoint, and
//! nothing else: no credential, neither its own (it cannot have one) nor the endpoint's.

use std::net::SocketAddr;

use fairlead_model::Proxy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::{Host, Url};

use super::{DialError, Dialler};

/// How long the head of a proxy's answer may be, bytes.
const HEAD: usize = 8 * 1024;

impl Dialler {
    /// A connection to where the URL leads, by the proxy.
    pub(super) async fn tunnel(&self, url: &Url, proxy: &Proxy) -> Result<TcpStream, DialError> {
        let (host, port) =
            (url.host().ok_or(DialError::NoHost)?, url.port_or_known_default().ok_or(DialError::NoHost)?);
        self.judge(&host, port)?;
        let failed = |reason: String| DialError::Proxy { proxy: proxy.clone(), reason };
        // IPv6 is in brackets in both.
        let at = Host::parse(&proxy.host).map_err(|e| failed(e.to_string()))?;
        let at = match &at {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        let mut stream = self.reach(at, proxy.port).await.map_err(|e| failed(e.to_string()))?;
        connect(&mut stream, &format!("{host}:{port}")).await.map_err(failed)?;
        Ok(stream)
    }

    /// Refuses what can be judged without resolving it.
    fn judge(&self, host: &Host<&str>, port: u16) -> Result<(), DialError> {
        let address = match host {
            Host::Domain(name) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                if name == "localhost" || name.ends_with(".localhost") {
                    return Err(DialError::RefusedName(name));
                }
                return Ok(());
            }
            Host::Ipv4(address) => SocketAddr::new((*address).into(), port),
            Host::Ipv6(address) => SocketAddr::new((*address).into(), port),
        };
        if self.guard.allows(address) {
            return Ok(());
        }
        Err(DialError::Refused { host: host.to_string(), address: address.ip() })
    }
}

async fn connect(stream: &mut TcpStream, authority: &str) -> Result<(), String> {
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|e| e.to_string())?;
    // Byte by byte: what follows the head belongs to the endpoint.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD {
            return Err(format!("the head of its answer is longer than {HEAD} bytes"));
        }
        head.push(stream.read_u8().await.map_err(|e| e.to_string())?);
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match (version.starts_with("HTTP/1."), status.parse::<u16>()) {
        (true, Ok(200..=299)) => Ok(()),
        (true, Ok(status)) => Err(format!("status {status}")),
        _ => Err("it does not speak HTTP".to_owned()),
    }
}
