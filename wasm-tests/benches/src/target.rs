//! Targets and everything else that answers in the bench's own process.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use fairlead_testkit::{
    Error, Result,
    certs::{Authority, Identity, certificates},
    error::Doing as _,
};
use fairlead_wire::feed::{Credential, EgressOutcome, EgressRecord, EgressRoute};
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, server::WebPkiClientVerifier};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_rustls::TlsAcceptor;

use crate::{
    authz::Authz,
    bed::{Bed, DOMAIN},
    feed::Feed,
    proc::Thread,
    responder,
};

/// Ports of everything that answers. All listen on every loopback address.
pub(crate) struct Targets {
    pub(crate) plain: u16,
    pub(crate) tls: u16,
    /// As `tls`, and wants a client certificate.
    pub(crate) mutual: u16,
    pub(crate) authz: u16,
    pub(crate) control: u16,
    /// Trusted by whoever calls `tls`, PEM.
    pub(crate) ca: String,
    pub(crate) feed: Arc<Feed>,
    /// What `mutual` believes.
    pub(crate) client: Identity,
    /// Answers at `authz`.
    pub(crate) service: Arc<Authz>,
    /// The thread that does.
    pub(crate) service_thread: Thread,
    once: Arc<OneTime>,
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
        let (handle, _) = thread()?;
        let authority = Authority::new("bench CA")?;
        let clients = Authority::new("bench clients")?;
        let (feed, seen) = (Arc::new(Feed::default()), Arc::new(Seen::default()));
        let once = Arc::new(OneTime::default());
        let body = br#"{"id":17,"status":"open","items":3}"#;
        let response = responder::ok("content-type: application/json\r\nserver: target\r\n", body);
        let target = {
            let (seen, once) = (Arc::clone(&seen), Arc::clone(&once));
            move |message: responder::Message| {
                if message.target().starts_with(ONE_TIME) && !once.accepts(&message.head) {
                    return std::future::ready(responder::answer("401 Unauthorized", "", b"rejected"));
                }
                let mut response = response.clone();
                if seen.look.load(Ordering::Relaxed) {
                    seen.head.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&message.head);
                    response = strange(message.target()).unwrap_or(response);
                }
                std::future::ready(response)
            }
        };
        let plain = listen(&handle, None, target.clone())?;
        let tls = listen(&handle, Some(acceptor(&authority, name, None)?), target.clone())?;
        let mutual = listen(&handle, Some(acceptor(&authority, name, Some(&clients))?), target)?;
        let service = Arc::new(Authz::default());
        let (handle, service_thread) = thread()?;
        let authz = {
            let service = Arc::clone(&service);
            listen(&handle, None, move |message| std::future::ready(service.answer(&message)))?
        };
        let control = {
            let feed = Arc::clone(&feed);
            // A thread of its own: while it makes a page, targets answer.
            listen(&thread()?.0, None, move |message| {
                let feed = Arc::clone(&feed);
                async move { feed.answer(message).await }
            })?
        };
        let (ca, client) = (authority.pem().to_owned(), clients.client("bench")?);
        Ok(Self { plain, tls, mutual, authz, control, ca, client, feed, service, service_thread, once, seen })
    }

    /// Requests whose grant was not taken at [`ONE_TIME`].
    pub(crate) fn rejected(&self) -> u64 {
        self.once.rejected.load(Ordering::Relaxed)
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

/// Paths at the target that begin so take a grant once.
pub(crate) const ONE_TIME: &str = "/once";

/// Grants that were taken: the last serial of each, by what comes before it.
#[derive(Default)]
struct OneTime {
    taken: Mutex<HashMap<String, u64>>,
    rejected: AtomicU64,
}

impl OneTime {
    /// Takes the grant of this request, unless it or a later one was taken before.
    fn accepts(&self, head: &[u8]) -> bool {
        let text = String::from_utf8_lossy(head);
        let grant = text.lines().find_map(|line| line.strip_prefix("authorization: ")?.rsplit_once('.'));
        let Some((grant, Ok(serial))) = grant.map(|(grant, serial)| (grant, serial.parse::<u64>())) else {
            return false;
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let last = taken.entry(grant.to_owned()).or_default();
        let accepts = serial > *last;
        *last = serial.max(*last);
        if !accepts {
            self.rejected.fetch_add(1, Ordering::Relaxed);
        }
        accepts
    }
}

/// A runtime on a thread of its own, as long as the process lives.
fn thread() -> Result<(Handle, Thread)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (send, thread) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(Thread::current());
        runtime.block_on(std::future::pending::<()>());
    });
    Ok((handle, thread.recv().doing("no thread")?))
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

fn acceptor(authority: &Authority, name: &str, clients: Option<&Authority>) -> Result<TlsAcceptor> {
    let identity = authority.server(&[name])?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = match clients {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(clients.pem())?);
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .doing("cannot verify clients")?
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .doing("cannot configure TLS")?
        .with_client_cert_verifier(verifier)
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
