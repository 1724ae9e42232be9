//! Kubernetes mode: objects of the API server, gateways of a mesh, other replicas.
//!
//! The store is read first. Then this replica may lead, so that somebody delivers the transport profiles without which records
//! wait; then it serves, then it announces that it does. Gateways are given the plugin last, because that takes the word of
//! all live replicas (see [`module`](crate::module)).

use std::sync::Arc;

use fairlead_model::Index;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    RunError, Running, Sockets, absolute, gateway_router, installation, metrics_router, plain, take_all,
};
use crate::{
    admin, conditions,
    config::{Config, KubernetesConfig},
    control::Control,
    deliver, dial, files,
    gateways::reachable,
    grants::{broker::Broker, forward::Forwarder},
    health,
    kubernetes::{Cluster, Leadership, Pushes, Signals, authority, lease::Elector, replicas::Replicas, root},
    module::{self, Modules},
    mtls::{self, Identities, Listener, OwnName, Tls},
    publish::Publisher,
    replica::{self, Replica, client::Client, reports::Reporter},
    state::{Core, Shared, drained},
    store::{Store, kubernetes::KubernetesStore},
    telemetry::{level::LevelSwitch, metrics::Metrics},
};

pub(super) async fn start(
    config: &Config,
    kubernetes: &KubernetesConfig,
    level: LevelSwitch,
) -> Result<Running, RunError> {
    let state_directory = absolute(&config.state_directory)?;
    files::make_private(&state_directory)?;
    let (sockets, addresses) = Sockets::bind(config).await?;
    let admin = admin::bind(&crate::config::admin_socket(&state_directory), &state_directory).await?;
    let modules = Modules::read(&config.gateways.module).map_err(RunError::Other)?;
    let (drain, draining) = watch::channel(false);
    let mut tasks = JoinSet::new();

    let cluster = Cluster::connect(kubernetes, addresses.gateways).await?.anchored().await?;
    let (keeper, material, ca) = authority::Keeper::begin(&cluster, config).await?;
    let (mesh_roots_told, mesh_roots) = watch::channel(String::new());
    tasks.spawn(root::follow(cluster.clone(), mesh_roots_told, draining.clone()));
    let (elector, leadership) = Elector::new(&cluster);
    let (module_told, module) = watch::channel(None);
    let (pushes_told, pushes) = watch::channel(Pushes::default());
    let (missing_told, missing) = watch::channel(Arc::default());
    let signals = Signals { leadership: leadership.clone(), ca, module: module.clone(), pushes, missing };

    let client = || Client::new(material.clone(), &config.control.server_name);
    let metrics = Metrics::new();
    let own = deliver::kubernetes::never::known(&cluster, config).await;
    let listening = [addresses.gateways, addresses.health, addresses.metrics].map(reachable);
    let never: Vec<_> = listening.into_iter().chain(own.addresses.iter().copied()).collect();
    let dialler = dial::from_config(&config.targets, &never).map_err(RunError::Other)?;
    let broker = Broker::new(dialler, config.grants.clone(), metrics.clone());
    broker.activate(false);
    tasks.spawn(activate(broker.clone(), leadership.clone(), draining.clone()));
    let forwarder = Forwarder::new(leadership.clone(), client(), metrics.clone());
    let state: Shared =
        Arc::new(Core::new(broker, Some(forwarder), metrics, draining.clone(), level.clone()));

    let delivery =
        deliver::kubernetes::begin(&cluster, config, own, &signals, &state.server_pair_missing, &draining);
    for task in delivery.tasks {
        tasks.spawn(task);
    }
    let publisher = Publisher::new(state.clone(), delivery.egress, delivery.ingress);
    let mut installation = installation(config, &never);
    installation.refused_authorities.extend(deliver::kubernetes::never::names(kubernetes));
    let index = Index::new(&installation);
    let mut control = Control::new(index, publisher, state.clone());
    let (questions, asked) = mpsc::channel(16);
    let statuses = conditions::Writer::new(&cluster, signals, state.clone(), questions.clone());
    let store =
        KubernetesStore::new(cluster.client.clone(), &config.secret_namespaces, config.store.debounce.get());
    let mut batches = store.watch()?;
    let mut elector = Some(elector);
    let begin = || {
        if let Some(elector) = elector.take() {
            tasks.spawn(elector.run(draining.clone()));
        }
    };
    take_all(&mut control, &mut batches, begin).await?;

    let own = {
        let material = material.borrow();
        let (certificate, key) = (&material.own.certificate_pem, &material.own.key_pem);
        Arc::new(OwnName::new(&config.control.server_name, certificate, key)?)
    };
    let tls = Tls::new(own.clone(), &material.borrow().bundle, &mesh_roots.borrow())?;
    let (tls_told, tls) = watch::channel(Arc::new(tls));
    let identities = Identities::of_mesh(config, kubernetes);
    let listener = Listener::new(sockets.gateways, tls, identities);
    let reports = Arc::default();
    let replica =
        Replica { state: state.clone(), leadership: leadership.clone(), reports: Arc::clone(&reports) };
    let router = gateway_router(state.clone()).merge(replica::router(replica));
    tasks.spawn(control.run(batches, asked));
    tasks.spawn(admin::serve(admin, questions, draining.clone()));
    tasks.spawn(mtls::serve(listener, router, draining.clone()));
    tasks.spawn(mtls::follow(own, material.clone(), mesh_roots, tls_told, draining.clone()));
    tasks.spawn(plain(sockets.health, health::router(level), draining.clone()));
    tasks.spawn(plain(sockets.metrics, metrics_router(state.clone()), draining.clone()));
    let internal = sockets.internal.as_ref().and_then(|socket| socket.local_addr().ok());
    if let Some(socket) = sockets.internal {
        tasks.spawn(plain(socket, module::serve::router(modules.clone()), draining.clone()));
    }
    tasks.spawn(keeper.run(draining.clone()));
    tasks.spawn(statuses.run(draining.clone()));

    let reporter = Reporter {
        identity: cluster.identity.clone(),
        state: state.clone(),
        leadership: leadership.clone(),
        client: client(),
        reports: Arc::clone(&reports),
        missing: missing_told,
    };
    tasks.spawn(reporter.run(draining.clone()));
    let push = module::push::Task {
        cluster: cluster.clone(),
        reports,
        leadership: leadership.clone(),
        module,
        pushes: pushes_told,
    };
    tasks.spawn(push.run(draining.clone()));
    let (served_told, served) = watch::channel(modules.digests());
    let (live_told, live) = watch::channel(Arc::default());
    let replicas = Replicas {
        cluster: cluster.clone(),
        own: modules.own(),
        served,
        leadership: leadership.clone(),
        live: live_told,
    };
    tasks.spawn(replicas.run(draining.clone()));
    let keeper = module::keep::Keeper {
        cluster,
        modules,
        leadership,
        live,
        served: served_told,
        published: module_told,
    };
    tasks.spawn(keeper.run(draining));
    Ok(Running { addresses, internal, state, drain, tasks })
}

/// Grants are fetched here while this replica leads.
async fn activate(
    broker: Broker,
    mut leadership: watch::Receiver<Leadership>,
    mut draining: watch::Receiver<bool>,
) {
    loop {
        let leading = leadership.borrow_and_update().leading;
        broker.activate(leading);
        tokio::select! {
            () = drained(&mut draining) => return,
            changed = leadership.changed() => if changed.is_err() { return },
        }
    }
}
