//! Kubernetes mode: what the control plane does in a cluster with Istio. In this mode the store is the Kubernetes API and
//! gateways are told by Istio objects; `resources`, `store`, `gateways.egress` and `gateways.ingress` are the embedded mode's
//! and do not count, what `gateways` says of both gateways (module, times, holds) does.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// Where we are in the cluster, and what stands where around us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct KubernetesConfig {
    /// How the API server is reached; absent: the pod's service account, outside a pod `KUBECONFIG`.
    pub kubeconfig: Option<PathBuf>,
    /// Our own namespace: Lease, CA Secret, modules.
    pub namespace: String,
    /// Service account that replicas run as: part of the SPIFFE id that they know each other by.
    pub service_account: String,
    /// ConfigMap that owns whatever we write into a namespace, there and in each gateway's namespace: what we wrote goes
    /// when it goes. Absent: objects have no owner.
    pub anchor: Option<String>,
    /// Name of this replica among the others; absent: `HOSTNAME` with a random part.
    pub identity: Option<String>,
    /// `host:port` at which other replicas reach this one's `control.gatewayPort`; absent: `POD_IP` and that port.
    pub advertise: Option<String>,
    /// Domain of the ingress host names (decision 27).
    pub domain: String,
    /// How gateways reach the control plane's `control.gatewayPort`.
    pub control: EndpointConfig,
    /// How gateways get the plugin.
    pub module: ModuleConfig,
    /// Where Istio's root certificates are, which gateways' certificates come from.
    pub istio_root: IstioRootConfig,
    /// Secret of Fairlead's own CA; made when absent.
    pub ca_secret: String,
    /// Who of the replicas leads.
    pub lease: LeaseConfig,
    /// The egress gateway; `null`: none.
    pub egress: Option<MeshEgressConfig>,
    /// The ingress gateway; `null`: none.
    pub ingress: Option<MeshIngressConfig>,
    /// What is written into resources' status.
    pub statuses: StatusesConfig,
    /// How often what should be there is compared with what is, besides at each change.
    pub resync: Span,
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            namespace: "kyma-system".to_owned(),
            service_account: "fairlead-control".to_owned(),
            anchor: None,
            identity: None,
            advertise: None,
            domain: "kyma.local".to_owned(),
            control: EndpointConfig::default(),
            module: ModuleConfig::default(),
            istio_root: IstioRootConfig::default(),
            ca_secret: "fairlead-ca".to_owned(),
            lease: LeaseConfig::default(),
            egress: Some(MeshEgressConfig::default()),
            ingress: Some(MeshIngressConfig::default()),
            statuses: StatusesConfig::default(),
            resync: Span::seconds(600),
        }
    }
}

/// A host and port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct EndpointConfig {
    /// Name of a Service, or an address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self { host: "fairlead-control.kyma-system.svc.cluster.local".to_owned(), port: 8443 }
    }
}

/// How gateways get the plugin. Its file is `gateways.module`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ModuleConfig {
    /// URL below which `control.internalPort` serves modules: a gateway fetches `{url}/{sha256}.wasm`.
    pub url: String,
    /// How long a gateway that polled may be silent before the plugin is pushed to it again: it may have failed to
    /// fetch the module, and refuses everything then.
    pub push_again_after: Span,
}

impl Default for ModuleConfig {
    fn default() -> Self {
        Self {
            url: "http://fairlead-control.kyma-system.svc.cluster.local:8080/module".to_owned(),
            push_again_after: Span::seconds(60),
        }
    }
}

/// Where Istio's root certificates are: istiod writes such a ConfigMap into every namespace. Watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct IstioRootConfig {
    /// Name of the ConfigMap in our namespace.
    pub config_map: String,
    /// Its key that holds the certificates, PEM.
    pub key: String,
}

impl Default for IstioRootConfig {
    fn default() -> Self {
        Self { config_map: "istio-ca-root-cert".to_owned(), key: "root-cert.pem".to_owned() }
    }
}

/// Who of the replicas leads: writes objects and fetches grants. The others serve feeds and forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct LeaseConfig {
    /// Name of the Lease in our namespace; replicas' own ones begin with it.
    pub name: String,
    /// Without renewal for this long another replica takes over; whole seconds. A leader that cannot renew gives up after
    /// two thirds of it, so clocks of replicas may run apart by a third.
    pub duration: Span,
    /// How often the leader renews.
    pub renew: Span,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        // A plugin waits 12 s for a grant: a replica that succeeds one that was killed still answers in time.
        Self { name: "fairlead-core".to_owned(), duration: Span::seconds(8), renew: Span::seconds(2) }
    }
}

/// The egress gateway in the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MeshEgressConfig {
    /// Its namespace, where our objects for it go.
    pub namespace: String,
    /// Its service account: part of the SPIFFE id that may read the egress view.
    pub service_account: String,
    /// Labels of its pods.
    pub selector: BTreeMap<String, String>,
    /// Port of `/{app}/{service}/…` (AG §3).
    pub manual_port: u16,
    /// Port of `/{app}/{service}/{entry}/…` (AG §3).
    pub ucl_port: u16,
    /// Port of AG §17.
    pub health_port: u16,
    /// Host names that are ours; `*` for all.
    pub hosts: Vec<String>,
}

impl Default for MeshEgressConfig {
    fn default() -> Self {
        Self {
            namespace: "fairlead-egress".to_owned(),
            service_account: "fairlead-egress".to_owned(),
            selector: labels("fairlead-egress"),
            manual_port: 8080,
            ucl_port: 8082,
            health_port: 8081,
            hosts: vec!["*".to_owned()],
        }
    }
}

/// The ingress gateway in the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MeshIngressConfig {
    /// Its namespace, where our objects for it go, and Secrets that it needs are copied to.
    pub namespace: String,
    /// Its service account: part of the SPIFFE id that may read the ingress view.
    pub service_account: String,
    /// Labels of its pods.
    pub selector: BTreeMap<String, String>,
    /// Port of the mTLS server.
    pub port: u16,
    /// Host name; absent: `gateway.{domain}` (decision 8).
    pub host: Option<String>,
    /// Secret of the pair that external systems see (`tls.crt`, `tls.key`); a self-signed one serves while it is absent.
    pub server_secret: SecretName,
    /// CAs whose client certificates are accepted, PEM in Secrets; composed to one bundle with `clientCaPem` (decision 8).
    pub client_ca_secrets: Vec<SecretKey>,
    /// CAs whose client certificates are accepted, PEM.
    pub client_ca_pem: Vec<String>,
}

impl Default for MeshIngressConfig {
    fn default() -> Self {
        Self {
            namespace: "fairlead-ingress".to_owned(),
            service_account: "fairlead-ingress".to_owned(),
            selector: labels("fairlead-ingress"),
            port: 8443,
            host: None,
            server_secret: SecretName {
                namespace: "istio-system".to_owned(),
                name: "kyma-gateway-certs".to_owned(),
            },
            client_ca_secrets: Vec::new(),
            client_ca_pem: Vec::new(),
        }
    }
}

/// A Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// One value of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKey {
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// Key in its data.
    #[serde(default = "ca_key")]
    pub key: String,
}

/// What is written into resources' status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct StatusesConfig {
    /// How long changes are gathered before they are written.
    pub every: Span,
    /// A transport profile that a gateway lacks for this long is a condition (decision 31).
    pub profile_missing_after: Span,
    /// At most so many statuses are written in a second, each with its Events.
    pub per_second: u32,
    /// At most so many are written at a time.
    pub concurrency: usize,
}

impl Default for StatusesConfig {
    fn default() -> Self {
        Self {
            every: Span::milliseconds(500),
            profile_missing_after: Span::seconds(10),
            per_second: 100,
            concurrency: 8,
        }
    }
}

fn labels(istio: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("istio".to_owned(), istio.to_owned())])
}

fn ca_key() -> String {
    "ca.crt".to_owned()
}

impl KubernetesConfig {
    /// What makes no sense, with its field.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let lease = &self.lease;
        if lease.duration.get().as_secs() < 3 || lease.duration.get().subsec_nanos() != 0 {
            return Err(("kubernetes.lease.duration", "use whole seconds, at least 3s".to_owned()));
        }
        if lease.renew.get().is_zero() || lease.renew.get() * 2 > lease.duration.get() {
            return Err(("kubernetes.lease.renew", "use at most half of lease.duration".to_owned()));
        }
        let url = &self.module.url;
        if !url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            let reason = format!("`{url}` is not an http:// or https:// URL");
            return Err(("kubernetes.module.url", reason));
        }
        // What we wrote in a gateway's namespace and that gateway does not need is deleted there.
        let egress = self.egress.as_ref().map(|egress| &egress.namespace);
        let ingress = self.ingress.as_ref().map(|ingress| &ingress.namespace);
        if egress == Some(&self.namespace) || (egress.is_some() && egress == ingress) {
            return Err((
                "kubernetes.egress.namespace",
                "give the egress gateway a namespace of its own".to_owned(),
            ));
        }
        if ingress == Some(&self.namespace) {
            let reason = "use another namespace than the control plane's".to_owned();
            return Err(("kubernetes.ingress.namespace", reason));
        }
        Ok(())
    }
}
