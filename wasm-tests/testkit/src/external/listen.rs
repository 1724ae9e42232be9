//! The listeners of the double.
//!
//! | name | what |
//! | --- | --- |
//! | `http` | plain, HTTP/1.1 |
//! | `https` | certificate by `ca.pem`, HTTP/2 or HTTP/1.1 |
//! | `https1` | the same without HTTP/2 |
//! | `h2` | the same without HTTP/1.1 |
//! | `other` | certificate by `other-ca.pem` |
//! | `wrong-name` | certificate by `ca.pem` for `wrong.invalid` |
//! | `expired` | certificate by `ca.pem` that is over |
//! | `self-signed` | certificate by nobody |
//! | `mtls` | as `https`, a client certificate is demanded |
//! | `sink` | plain, the event sink |
//! | `proxy` | plain, a CONNECT proxy |

use std::{net::SocketAddr, sync::Arc};

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    admin,
    answer::Answer,
    dns, endpoints,
    http1::{self, End},
    http2,
    options::{Options, Ready},
    proxy,
    record::Recorded,
    settings::Settings,
    sink,
    state::State,
    tls::{self, Clients},
};
use crate::{
    Error, Result,
    certs::{Authority, Identity, Request},
    error::Doing as _,
};

/// Who answers.
#[derive(Clone, Copy)]
enum Role {
    Target,
    Sink,
    Proxy,
    Admin,
}

/// One listener, bound to all addresses.
struct Listener {
    name: &'static str,
    role: Role,
    tls: Option<TlsAcceptor>,
    sockets: Vec<TcpListener>,
}

/// How often another free port is tried when one is not free on every address.
const PORT_TRIES: u32 = 32;

/// Starts everything in background tasks of the running tokio runtime.
///
/// # Errors
/// An address cannot be bound, or a file cannot be read or written.
pub async fn start(options: &Options) -> Result<Ready> {
    let mut settings = Settings::default();
    for (name, address) in &options.dns {
        settings.dns.entry(name.clone()).or_default().push(*address);
    }
    let state = State::new(settings);
    let mut listeners = std::collections::BTreeMap::new();
    for listener in listeners_of(options).await? {
        if let Some(socket) = listener.sockets.first() {
            listeners.insert(listener.name.to_owned(), socket.local_addr()?);
        }
        accept(listener, &state);
    }
    let socket = TcpListener::bind(("127.0.0.1", fixed(options, "admin"))).await.doing("admin interface")?;
    let admin = socket.local_addr()?;
    accept(Listener { name: "admin", role: Role::Admin, tls: None, sockets: vec![socket] }, &state);
    let socket = UdpSocket::bind(("127.0.0.1", fixed(options, "dns"))).await.doing("DNS server")?;
    let dns = socket.local_addr()?;
    tokio::spawn(dns::serve(socket, state));
    Ok(Ready { listeners, admin, dns })
}

fn fixed(options: &Options, name: &str) -> u16 {
    options.ports.iter().find(|(listener, _)| listener == name).map_or(0, |(_, port)| *port)
}

async fn listeners_of(options: &Options) -> Result<Vec<Listener>> {
    std::fs::create_dir_all(&options.directory).doing("cannot make the directory")?;
    let addresses: Vec<String> = options.binds.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = options.names.iter().chain(&addresses).map(String::as_str).collect();
    let (ca, other) = (Authority::new("Double CA")?, Authority::new("Double other CA")?);
    for (authority, file) in [(&ca, "ca.pem"), (&other, "other-ca.pem")] {
        std::fs::write(options.directory.join(file), authority.pem()).doing("cannot write a CA")?;
    }
    let clients = match &options.client_ca {
        None => Clients::Any,
        Some(file) => Clients::By(std::fs::read_to_string(file).doing("cannot read the client CA")?),
    };
    let good = ca.server(&names)?;
    let both: &[&str] = &["h2", "http/1.1"];
    let secure: [(&'static str, Identity, Clients, &[&str]); 8] = [
        ("https", good.clone(), Clients::Optional, both),
        ("https1", good.clone(), Clients::Optional, &["http/1.1"]),
        ("h2", good.clone(), Clients::Optional, &["h2"]),
        ("other", other.server(&names)?, Clients::Optional, both),
        ("wrong-name", ca.server(&["wrong.invalid"])?, Clients::Optional, both),
        ("expired", ca.issue(&Request::server(&names).expired())?, Clients::Optional, both),
        ("self-signed", Identity::self_signed(&names)?, Clients::Optional, both),
        ("mtls", good, clients, both),
    ];
    let mut listeners = Vec::new();
    for (name, role) in [("http", Role::Target), ("sink", Role::Sink), ("proxy", Role::Proxy)] {
        listeners.push(Listener { name, role, tls: None, sockets: bind(options, name).await? });
    }
    for (name, identity, clients, alpn) in secure {
        let tls = Some(TlsAcceptor::from(tls::server(&identity, &clients, alpn)?));
        listeners.push(Listener { name, role: Role::Target, tls, sockets: bind(options, name).await? });
    }
    Ok(listeners)
}

/// The same port on every address.
async fn bind(options: &Options, name: &str) -> Result<Vec<TcpListener>> {
    let wanted = fixed(options, name);
    let mut last = Error::new(format!("no address for {name}"));
    for _ in 0..if wanted == 0 { PORT_TRIES } else { 1 } {
        match bind_all(options, wanted).await {
            Ok(sockets) => return Ok(sockets),
            Err(error) => last = Error::new(format!("cannot listen for {name}: {error}")),
        }
    }
    Err(last)
}

async fn bind_all(options: &Options, wanted: u16) -> std::io::Result<Vec<TcpListener>> {
    let mut port = wanted;
    let mut sockets = Vec::new();
    for address in &options.binds {
        let socket = TcpListener::bind(SocketAddr::new(*address, port)).await?;
        port = socket.local_addr()?.port();
        sockets.push(socket);
    }
    Ok(sockets)
}

fn accept(listener: Listener, state: &Arc<State>) {
    for socket in listener.sockets {
        let (name, role, tls, state) =
            (listener.name, listener.role, listener.tls.clone(), Arc::clone(state));
        tokio::spawn(async move {
            loop {
                // Out of file descriptors or a connection that is gone already: the next one may do.
                let Ok((stream, peer)) = socket.accept().await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let connection = Recorded {
                    listener: name.to_owned(),
                    connection: if matches!(role, Role::Admin) { 0 } else { state.connection() },
                    peer: peer.to_string(),
                    ..Recorded::default()
                };
                let (tls, state) = (tls.clone(), Arc::clone(&state));
                tokio::spawn(async move { serve(stream, tls, connection, role, state).await });
            }
        });
    }
}

/// Serves one connection; how it failed is the peer's business.
async fn serve(
    mut stream: TcpStream,
    tls: Option<TlsAcceptor>,
    mut connection: Recorded,
    role: Role,
    state: Arc<State>,
) {
    let answer = move |request: &mut Recorded| answer(role, &state, request);
    let Some(tls) = tls else {
        if let Ok(End::Reset) = http1::serve(&mut stream, &connection, answer).await {
            let _ = stream.set_zero_linger();
        }
        return;
    };
    let Ok(mut stream) = tls.accept(stream).await else { return };
    let described = tls::describe(stream.get_ref().1);
    let http2 = described.alpn.as_deref() == Some("h2");
    connection.tls = Some(described);
    if http2 {
        let _ = http2::serve(stream, connection, answer).await;
    } else {
        match http1::serve(&mut stream, &connection, answer).await {
            Ok(End::Reset) => {
                let _ = stream.get_ref().0.set_zero_linger();
            }
            Ok(End::Closed) => close(&mut stream).await,
            Err(_) => {}
        }
    }
}

/// Ends TLS as it should be ended, so that a peer can tell the end from a cut.
async fn close(stream: &mut TlsStream<TcpStream>) {
    let _ = tokio::io::AsyncWriteExt::shutdown(stream).await;
}

fn answer(role: Role, state: &State, request: &mut Recorded) -> Answer {
    let answers = match role {
        Role::Admin => return admin::answer(state, request),
        Role::Target => endpoints::answer,
        Role::Sink => sink::answer,
        Role::Proxy => proxy::answer,
    };
    state.record(request);
    Answer { running: state.run(request), ..answers(state, request) }
}
