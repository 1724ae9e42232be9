//! `fairlead run`: start in an order in which nobody sees half of it, serve, drain at SIGTERM or SIGINT.
//!
//! Sockets are bound first, because gateways are told their ports; then certificates, objects, the first publishing;
//! only then anybody is answered, and the ready line goes out. What is different between the modes is in `embedded` and
//! `mesh`.

mod embedded;
mod mesh;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware,
    response::Response,
    routing::get,
};
use fairlead_model::Installation;
use fairlead_render::guard::REFUSED;
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
    config::Config,
    control::Control,
    files,
    gateways::Addresses,
    grants, mtls,
    state::{Shared, drained},
    store::Batch,
    telemetry::level::LevelSwitch,
};

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
    /// The cluster.
    #[error(transparent)]
    Kubernetes(#[from] crate::kubernetes::KubernetesError),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// A control plane that serves.
pub struct Running {
    /// Where it listens.
    pub addresses: Addresses,
    /// Where it serves modules; none in the embedded mode.
    pub internal: Option<SocketAddr>,
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
    match &config.kubernetes {
        None => embedded::start(config, level).await,
        Some(kubernetes) => mesh::start(config, kubernetes, level).await,
    }
}

/// Takes batches until everything that is there is published; `synced` is called before the last one.
async fn take_all(
    control: &mut Control,
    batches: &mut mpsc::Receiver<Batch>,
    mut synced: impl FnMut(),
) -> Result<(), RunError> {
    loop {
        let batch = batches.recv().await;
        let batch = batch.ok_or_else(|| RunError::Other("the resources could not be read".to_owned()))?;
        let more = batch.more;
        if !more {
            synced();
        }
        control.take(batch).await;
        if !more {
            return Ok(());
        }
    }
}

struct Sockets {
    gateways: TcpListener,
    health: TcpListener,
    metrics: TcpListener,
    internal: Option<TcpListener>,
}

/// Port for modules in Kubernetes mode, where the configuration names none (decision 28).
const INTERNAL: u16 = 8080;

impl Sockets {
    async fn bind(config: &Config) -> Result<(Self, Addresses), RunError> {
        let control = &config.control;
        let (gateways, at) = listen(control, control.gateway_port, "control.gatewayPort").await?;
        let (health, health_at) = listen(control, control.health_port, "control.healthPort").await?;
        let (metrics, metrics_at) = listen(control, control.metrics_port, "control.metricsPort").await?;
        let internal = match config.kubernetes {
            None => None,
            Some(_) => {
                let port = control.internal_port.unwrap_or(INTERNAL);
                Some(listen(control, port, "control.internalPort").await?.0)
            }
        };
        Ok((
            Self { gateways, health, metrics, internal },
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
        refused_networks: REFUSED.iter().filter_map(|network| network.parse().ok()).collect(),
        allowed_networks: config.targets.allow.clone(),
        proxy: config.targets.proxy(),
        replay: config.gateways.replay.enabled,
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

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn absolute(path: &Path) -> Result<PathBuf, RunError> {
    std::path::absolute(path).map_err(|e| RunError::Other(format!("cannot find {}: {e}", path.display())))
}
