//! `fairlead run`: start in an order in which nobody sees half of it, serve, drain at SIGTERM or SIGINT.
//!
//! Sockets are bound first, because gateways' files name their ports; then certificates, objects, the first publishing;
//! only then anybody is answered, and the ready line goes out.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware,
    response::Response,
    routing::get,
};
use fairlead_model::{Index, Installation};
use fairlead_resources::Sink;
use fairlead_wire::feed;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    admin,
    certificates::Certificates,
    config::Config,
    control::Control,
    deliver::{Deliver, files::Files},
    dial, files,
    gateways::{Addresses, Rendered, reachable},
    grants::{self, broker::Broker},
    health,
    mtls::{self, Identities, Listener, OwnName},
    publish::Publisher,
    state::{Core, Shared, drained},
    store::{Store, directory::DirectoryStore},
    telemetry::{level::LevelSwitch, metrics::Metrics},
};

/// How often certificates are looked at.
const CERTIFICATES: Duration = Duration::from_secs(3600);
/// How long open conversations get at the end.
const DRAIN: Duration = Duration::from_secs(3);

/// Why the control plane did not start: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A port.
    #[error("cannot listen on {address} ({field}): {reason}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Field of the configuration.
        field: &'static str,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The state directory or one of its files.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// Certificates.
    #[error(transparent)]
    Certificates(#[from] crate::certificates::CertificateError),
    /// TLS of the gateways' port.
    #[error(transparent)]
    Tls(#[from] mtls::TlsError),
    /// The resources.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The admin socket.
    #[error(transparent)]
    Admin(#[from] admin::AdminError),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// A control plane that serves.
pub struct Running {
    /// Where it listens.
    pub addresses: Addresses,
    /// Its shared state.
    pub state: Shared,
    drain: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Lets open requests finish, then ends all tasks.
    pub async fn stop(mut self) {
        self.drain.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(DRAIN, all).await;
    }
}

/// Starts everything and returns once the first state is published and all ports answer.
///
/// # Errors
/// [`RunError`]: one sentence with what to do.
pub async fn start(config: &Config, level: LevelSwitch) -> Result<Running, RunError> {
    let state_directory = absolute(&config.state_directory)?;
    files::make_private(&state_directory)?;
    let (sockets, addresses) = Sockets::bind(config).await?;
    let certificates = Certificates::new(&state_directory);
    let ensured = certificates.ensure(config, now())?;
    let private = state_directory.join("pki");
    let admin = admin::bind(&crate::config::admin_socket(&state_directory), &private).await?;

    let (drain, draining) = watch::channel(false);
    let metrics = Metrics::new();
    let never = [addresses.gateways, addresses.health, addresses.metrics].map(reachable);
    let dialler = dial::from_config(&config.targets, &never).map_err(RunError::Other)?;
    let broker = Broker::new(dialler, config.grants.clone(), metrics.clone());
    let state: Shared = Arc::new(Core::new(broker, metrics, draining.clone(), level.clone()));

    let by_files = |gateway| Box::new(Files::new(gateway, config.profiles.clone())) as Box<dyn Deliver>;
    let egress = Rendered::egress(config, &state_directory, &addresses).map(by_files);
    let ingress = Rendered::ingress(config, &state_directory, &addresses)?.map(by_files);
    let publisher = Publisher::new(state.clone(), egress, ingress);
    let index = Index::new(&installation(config, &never));
    let mut control = Control::new(index, publisher, state.clone());
    let store =
        DirectoryStore::new(config.resources.clone(), state_directory.join("barriers"), config.store.clone());
    let mut batches = store.watch()?;
    let mut more = true;
    while more {
        let batch = batches.recv().await;
        let batch = batch.ok_or_else(|| RunError::Other("the resources could not be read".to_owned()))?;
        more = batch.more;
        control.take(batch).await;
    }

    let own =
        Arc::new(OwnName::new(&config.control.server_name, &ensured.control_pem, &ensured.control_key_pem)?);
    let tls = mtls::config(own.clone(), &[&ensured.ca_pem])?;
    let listener = Listener::new(sockets.gateways, tls, Identities::new(&config.trust_domain));
    let mut tasks = JoinSet::new();
    let (questions, asked) = mpsc::channel(16);
    tasks.spawn(control.run(batches, asked));
    tasks.spawn(admin::serve(admin, questions, draining.clone()));
    tasks.spawn(mtls::serve(listener, gateway_router(state.clone()), draining.clone()));
    tasks.spawn(plain(sockets.health, health::router(level), draining.clone()));
    tasks.spawn(plain(sockets.metrics, metrics_router(state.clone()), draining.clone()));
    tasks.spawn(renew(certificates, config.clone(), own, draining));
    Ok(Running { addresses, state, drain, tasks })
}

struct Sockets {
    gateways: TcpListener,
    health: TcpListener,
    metrics: TcpListener,
}

impl Sockets {
    async fn bind(config: &Config) -> Result<(Self, Addresses), RunError> {
        let control = &config.control;
        let (gateways, at) = listen(control, control.gateway_port, "control.gatewayPort").await?;
        let (health, health_at) = listen(control, control.health_port, "control.healthPort").await?;
        let (metrics, metrics_at) = listen(control, control.metrics_port, "control.metricsPort").await?;
        Ok((
            Self { gateways, health, metrics },
            Addresses { gateways: at, health: health_at, metrics: metrics_at },
        ))
    }
}

async fn listen(
    control: &crate::config::ControlConfig,
    port: u16,
    field: &'static str,
) -> Result<(TcpListener, SocketAddr), RunError> {
    let address = SocketAddr::new(control.address, port);
    let failed = |reason| RunError::Listen { address, field, reason };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn installation(config: &Config, own: &[SocketAddr]) -> Installation {
    Installation {
        secret_namespaces: config.secret_namespaces.clone(),
        sink: config.sink.clone().map(Sink::Publisher),
        refused_authorities: own.iter().map(ToString::to_string).collect(),
    }
}

/// Feed and grants; every answer says that it is truly ours (wire: `feed::MARKER`).
pub fn gateway_router(state: Shared) -> Router {
    feed_marked(crate::feed::serve::router().merge(grants::serve::router()).with_state(state))
}

fn feed_marked(router: Router) -> Router {
    router.layer(middleware::map_response(async |mut response: Response| {
        response.headers_mut().insert(feed::MARKER, HeaderValue::from_static("1"));
        response
    }))
}

fn metrics_router(state: Shared) -> Router {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = async move || ([(header::CONTENT_TYPE, TYPE)], state.metrics.text());
    Router::new().route("/metrics", get(text))
}

async fn plain(socket: TcpListener, router: Router, mut draining: watch::Receiver<bool>) {
    let end = async move { drained(&mut draining).await };
    if let Err(error) = axum::serve(socket, router).with_graceful_shutdown(end).await {
        tracing::error!(%error, "a plain listener has ended");
    }
}

/// Renews certificates in time; Envoy takes its own from the files.
async fn renew(
    certificates: Certificates,
    config: Config,
    own: Arc<OwnName>,
    mut draining: watch::Receiver<bool>,
) {
    while timeout(CERTIFICATES, drained(&mut draining)).await.is_err() {
        match certificates.ensure(&config, now()) {
            Ok(ensured) if ensured.renewed.is_empty() => {}
            Ok(ensured) => {
                tracing::info!(names = ?ensured.renewed, "certificates were renewed");
                if let Err(error) = own.replace(&ensured.control_pem, &ensured.control_key_pem) {
                    tracing::error!(%error, "the renewed certificate cannot be used");
                }
            }
            Err(error) => tracing::error!(%error, "certificates cannot be renewed; the old ones stay"),
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn absolute(path: &Path) -> Result<PathBuf, RunError> {
    std::path::absolute(path).map_err(|e| RunError::Other(format!("cannot find {}: {e}", path.display())))
}
