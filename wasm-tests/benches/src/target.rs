//! Targets and everything else that answers in the bench's own process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use fairlead_testkit::{Error, Result, certs::Authority, error::Doing as _};
use fairlead_wire::feed::{Credential, EgressOutcome, EgressRecord, EgressRoute};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_rustls::TlsAcceptor;

use crate::{
    bed::{Bed, DOMAIN},
    feed::Feed,
    responder,
};

/// What the ext_authz responder lets a request have on top: lines of its answer.
pub(crate) type Granted = Arc<Mutex<String>>;

/// Ports of everything that answers. All listen on every loopback address.
pub(crate) struct Targets {
    pub(crate) plain: u16,
    pub(crate) tls: u16,
    pub(crate) authz: u16,
    pub(crate) control: u16,
    /// Trusted by whoever calls `tls`, PEM.
    pub(crate) ca: String,
    pub(crate) feed: Arc<Feed>,
    pub(crate) granted: Granted,
    seen: Arc<Seen>,
}

/// What a target saw last, if asked to look.
#[derive(Default)]
struct Seen {
    look: AtomicBool,
    head: Mutex<Bytes>,
}

impl Targets {
    /// Starts them. `name` is the TLS target's DNS name, possibly a wildcard.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let handle = thread()?;
        let authority = Authority::new("bench CA")?;
        let acceptor = acceptor(&authority, name)?;
        let (feed, seen) = (Arc::new(Feed::default()), Arc::new(Seen::default()));
        let granted = Granted::default();
        let body = br#"{"id":17,"status":"open","items":3}"#;
        let response = responder::ok("content-type: application/json\r\nserver: target\r\n", body);
        let target = {
            let (seen, response) = (Arc::clone(&seen), response);
            move |message: responder::Message| {
                let mut response = response.clone();
                if seen.look.load(Ordering::Relaxed) {
                    seen.head.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&message.head);
                    response = strange(message.target()).unwrap_or(response);
                }
                std::future::ready(response)
            }
        };
        let plain = listen(&handle, None, target.clone())?;
        let tls = listen(&handle, Some(acceptor), target)?;
        let lines = Arc::clone(&granted);
        let authz = listen(&handle, None, move |_| {
            let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            std::future::ready(responder::ok(&lines, b""))
        })?;
        let control = {
            let feed = Arc::clone(&feed);
            // A thread of its own: while it makes a page, targets answer.
            listen(&thread()?, None, move |message| {
                let feed = Arc::clone(&feed);
                async move { feed.answer(message).await }
            })?
        };
        Ok(Self { plain, tls, authz, control, ca: authority.pem().to_owned(), feed, granted, seen })
    }

    /// Looks at every request from now on; the head of the last one.
    pub(crate) fn last(&self) -> String {
        self.seen.look.store(true, Ordering::Relaxed);
        let head = self.seen.head.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&head).into_owned()
    }

    /// The head of the request that `call` brings here: its lines, sorted, but the first.
    pub(crate) fn seen(&self, call: impl FnOnce() -> Result) -> Result<Vec<String>> {
        self.seen.look.store(true, Ordering::Relaxed);
        let called = call();
        self.seen.look.store(false, Ordering::Relaxed);
        called?;
        let head = std::mem::take(&mut *self.seen.head.lock().unwrap_or_else(PoisonError::into_inner));
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        if lines.is_empty() {
            return Err(Error::new("the target saw nothing"));
        }
        lines.sort();
        Ok(lines)
    }
}

/// Answers for checks: a redirect, and a failure.
fn strange(path: &str) -> Option<Bytes> {
    let (status, lines) = match path.rsplit('/').next()? {
        "moved" => ("302 Found", "location: /api/there\r\n"),
        "broken" => ("503 Service Unavailable", ""),
        _ => return None,
    };
    Some(responder::answer(status, lines, b""))
}

/// A runtime on a thread of its own, as long as the process lives.
fn thread() -> Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    Ok(handle)
}

fn listen<A, F>(runtime: &Handle, tls: Option<TlsAcceptor>, answer: A) -> Result<u16>
where
    A: Fn(responder::Message) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Bytes> + Send + 'static,
{
    let socket = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    socket.set_nonblocking(true)?;
    let port = socket.local_addr()?.port();
    let _entered = runtime.enter();
    let socket = TcpListener::from_std(socket)?;
    runtime.spawn(responder::accept(socket, tls, answer));
    Ok(port)
}

fn acceptor(authority: &Authority, name: &str) -> Result<TlsAcceptor> {
    let identity = authority.server(&[name])?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .doing("cannot configure TLS")?
        .with_no_client_auth()
        .with_single_cert(identity.chain()?, identity.key()?)
        .doing("cannot use a certificate")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// An Application with one service `svc` on a plain host of its own, Basic; key and record.
pub(crate) fn record(bed: &Bed, application: &str, number: usize) -> (String, EgressRecord) {
    let route = EgressRoute {
        profile: bed.plain.id.clone(),
        authority: format!("{application}.{DOMAIN}:{}", bed.targets.plain),
        base_path: "/api".to_owned(),
        encode_url: true,
        credential: Credential::Static(format!("Basic {number:040}")),
        ..EgressRoute::default()
    };
    let record = EgressRecord { manual: true, outcome: EgressOutcome::Route(Box::new(route)) };
    (format!("{application}/svc/api"), record)
}
