//! The control plane's own calls to the outside: one guarded dialler (design decision 13).
//!
//! It resolves names itself, refuses addresses that [`guard`] refuses, and verifies TLS as [`Trust`] says. One call is
//! one connection and one exchange; it follows no redirects, so that whoever does asks again for each hop. Token and
//! CSRF endpoints use it today, specifications later.
//!
//! Through an outbound [`Proxy`], as targets: by `CONNECT` with TLS, by the whole URL without. The name is the proxy's to resolve, so that only addresses written as such and
//! `localhost` can be judged here (the model refuses our own names). The proxy itself is guarded as a target is: an
//! Application may name one, and must not reach what it may not call.

pub mod guard;
mod proxy;
pub mod resolve;
mod tls;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use fairlead_model::{ClientPair, Proxy, Trust};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use url::{Host, Url};

pub use guard::Guard;
pub use resolve::Resolver;
pub use tls::SystemRoots;

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Only http and https are spoken.
    #[error("unsupported protocol scheme \"{0}\"")]
    Scheme(String),
    /// There is no host in the URL.
    #[error("no Host in request URL")]
    NoHost,
    /// The name leads nowhere.
    #[error("lookup {host}: {reason}")]
    Resolve {
        /// Which name.
        host: String,
        /// What the resolver says.
        reason: String,
    },
    /// The addresses are not allowed.
    #[error("the address {address} of {host} is not allowed")]
    Refused {
        /// Which name.
        host: String,
        /// The first address.
        address: IpAddr,
    },
    /// Through a proxy this name would lead to the proxy itself.
    #[error("{0} is not allowed through a proxy")]
    RefusedName(String),
    /// No address took the connection.
    #[error("dial tcp {address}: {source}")]
    Connect {
        /// The last one tried.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The proxy did not connect.
    #[error("proxy {proxy}: {reason}")]
    Proxy {
        /// Which.
        proxy: Proxy,
        /// What it says.
        reason: String,
    },
    /// TLS failed: chain, name or protocol.
    #[error("tls: {0}")]
    Tls(String),
    /// The client certificate or its key cannot be used; nothing was sent.
    #[error("{0}")]
    Pair(String),
    /// The connection broke before an answer.
    #[error("{0}")]
    Exchange(hyper::Error),
    /// Not in time.
    #[error("timed out")]
    Timeout,
}

/// An answer whose body has not been read yet. Dropping it closes the connection.
pub struct Answer {
    response: Response<Incoming>,
    deadline: Instant,
    _connection: Abort,
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It broke off.
    #[error("{0}")]
    Broken(String),
    /// It is larger than allowed.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// Not in time.
    #[error("timed out")]
    Timeout,
}

impl Answer {
    /// Status and headers.
    #[must_use]
    pub fn head(&self) -> &Response<Incoming> {
        &self.response
    }

    /// Reads the body, at most `max` bytes, within the call's deadline.
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn body(self, max: usize) -> Result<Bytes, BodyError> {
        let body = Limited::new(self.response.into_body(), max);
        match timeout_at(self.deadline, body.collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(BodyError::TooLarge(max)),
            Ok(Err(error)) => Err(BodyError::Broken(error.to_string())),
            Err(_) => Err(BodyError::Timeout),
        }
    }
}

/// Ends the connection's task with the answer.
struct Abort(JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How an endpoint is spoken to, beside its URL.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    /// Whose certificate is believed.
    pub trust: &'a Trust,
    /// What is shown if it asks for a certificate.
    pub client: Option<&'a ClientPair>,
    /// What it is reached through.
    pub proxy: Option<&'a Proxy>,
}

/// Makes calls within the guard.
pub struct Dialler {
    guard: Guard,
    resolver: Resolver,
    roots: SystemRoots,
}

impl Dialler {
    /// Puts the parts together.
    #[must_use]
    pub fn new(guard: Guard, resolver: Resolver, roots: SystemRoots) -> Self {
        Self { guard, resolver, roots }
    }

    /// Sends one request to `url` and gives its answer's head. The request's URI must be the path and query of `url`,
    /// its headers complete but for `Host`.
    ///
    /// # Errors
    /// [`DialError`]; nothing in it comes from the request's headers or body.
    pub async fn send(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
        manner: Manner<'_>,
        deadline: Instant,
    ) -> Result<Answer, DialError> {
        timeout_at(deadline, self.exchange(url, request, manner, deadline))
            .await
            .map_err(|_| DialError::Timeout)?
    }

    async fn exchange(
        &self,
        url: &Url,
        mut request: Request<Full<Bytes>>,
        manner: Manner<'_>,
        deadline: Instant,
    ) -> Result<Answer, DialError> {
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some(self.roots.client(manner.trust, manner.client)?),
            other => return Err(DialError::Scheme(other.to_owned())),
        };
        let stream = match manner.proxy {
            None => self.connect(url).await?,
            Some(proxy) if tls.is_some() => self.tunnel(url, proxy).await?,
            Some(proxy) => {
                *request.uri_mut() = proxy::whole(url, request.uri())?;
                self.to(url, proxy).await?
            }
        };
        let Some(tls) = tls else { return exchange(stream, request, deadline).await };
        let name = match url.host().ok_or(DialError::NoHost)? {
            Host::Domain(name) => {
                ServerName::try_from(name.to_owned()).map_err(|e| DialError::Tls(e.to_string()))?
            }
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
        };
        let stream = tokio_rustls::TlsConnector::from(tls)
            .connect(name, stream)
            .await
            .map_err(|e| DialError::Tls(e.to_string()))?;
        exchange(stream, request, deadline).await
    }

    /// Connects to where the URL leads.
    async fn connect(&self, url: &Url) -> Result<TcpStream, DialError> {
        let port = url.port_or_known_default().ok_or(DialError::NoHost)?;
        self.reach(url.host().ok_or(DialError::NoHost)?, port).await
    }

    /// Connects to the first allowed address that answers; literals are judged as names are (decision 26).
    async fn reach(&self, host: Host<&str>, port: u16) -> Result<TcpStream, DialError> {
        let (host, addresses) = match host {
            Host::Domain(name) => (name.to_owned(), self.resolver.lookup(name).await?),
            Host::Ipv4(address) => (address.to_string(), vec![IpAddr::V4(address)]),
            Host::Ipv6(address) => (address.to_string(), vec![IpAddr::V6(address)]),
        };
        let mut failure = DialError::Resolve { host: host.clone(), reason: "no addresses".to_owned() };
        if let Some(address) = addresses.first() {
            failure = DialError::Refused { host, address: *address };
        }
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, port));
        for address in addresses.filter(|address| self.guard.allows(*address)) {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // One small request, one small answer: nothing is to wait for more to send.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(source) => failure = DialError::Connect { address, source },
            }
        }
        Err(failure)
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>, deadline: Instant) -> Result<Answer, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Some servers know header names only as everybody spells them.
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(DialError::Exchange)?;
    let task = tokio::spawn(async move {
        // What breaks the connection reaches the request or the body.
        let _ = connection.await;
    });
    let connection = Abort(task);
    let response = sender.send_request(request).await.map_err(DialError::Exchange)?;
    Ok(Answer { response, deadline, _connection: connection })
}

/// The largest head of an answer, bytes.
const HEAD: usize = 64 * 1024;

/// A dialler for the configuration's targets; `never` are our own addresses.
///
/// # Errors
/// A sentence when the bundle of trusted CAs or the resolver cannot be used.
pub fn from_config(
    config: &crate::config::TargetsConfig,
    never: &[SocketAddr],
) -> Result<Arc<Dialler>, String> {
    let resolver = Resolver::new(&config.name_servers)?;
    Ok(Arc::new(Dialler::new(
        Guard::new(&config.allow, never),
        resolver,
        SystemRoots::new(config.system_ca()),
    )))
}
