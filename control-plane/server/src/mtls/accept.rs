//! Accepting connections: handshake with a time limit, peer from its certificate, HTTP/1.1 or HTTP/2, draining.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{Identities, Tls};
use crate::state::drained;

/// How long a TLS handshake and request headers may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many connections are served at once: gateways need one a worker.
const CONNECTIONS: usize = 4_096;
/// How long open requests get to finish at the end.
const DRAIN: Duration = Duration::from_secs(2);

/// Where the other end of a request's connection is.
#[derive(Clone, Copy, Debug)]
pub struct Remote(pub IpAddr);

/// A bound socket with its TLS.
pub struct Listener {
    socket: TcpListener,
    tls: watch::Receiver<Arc<Tls>>,
    identities: Arc<Identities>,
}

impl Listener {
    /// Puts TLS on a bound socket.
    #[must_use]
    pub fn new(socket: TcpListener, tls: watch::Receiver<Arc<Tls>>, identities: Identities) -> Self {
        Self { socket, tls, identities: Arc::new(identities) }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Serves `router` until `draining` becomes true, then lets open requests finish.
pub async fn serve(listener: Listener, router: Router, mut draining: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            () = drained(&mut draining) => break,
        };
        let (stream, remote) = match accepted {
            Ok((stream, remote)) => (stream, Remote(remote.ip().to_canonical())),
            Err(error) => {
                // Out of descriptors, mostly: without a pause this would spin.
                tracing::warn!(%error, "cannot accept a gateway's connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            tracing::warn!(limit = CONNECTIONS, "too many gateway connections; one is refused");
            continue;
        };
        let (tls, identities) = (listener.tls.borrow().clone(), listener.identities.clone());
        let (router, watcher) = (router.clone().layer(Extension(remote)), graceful.watcher());
        tokio::spawn(async move {
            let _slot = slot;
            connection(stream, &tls, &identities, router, watcher).await;
        });
    }
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::info!("some requests were still open at the end of the drain");
    }
}

async fn connection(
    stream: TcpStream,
    tls: &Tls,
    identities: &Identities,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Small answers to long polls must not wait for more.
    let _ = stream.set_nodelay(true);
    let stream = match timeout(HANDSHAKE, TlsAcceptor::from(tls.config.clone()).accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%error, "a TLS handshake on the gateways' port failed");
            return;
        }
        Err(_) => return,
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let Some(peer) = certificate.map(|certificate| identities.peer(certificate, &tls.own)) else { return };
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(%error, "a gateway's connection ended");
    }
}
