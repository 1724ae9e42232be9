//! Addresses that no target may have, as far as they are known: the API server, the control plane, the gateways' Services
//! (decision 26).
//!
//! Addresses of pods are not among them: they come and go, and each change of a gateway's guard is a new listener. What is
//! behind them is guarded by itself: the control plane by mTLS and by what its plain ports demand.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Service;
use kube::{Api, api::ListParams, config::Kubeconfig};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    config::{Config, KubernetesConfig},
    kubernetes::{CALL, Cluster, call},
    state::drained,
};

/// After not everything could be found out, the next try comes after this time.
const AGAIN: Duration = Duration::from_secs(5);
/// Port for modules where the configuration names none (decision 28).
const INTERNAL: u16 = 8080;

/// Host names that no target may have, in each of a Service's spellings: the control plane's, and that under which callers
/// reach the egress gateway.
#[must_use]
pub fn names(cluster: &KubernetesConfig) -> Vec<String> {
    const SUFFIXES: [&str; 3] = ["", ".svc", ".svc.cluster.local"];
    let host = cluster.control.host.as_str();
    let short = SUFFIXES.iter().rev().find_map(|suffix| host.strip_suffix(suffix)).unwrap_or(host);
    let gateway = format!("central-application-gateway.{}", cluster.namespace);
    let all = [short, &gateway];
    let spelt = all.iter().flat_map(|name| SUFFIXES.iter().map(move |suffix| format!("{name}{suffix}")));
    spelt.chain([host.to_owned()]).collect()
}

/// What could be found out.
#[derive(Clone, Default)]
pub struct Known {
    /// The addresses.
    pub addresses: Arc<[SocketAddr]>,
    /// Every question had an answer.
    complete: bool,
}

/// The list as it is now. What cannot be found out is left out, and said.
pub async fn known(cluster: &Cluster, config: &Config) -> Known {
    let mut known = BTreeSet::new();
    let mut complete = true;
    let control = &cluster.config.control;
    let mut names =
        vec![(control.host.clone(), control.port), (control.host.clone(), config.control.health_port)];
    names.push((control.host.clone(), config.control.internal_port.unwrap_or(INTERNAL)));
    names.extend(api_server(cluster));
    for (host, port) in names {
        match timeout(CALL, tokio::net::lookup_host((host.as_str(), port))).await {
            Ok(Ok(addresses)) => known.extend(addresses),
            _ => {
                complete = false;
                tracing::warn!(
                    host,
                    port,
                    "a name of our own cannot be resolved; no target is compared with it yet"
                );
            }
        }
    }
    let egress = cluster.config.egress.iter().map(|egress| &egress.namespace);
    let ingress = cluster.config.ingress.iter().map(|ingress| &ingress.namespace);
    for namespace in egress.chain(ingress) {
        match services(cluster, namespace).await {
            Ok(services) => known.extend(services),
            Err(error) => {
                complete = false;
                tracing::warn!(%error, "no target is compared with the gateway's Services yet");
            }
        }
    }
    Known { addresses: known.into_iter().collect(), complete }
}

/// Keeps the list up to date until the process drains. What cannot be found out any longer stays on it.
pub(super) async fn follow(
    cluster: Cluster,
    config: Config,
    mut last: Known,
    told: watch::Sender<Arc<[SocketAddr]>>,
    mut draining: watch::Receiver<bool>,
) {
    loop {
        let pause = if last.complete { cluster.config.resync.get() } else { AGAIN };
        tokio::select! {
            () = drained(&mut draining) => return,
            () = sleep(pause) => {}
        }
        let mut now = known(&cluster, &config).await;
        if !now.complete {
            let both: BTreeSet<_> = last.addresses.iter().chain(now.addresses.iter()).copied().collect();
            now.addresses = both.into_iter().collect();
        }
        if now.addresses != last.addresses {
            told.send_replace(now.addresses.clone());
        }
        last = now;
    }
}

/// Where the API server is: as pods are told, and as the kubeconfig says.
fn api_server(cluster: &Cluster) -> Vec<(String, u16)> {
    let variable = |name: &str| std::env::var(name).ok();
    let told = variable("KUBERNETES_SERVICE_HOST")
        .zip(variable("KUBERNETES_SERVICE_PORT").and_then(|port| port.parse().ok()));
    let file = cluster.config.kubeconfig.as_deref().and_then(|path| Kubeconfig::read_from(path).ok());
    let servers = file.into_iter().flat_map(|file| file.clusters).filter_map(|named| named.cluster?.server);
    let named = servers.filter_map(|server| {
        let url = url::Url::parse(&server).ok()?;
        Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?))
    });
    told.into_iter().chain(named).collect()
}

async fn services(
    cluster: &Cluster,
    namespace: &str,
) -> Result<Vec<SocketAddr>, crate::kubernetes::KubernetesError> {
    let api: Api<Service> = Api::namespaced(cluster.client.clone(), namespace);
    let listed =
        call("list", format!("Services in {namespace}"), async { api.list(&ListParams::default()).await });
    let specs = listed.await?.items.into_iter().filter_map(|service| service.spec);
    let addresses = specs.flat_map(|spec| {
        let ports: Vec<u16> =
            spec.ports.into_iter().flatten().filter_map(|port| u16::try_from(port.port).ok()).collect();
        let hosts = spec.cluster_ips.into_iter().flatten().filter_map(|ip| ip.parse().ok());
        hosts
            .flat_map(|ip| ports.iter().map(move |port| SocketAddr::new(ip, *port)).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    });
    Ok(addresses.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_our_own_are_known_in_all_spellings() {
        let names = names(&KubernetesConfig::default());
        for name in [
            "fairlead-control.kyma-system",
            "fairlead-control.kyma-system.svc",
            "fairlead-control.kyma-system.svc.cluster.local",
            "central-application-gateway.kyma-system",
            "central-application-gateway.kyma-system.svc.cluster.local",
        ] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        let mut other = KubernetesConfig::default();
        other.control.host = "10.0.0.1".to_owned();
        assert!(super::names(&other).iter().any(|known| known == "10.0.0.1"));
    }
}
