//! The embedded mode: a directory of manifests, gateways that watch files, certificates in the state directory.

use std::{sync::Arc, time::Duration};

use fairlead_model::Index;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    RunError, Running, Sockets, absolute, gateway_router, installation, metrics_router, now, plain, take_all,
};
use crate::{
    admin,
    certificates::Certificates,
    config::Config,
    control::Control,
    deliver::{Deliver, files::Files},
    dial, files,
    gateways::{Rendered, reachable},
    grants::broker::Broker,
    health,
    mtls::{self, Identities, Listener, OwnName, Tls},
    publish::Publisher,
    state::{Core, Shared, drained},
    store::{Store, directory::DirectoryStore},
    telemetry::{level::LevelSwitch, metrics::Metrics},
};

/// How often certificates are looked at.
const CERTIFICATES: Duration = Duration::from_secs(3600);

pub(super) async fn start(config: &Config, level: LevelSwitch) -> Result<Running, RunError> {
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
    let state: Shared = Arc::new(Core::new(broker, None, metrics, draining.clone(), level.clone()));

    let by_files = |gateway| Box::new(Files::new(gateway, config.profiles.clone())) as Box<dyn Deliver>;
    let egress = Rendered::egress(config, &state_directory, &addresses).map(by_files);
    let ingress = Rendered::ingress(config, &state_directory, &addresses)?.map(by_files);
    let publisher = Publisher::new(state.clone(), egress, ingress);
    let index = Index::new(&installation(config, &never));
    let mut control = Control::new(index, publisher, state.clone());
    let store =
        DirectoryStore::new(config.resources.clone(), state_directory.join("barriers"), config.store.clone());
    let mut batches = store.watch()?;
    take_all(&mut control, &mut batches, || {}).await?;

    let own =
        Arc::new(OwnName::new(&config.control.server_name, &ensured.control_pem, &ensured.control_key_pem)?);
    let (_, tls) = watch::channel(Arc::new(Tls::new(own.clone(), &ensured.ca_pem, "")?));
    let listener = Listener::new(sockets.gateways, tls, Identities::new(&config.trust_domain));
    let mut tasks = JoinSet::new();
    let (questions, asked) = mpsc::channel(16);
    tasks.spawn(control.run(batches, asked));
    tasks.spawn(admin::serve(admin, questions, draining.clone()));
    tasks.spawn(mtls::serve(listener, gateway_router(state.clone()), draining.clone()));
    tasks.spawn(plain(sockets.health, health::router(level), draining.clone()));
    tasks.spawn(plain(sockets.metrics, metrics_router(state.clone()), draining.clone()));
    tasks.spawn(renew(certificates, config.clone(), own, draining));
    Ok(Running { addresses, internal: None, state, drain, tasks })
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
