//! Fairlead's own CA as a Secret that all replicas share: whoever comes first makes it, each replica issues its own
//! certificate from it, in memory.
//!
//! A CA in the last third of its life gets a successor, in the Secret too. For a day both are trusted and the old one
//! signs, so that gateways and replicas have both before a certificate of the new one is seen; then the new one
//! signs, and the old one stays trusted until all it signed has ended. A Secret that was deleted comes again with what replicas hold.

mod content;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fairlead_pki::{Leaf, Pair, Validity, spiffe};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::PostParams,
    runtime::{WatchStreamExt, watcher},
};
use tokio::{sync::watch, time::sleep};

use super::{Cluster, KubernetesError, call};
use crate::{config::Config, state::drained};
use content::Content;

/// How often certificates are looked at, besides at each change of the Secret.
const EVERY: Duration = Duration::from_secs(3600);
/// How often somebody else may be faster before that is an error.
const TRIES: usize = 10;

/// What a replica has from the CA.
#[derive(Clone)]
pub struct Material {
    /// CAs that are trusted, PEM; the first signs.
    pub bundle: Arc<str>,
    /// This replica's certificate and key, server and client, PEM.
    pub own: Arc<Pair>,
}

/// Keeps the Secret and this replica's certificate.
pub struct Keeper {
    api: Api<Secret>,
    cluster: Cluster,
    leaf: Leaf,
    content: Content,
    told: watch::Sender<Material>,
    bundle: watch::Sender<Arc<str>>,
}

impl Keeper {
    /// Reads the CA, or makes it; issues this replica's certificate. What comes back is told again at each change; the second
    /// is the bundle alone, for those who have no business with a key.
    ///
    /// # Errors
    /// [`KubernetesError`]: the API server, or a Secret that is no CA.
    pub async fn begin(
        cluster: &Cluster,
        config: &Config,
    ) -> Result<(Self, watch::Receiver<Material>, watch::Receiver<Arc<str>>), KubernetesError> {
        let api: Api<Secret> = cluster.ours();
        let own = &cluster.config;
        let account = spiffe(&config.trust_domain, &own.namespace, &own.service_account);
        let server = Leaf::server("fairlead-control", &[&config.control.server_name]);
        let leaf = Leaf { uris: vec![account], client: true, ..server };
        let content = settle(&api, cluster, None, now()).await?;
        let (told, material) = watch::channel(issue(&content, &leaf, now())?);
        let (bundle, ca) = watch::channel(material.borrow().bundle.clone());
        Ok((Self { api, cluster: cluster.clone(), leaf, content, told, bundle }, material, ca))
    }

    /// Follows the Secret and renews what is due, until the process drains.
    pub async fn run(mut self, mut draining: watch::Receiver<bool>) {
        let name = self.cluster.config.ca_secret.clone();
        let changes = watcher::watch_object(self.api.clone(), &name).default_backoff();
        let mut changes = std::pin::pin!(changes);
        loop {
            tokio::select! {
                () = drained(&mut draining) => return,
                change = changes.next() => if !matches!(change, Some(Ok(_))) { continue },
                () = sleep(EVERY) => {}
            }
            if let Err(error) = self.look(now()).await {
                tracing::error!(%error, "Fairlead's CA cannot be looked after; what there is stays");
            }
        }
    }

    async fn look(&mut self, now: i64) -> Result<(), KubernetesError> {
        let content = settle(&self.api, &self.cluster, Some(&self.content), now).await?;
        let due = Validity::of_pem(&self.told.borrow().own.certificate_pem).map_or(true, |own| own.due(now));
        if content != self.content || due {
            tracing::info!("this replica's certificate is issued anew");
            let material = issue(&content, &self.leaf, now)?;
            self.bundle.send_if_modified(|bundle| {
                let changed = *bundle != material.bundle;
                bundle.clone_from(&material.bundle);
                changed
            });
            self.told.send_replace(material);
            self.content = content;
        }
        Ok(())
    }
}

/// What the Secret holds after everything that is due at `now` was done to it, by us or by whoever was faster. `held`
/// comes again if the Secret is gone.
async fn settle(
    api: &Api<Secret>,
    cluster: &Cluster,
    held: Option<&Content>,
    now: i64,
) -> Result<Content, KubernetesError> {
    let name = &cluster.config.ca_secret;
    let what = || format!("Secret {}/{name}", cluster.config.namespace);
    let bad = |reason: String| KubernetesError::Content { what: what(), reason };
    for _ in 0..TRIES {
        let stored = call("read", what(), api.get_opt(name)).await?;
        let before = stored.as_ref().map(Content::read).transpose().map_err(bad)?;
        let wanted = match before.as_ref().or(held) {
            Some(content) => content.advance(now).map_err(bad)?,
            None => Content::new(now).map_err(bad)?,
        };
        if before.as_ref() == Some(&wanted) {
            return Ok(wanted);
        }
        let mut secret =
            stored.unwrap_or_else(|| Secret { metadata: cluster.metadata(name), ..Secret::default() });
        secret.data = Some(wanted.data());
        let write = async {
            match secret.metadata.resource_version {
                None => api.create(&PostParams::default(), &secret).await,
                Some(_) => api.replace(name, &PostParams::default(), &secret).await,
            }
        };
        match call("write", what(), write).await {
            Ok(_) => tracing::info!(secret = name, "Fairlead's CA was written"),
            // Somebody was faster: what that is will be read.
            Err(KubernetesError::Call { source, .. }) if conflict(&source) => {}
            Err(error) => return Err(error),
        }
    }
    Err(bad("others write it all the time".to_owned()))
}

fn conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409))
}

fn issue(content: &Content, leaf: &Leaf, now: i64) -> Result<Material, KubernetesError> {
    let own = content
        .issue(leaf, now)
        .map_err(|reason| KubernetesError::Content { what: "Fairlead's CA".to_owned(), reason })?;
    Ok(Material { bundle: content.bundle().into(), own: Arc::new(own) })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
