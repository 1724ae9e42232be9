//! What we write in a namespace belongs to a ConfigMap there that the installation brought: when that goes, Kubernetes
//! collects what we wrote, and nothing has to run at an uninstall.

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{Api, ResourceExt};

use super::{Cluster, KubernetesError, call};

/// The owner of our objects in `namespace`; `None` when the configuration names no anchor.
///
/// # Errors
/// The anchor is named and not there, or cannot be read. Then nothing may be written into the namespace: without an
/// owner it would outlive us, and an anchor that is gone means that we are being uninstalled.
pub async fn owner(cluster: &Cluster, namespace: &str) -> Result<Option<OwnerReference>, KubernetesError> {
    let Some(name) = &cluster.config.anchor else { return Ok(None) };
    let what = format!("ConfigMap {namespace}/{name}");
    let api: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), namespace);
    let found = call("read", what.clone(), api.get_opt(name)).await?;
    let uid = found.as_ref().and_then(ResourceExt::uid).ok_or_else(|| KubernetesError::Content {
        what,
        reason: "it is not there, although kubernetes.anchor names it; install the chart again".to_owned(),
    })?;
    // Neither `controller` nor `blockOwnerDeletion`: they would need a right on the ConfigMap's finalizers.
    Ok(Some(OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        name: name.clone(),
        uid,
        ..OwnerReference::default()
    }))
}
