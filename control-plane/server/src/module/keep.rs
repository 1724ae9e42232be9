//! Modules in ConfigMaps: one each, immutable, found by a label. All replicas read them, each writes its own, the leader
//! removes those that are more than two generations old.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::body::Bytes;
use futures_util::StreamExt;
use k8s_openapi::{ByteString, api::core::v1::ConfigMap};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use serde_json::json;
use tokio::{sync::watch, time::sleep};

use super::{MAX_BYTES, Modules, digest};
use crate::{
    kubernetes::{Cluster, KubernetesError, Leadership, call, replicas::Live},
    state::drained,
};

/// Label of ConfigMaps that hold a module.
const LABEL: &str = "fairlead.kyma-project.io/module";
/// Annotation: when gateways were last told to load it, Unix seconds.
const PUBLISHED: &str = "fairlead.kyma-project.io/published";
/// Key of the module in the ConfigMap.
const KEY: &str = "fairlead.wasm";
/// How many generations are kept.
const GENERATIONS: usize = 3;
/// How often what should be there is looked at, besides at each change.
const LOOK: Duration = Duration::from_secs(30);

/// Keeps modules: those of the ConfigMaps are served, and a digest goes out when all live replicas serve it.
pub struct Keeper {
    /// The cluster.
    pub cluster: Cluster,
    /// What is served here.
    pub modules: Modules,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
    /// Who lives, and what they serve.
    pub live: watch::Receiver<Arc<[Live]>>,
    /// Told what is served here.
    pub served: watch::Sender<Vec<Arc<str>>>,
    /// Told which digest gateways are to load.
    pub published: watch::Sender<Option<Arc<str>>>,
}

/// A stored module, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    name: String,
    published: Option<u64>,
    created: i64,
}

impl Keeper {
    /// Until the process drains.
    pub async fn run(mut self, mut draining: watch::Receiver<bool>) {
        let api: Api<ConfigMap> = self.cluster.ours();
        let events =
            watcher::watcher(api.clone(), watcher::Config::default().labels(LABEL)).default_backoff();
        let mut events = std::pin::pin!(events);
        let mut found: BTreeMap<String, (Stored, Arc<str>, Bytes)> = BTreeMap::new();
        let mut complete = false;
        loop {
            tokio::select! {
                () = drained(&mut draining) => return,
                Some(event) = events.next() => match event {
                    Ok(Event::Init) => {
                        complete = false;
                        found.clear();
                        continue;
                    }
                    Ok(Event::InitApply(map) | Event::Apply(map)) => {
                        if let Some(one) = read(&map) {
                            found.insert(map.name_any(), one);
                        }
                    }
                    Ok(Event::Delete(map)) => {
                        found.remove(&map.name_any());
                    }
                    Ok(Event::InitDone) => complete = true,
                    Err(error) => {
                        tracing::debug!(%error, "the watch of modules was interrupted");
                        continue;
                    }
                },
                Ok(()) = self.live.changed() => {}
                Ok(()) = self.leadership.changed() => {}
                () = sleep(LOOK) => {}
            }
            if complete && let Err(error) = self.look(&api, &found).await {
                tracing::warn!(%error, "modules cannot be kept as they should; the next look tries again");
            }
        }
    }

    async fn look(
        &mut self,
        api: &Api<ConfigMap>,
        found: &BTreeMap<String, (Stored, Arc<str>, Bytes)>,
    ) -> Result<(), KubernetesError> {
        let bytes = found.values().map(|(_, digest, bytes)| (digest.clone(), bytes.clone()));
        if self.modules.replace(bytes.collect()) {
            tracing::info!(digests = ?self.modules.digests(), "modules that are served changed");
        }
        self.served.send_if_modified(|served| {
            let now = self.modules.digests();
            let changed = *served != now;
            *served = now;
            changed
        });
        let own = self.modules.own();
        let Some((stored, ..)) = found.get(&name(&own)) else {
            return self.store(api, &own).await;
        };
        let live = self.live.borrow_and_update().clone();
        if !live.is_empty() && live.iter().all(|replica| replica.modules.contains(&own)) {
            self.published.send_if_modified(|published| {
                let news = published.as_ref() != Some(&own);
                if news {
                    tracing::info!(
                        digest = &*own,
                        replicas = live.len(),
                        "all replicas serve the module: it may go out"
                    );
                    *published = Some(own.clone());
                }
                news
            });
        }
        if self.leadership.borrow_and_update().leading && self.published.borrow().is_some() {
            self.note(api, stored).await?;
            self.prune(api, found, &live).await?;
        }
        Ok(())
    }

    async fn store(&self, api: &Api<ConfigMap>, own: &Arc<str>) -> Result<(), KubernetesError> {
        let name = name(own);
        let mut metadata = self.cluster.metadata(&name);
        metadata.labels.get_or_insert_default().insert(LABEL.to_owned(), "true".to_owned());
        let bytes = self.modules.get(own).unwrap_or_default();
        let map = ConfigMap {
            metadata,
            binary_data: Some(BTreeMap::from([(KEY.to_owned(), ByteString(bytes.to_vec()))])),
            immutable: Some(true),
            ..ConfigMap::default()
        };
        let what = format!("ConfigMap {name}");
        match call("create", what, api.create(&PostParams::default(), &map)).await {
            Ok(_) => Ok(()),
            // Another replica of the same build was faster.
            Err(KubernetesError::Call { source, .. }) if matches!(&*source, kube::Error::Api(status) if status.code == 409) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Writes down that this one went out, once a term of leadership at most a day.
    async fn note(&self, api: &Api<ConfigMap>, stored: &Stored) -> Result<(), KubernetesError> {
        const DAY: u64 = 86_400;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if stored.published.is_some_and(|published| now < published + DAY) {
            return Ok(());
        }
        let patch = json!({ "metadata": { "annotations": { PUBLISHED: now.to_string() } } });
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        let written = api.patch_metadata(&stored.name, &parameters, &patch);
        call("write", format!("ConfigMap {}", stored.name), written).await?;
        Ok(())
    }

    async fn prune(
        &self,
        api: &Api<ConfigMap>,
        found: &BTreeMap<String, (Stored, Arc<str>, Bytes)>,
        live: &[Live],
    ) -> Result<(), KubernetesError> {
        let used = |digest: &Arc<str>| live.iter().any(|replica| replica.own == *digest);
        let others = found.values().filter(|(_, digest, _)| *digest != self.modules.own());
        let others = others.map(|(stored, digest, _)| (stored.clone(), used(digest))).collect();
        for name in superfluous(others) {
            tracing::info!(name, "a module of an old generation is removed");
            let parameters = DeleteParams::default();
            let gone = call("delete", format!("ConfigMap {name}"), api.delete(&name, &parameters));
            match gone.await {
                Ok(_) => {}
                Err(KubernetesError::Call { source, .. }) if matches!(&*source, kube::Error::Api(status) if status.code == 404) =>
                    {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Names of what goes, of all modules but the one in force: the generations before the last two, unless a live replica
/// was built with it (`true`).
fn superfluous(mut others: Vec<(Stored, bool)>) -> Vec<String> {
    others.sort_by_key(|(stored, _)| {
        let published = stored.published.and_then(|at| i64::try_from(at).ok());
        std::cmp::Reverse(published.unwrap_or(stored.created))
    });
    let old = others.into_iter().skip(GENERATIONS - 1).filter(|(_, used)| !used);
    old.map(|(stored, _)| stored.name).collect()
}

/// The module in a ConfigMap; none if it is not what its name says.
fn read(map: &ConfigMap) -> Option<(Stored, Arc<str>, Bytes)> {
    let found = map.name_any();
    let bytes = map.binary_data.as_ref()?.get(KEY)?;
    let digest = digest(&bytes.0);
    if found != name(&digest) || bytes.0.len() > MAX_BYTES {
        tracing::warn!(
            name = found,
            "a ConfigMap with a module's label does not hold the module of its name"
        );
        return None;
    }
    let stored = Stored {
        name: found,
        published: map.annotations().get(PUBLISHED).and_then(|at| at.parse().ok()),
        created: map.creation_timestamp().map_or(0, |at| at.0.as_second()),
    };
    Some((stored, digest, Bytes::from(bytes.0.clone())))
}

/// Names hold the first 128 bits of the digest.
fn name(digest: &str) -> String {
    format!("fairlead-module-{}", digest.get(..32).unwrap_or(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generations_besides_the_one_in_force_stay_and_those_of_live_replicas() {
        let stored = |name: &str, published: Option<u64>, created| Stored {
            name: name.to_owned(),
            published,
            created,
        };
        let all = vec![
            (stored("oldest", Some(10), 1), false),
            (stored("older", Some(20), 2), false),
            (stored("old", Some(40), 3), false),
            (stored("before", Some(50), 4), false),
            (stored("new", None, 60), true),
            (stored("used", Some(5), 5), true),
        ];
        assert_eq!(superfluous(all), ["old", "older", "oldest"]);
        assert!(superfluous(vec![(stored("a", None, 1), false), (stored("b", None, 1), false)]).is_empty());
    }
}
