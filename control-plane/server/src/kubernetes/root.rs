//! Istio's root certificates: a ConfigMap that istiod keeps in every namespace. Gateways' mesh certificates end there.

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::watch;

use super::Cluster;
use crate::state::drained;

/// Tells what the ConfigMap says: certificates, PEM, empty while there are none. What was there stays when it goes away.
pub async fn follow(cluster: Cluster, told: watch::Sender<String>, mut draining: watch::Receiver<bool>) {
    let root = &cluster.config.istio_root;
    let objects = watcher::watch_object(cluster.ours::<ConfigMap>(), &root.config_map).default_backoff();
    let mut objects = std::pin::pin!(objects);
    loop {
        let object = tokio::select! {
            () = drained(&mut draining) => return,
            object = objects.next() => object,
        };
        match object {
            Some(Ok(object)) => {
                let pem = object.and_then(|map| map.data).and_then(|mut data| data.remove(&root.key));
                let Some(pem) = pem.filter(|pem| !pem.trim().is_empty()) else {
                    let (name, key) = (&root.config_map, &root.key);
                    tracing::warn!(name, key, "Istio's root is not there (yet); no gateway can connect");
                    continue;
                };
                told.send_if_modified(|told| {
                    let changed = *told != pem;
                    if changed {
                        tracing::info!("Istio's root certificates were read");
                        *told = pem;
                    }
                    changed
                });
            }
            Some(Err(error)) => tracing::debug!(%error, "the watch of Istio's root was interrupted"),
            None => return,
        }
    }
}
