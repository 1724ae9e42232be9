//! The way through an outbound proxy. To an endpoint with TLS it is a tunnel (`CONNECT`, RFC 9110 §9.3.6): the proxy gets
//! host and port, and nothing else. One without TLS is called by its whole URL (RFC 9112 §3.2.2), since hardly any proxy
//! tunnels to plain ports. The proxy has no credential of its own.

use std::net::SocketAddr;

use fairlead_model::Proxy;
use http::Uri;
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
        let mut stream = self.to(url, proxy).await?;
        let (host, port) = at(url)?;
        connect(&mut stream, &format!("{host}:{port}"))
            .await
            .map_err(|reason| DialError::Proxy { proxy: proxy.clone(), reason })?;
        Ok(stream)
    }

    /// A connection to the proxy, if the URL may be called through one.
    pub(super) async fn to(&self, url: &Url, proxy: &Proxy) -> Result<TcpStream, DialError> {
        let (host, port) = at(url)?;
        self.judge(&host, port)?;
        let failed = |reason: String| DialError::Proxy { proxy: proxy.clone(), reason };
        // IPv6 is in brackets in both.
        let named = Host::parse(&proxy.host).map_err(|e| failed(e.to_string()))?;
        let named = match &named {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        self.reach(named, proxy.port).await.map_err(|e| failed(e.to_string()))
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

fn at(url: &Url) -> Result<(Host<&str>, u16), DialError> {
    url.host().zip(url.port_or_known_default()).ok_or(DialError::NoHost)
}

/// The path and query of a request, with where it goes to in front.
pub(super) fn whole(url: &Url, path: &Uri) -> Result<Uri, DialError> {
    let (host, _) = at(url)?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{path}", url.scheme()).parse().map_err(|_| DialError::NoHost)
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
