//! One HTTP/2 connection to the leader, made when it is needed, with this replica's certificate of Fairlead's own CA.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{kubernetes::authority::Material, mtls::certificates};

/// Until a connection is usable.
const CONNECT: Duration = Duration::from_secs(3);
/// A leader that is silent on an open connection for this long twice is gone.
const PING: Duration = Duration::from_secs(1);
/// How large an answer may be, bytes.
const ANSWER: usize = 256 * 1024;

/// Calls to one other replica at a time.
pub struct Client {
    material: watch::Receiver<Material>,
    server_name: String,
    open: Mutex<Option<Open>>,
}

/// A connection that may still be usable.
struct Open {
    address: String,
    material: Arc<str>,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// With this replica's certificate; `server_name` is what the other's certificate must be for.
    #[must_use]
    pub fn new(material: watch::Receiver<Material>, server_name: &str) -> Self {
        Self { material, server_name: server_name.to_owned(), open: Mutex::default() }
    }

    /// `POST`s JSON to the replica at `address` (`host:port`); its status and answer.
    ///
    /// # Errors
    /// What failed, as one sentence.
    pub async fn post(&self, address: &str, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), String> {
        let mut sender = self.connection(address).await?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("https://{}{path}", self.server_name))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|e| e.to_string())?;
        let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await.map_err(|e| e.to_string())?;
        Ok((status, body.to_bytes()))
    }

    async fn connection(&self, address: &str) -> Result<SendRequest<Full<Bytes>>, String> {
        let material = self.material.borrow().clone();
        if let Some(sender) = self.kept(address, &material) {
            return Ok(sender);
        }
        let sender = timeout(CONNECT, self.connect(address, &material))
            .await
            .unwrap_or_else(|_| Err(format!("no connection within {} s", CONNECT.as_secs())))?;
        let open = Open { address: address.to_owned(), material: material.bundle, sender: sender.clone() };
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(sender)
    }

    fn kept(&self, address: &str, material: &Material) -> Option<SendRequest<Full<Bytes>>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = |open: &&Open| {
            open.address == address && open.material == material.bundle && !open.sender.is_closed()
        };
        open.as_ref().filter(usable).map(|open| open.sender.clone())
    }

    async fn connect(&self, address: &str, material: &Material) -> Result<SendRequest<Full<Bytes>>, String> {
        let name = ServerName::try_from(self.server_name.clone()).map_err(|e| e.to_string())?;
        let connector = TlsConnector::from(Arc::new(tls(material)?));
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let stream = connector.connect(name, stream).await.map_err(|e| e.to_string())?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the leader ended");
            }
        });
        Ok(sender)
    }
}

fn tls(material: &Material) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(&material.bundle)? {
        roots.add(authority).map_err(|e| e.to_string())?;
    }
    let key = PrivateKeyDer::from_pem_slice(material.own.key_pem.as_bytes()).map_err(|e| e.to_string())?;
    let chain = certificates(&material.own.certificate_pem)?;
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|e| e.to_string())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
