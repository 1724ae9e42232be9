//! Kubernetes mode: what replicas share through the API server, and what the parts of one replica tell each other.
//!
//! [`Cluster`] is the way to the API server, over a [`client`] that notices when nobody answers. [`lease`] says who leads,
//! [`authority`] keeps Fairlead's own CA, [`root`] reads Istio's roots, [`replicas`] says which replicas live and what they
//! serve. [`Signals`] is what those who write objects and statuses wait for.

pub mod anchor;
pub mod authority;
pub mod client;
pub mod lease;
pub mod replicas;
pub mod root;

use std::{fmt::Debug, net::SocketAddr, sync::Arc, time::Duration};

use fairlead_wire::feed::View;
use k8s_openapi::{
    NamespaceResourceScope,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, Resource,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::sync::watch;

use crate::{config::KubernetesConfig, gateways::reachable};

pub use lease::Leadership;

/// Field manager of everything that we write.
pub const MANAGER: &str = "fairlead";
/// How long one call of the API server may take, watches aside.
pub const CALL: Duration = Duration::from_secs(10);

/// The cluster that we run in. Clones share one client.
#[derive(Clone)]
pub struct Cluster {
    /// The API server.
    pub client: Client,
    /// Where we are.
    pub config: Arc<KubernetesConfig>,
    /// Name of this replica, unlike that of any other process.
    pub identity: Arc<str>,
    /// Where other replicas reach this one's mTLS port.
    pub advertise: Arc<str>,
    /// Owner of what we write into our own namespace, see [`anchor`].
    pub owner: Option<OwnerReference>,
}

/// What parts of one replica tell each other. Clones see the same; nothing here is a secret.
#[derive(Clone)]
pub struct Signals {
    /// Who leads. Only the leader writes objects and statuses, and fetches grants.
    pub leadership: watch::Receiver<Leadership>,
    /// The CAs that gateways know the control plane by, PEM; two while one replaces the other.
    pub ca: watch::Receiver<Arc<str>>,
    /// SHA-256 (hex) of the module that gateways are to load; `None` until all replicas serve one.
    pub module: watch::Receiver<Option<Arc<str>>>,
    /// How often the plugin is to be pushed again to the gateways of a view, counted since the start.
    pub pushes: watch::Receiver<Pushes>,
    /// Transport profiles that gateways report as missing, from all replicas; complete on the leader only.
    pub missing: watch::Receiver<Arc<[Missing]>>,
}

/// See [`Signals::pushes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushes {
    /// Of the egress gateway.
    pub egress: u64,
    /// Of the ingress gateway.
    pub ingress: u64,
}

/// A transport profile that a gateway lacks although records name it (decision 31).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// Whose gateway.
    pub view: View,
    /// The gateway's address.
    pub gateway: std::net::IpAddr,
    /// The profile: cluster name.
    pub profile: String,
    /// Since when, Unix seconds.
    pub since: i64,
}

/// Why Kubernetes mode does not work: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// No configuration leads to an API server.
    #[error("cannot find the Kubernetes API: {0}; set kubernetes.kubeconfig, or run in a pod")]
    Configuration(String),
    /// A call failed.
    #[error("cannot {verb} {what}: {source}")]
    Call {
        /// `read`, `write`, `create`.
        verb: &'static str,
        /// Kind, namespace and name.
        what: String,
        /// What the API server says.
        source: Box<kube::Error>,
    },
    /// The API server does not answer.
    #[error("cannot {verb} {what}: no answer within {} s", CALL.as_secs())]
    Silent {
        /// `read`, `write`, `create`.
        verb: &'static str,
        /// Kind, namespace and name.
        what: String,
    },
    /// An object is there but is not what it should be.
    #[error("{what} cannot be used: {reason}")]
    Content {
        /// Kind, namespace and name.
        what: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl Cluster {
    /// Finds the API server; nothing is asked yet. `gateways` is where our mTLS port listens.
    ///
    /// # Errors
    /// [`KubernetesError::Configuration`].
    pub async fn connect(config: &KubernetesConfig, gateways: SocketAddr) -> Result<Self, KubernetesError> {
        let failed = |error: &dyn std::error::Error| KubernetesError::Configuration(error.to_string());
        let found = match &config.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|e| failed(&e))?;
                let options = KubeConfigOptions::default();
                kube::Config::from_custom_kubeconfig(file, &options).await.map_err(|e| failed(&e))?
            }
            None => kube::Config::infer().await.map_err(|e| failed(&e))?,
        };
        let client = client::builder(found)?.build();
        let identity = config.identity.clone().unwrap_or_else(|| {
            let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "fairlead".to_owned());
            format!("{host}-{:08x}", rand::random::<u32>())
        });
        let advertise = config.advertise.clone().unwrap_or_else(|| {
            let pod = std::env::var("POD_IP").ok().and_then(|ip| ip.parse().ok());
            pod.map_or_else(|| reachable(gateways), |ip| SocketAddr::new(ip, gateways.port())).to_string()
        });
        Ok(Self {
            client,
            config: Arc::new(config.clone()),
            identity: identity.into(),
            advertise: advertise.into(),
            owner: None,
        })
    }

    /// The same, with what we write into our own namespace owned by the anchor there.
    ///
    /// # Errors
    /// See [`anchor::owner`].
    pub async fn anchored(mut self) -> Result<Self, KubernetesError> {
        self.owner = anchor::owner(&self, &self.config.namespace).await?;
        Ok(self)
    }

    /// Objects of a kind in our own namespace.
    #[must_use]
    pub fn ours<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.config.namespace)
    }

    /// Metadata of an object of ours in our own namespace, with the labels that all of them have.
    #[must_use]
    pub fn metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.config.namespace.clone()),
            labels: Some(labels()),
            owner_references: self.owner.clone().map(|owner| vec![owner]),
            ..ObjectMeta::default()
        }
    }
}

/// Labels of everything that we write.
#[must_use]
pub fn labels() -> std::collections::BTreeMap<String, String> {
    ["managed-by", "part-of"]
        .map(|name| (format!("app.kubernetes.io/{name}"), MANAGER.to_owned()))
        .into_iter()
        .collect()
}

/// One call of the API server within [`CALL`].
///
/// # Errors
/// [`KubernetesError::Call`] and [`KubernetesError::Silent`].
pub async fn call<T>(
    verb: &'static str,
    what: impl Into<String>,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, KubernetesError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(KubernetesError::Call { verb, what: what.into(), source: Box::new(source) }),
        Err(_) => Err(KubernetesError::Silent { verb, what: what.into() }),
    }
}
