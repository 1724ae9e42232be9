//! The client of the API server: one HTTP/2 connection for everything where the server speaks it, as its own clients do, and
//! no request that is sent twice behind our back.
//!
//! A watch may be silent for minutes and be well, so silence tells nothing of a connection whose other end has gone without a
//! word, or does nothing any longer. Pings do: where one has no answer the connection ends, and with it every watch and call
//! on it, which their owners begin anew. Retries are theirs too: they know what may be asked again, and when.

use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Config,
    client::{Body, ClientBuilder, ConfigExt},
};
use rustls::{crypto::CryptoProvider, pki_types::ServerName};
use tower::{BoxError, Service, ServiceBuilder};

use super::KubernetesError;

/// Until a TCP connection is there.
const CONNECT: Duration = Duration::from_secs(5);
/// Until an answer begins, with the handshake of a new connection; a watch's too.
const BEGIN: Duration = Duration::from_secs(15);
/// How often the other end is asked whether it lives, and how long it has for the answer.
const PING: Duration = Duration::from_secs(10);
/// The same between the kernels, for a server that only speaks HTTP/1.1: this often, and so many times in vain.
const PROBE: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// Makes a client for this configuration; nothing is asked yet.
///
/// # Errors
/// [`KubernetesError::Configuration`]: certificates or credentials that cannot be used, or a proxy.
pub fn builder(
    config: Config,
) -> Result<
    ClientBuilder<
        impl Service<Request<Body>, Response = Response<Incoming>, Error = BoxError, Future: Send>
        + Send
        + 'static,
    >,
    KubernetesError,
> {
    if CryptoProvider::get_default().is_none() {
        // Another thread may have been faster with the same one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    if config.proxy_url.is_some() {
        let reason = "it names a proxy, which is not supported on the way to the API server".to_owned();
        return Err(KubernetesError::Configuration(reason));
    }
    let failed = |error: kube::Error| KubernetesError::Configuration(error.to_string());
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(PING));
    tcp.set_keepalive_interval(Some(PROBE));
    tcp.set_keepalive_retries(Some(PROBES));
    let tls = config.rustls_client_config().map_err(failed)?;
    let mut connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = ServerName::try_from(name.clone());
        let name = name.map_err(|error| KubernetesError::Configuration(error.to_string()))?;
        connector = connector.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let client = legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING)
        // Else a connection that nobody waits at would be found dead by who needs it next.
        .http2_keep_alive_while_idle(true)
        .build(connector.enable_all_versions().wrap_connector(tcp));
    let service = ServiceBuilder::new()
        .timeout(BEGIN)
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(failed)?)
        .layer(config.extra_headers_layer().map_err(failed)?)
        .map_err(BoxError::from)
        .service(client);
    Ok(ClientBuilder::new(service, config.default_namespace))
}
