//! Writing and deleting one object.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::Value;

use super::super::object::{Key, content, difference, same};
use crate::kubernetes::{Cluster, KubernetesError, MANAGER, call};

/// Writes an object as its one manager. Fields that somebody else added stay through that; then they are taken out.
///
/// # Errors
/// What the API server says.
pub(super) async fn apply(
    cluster: &Cluster,
    namespace: &str,
    key: &Key,
    object: &Value,
) -> Result<DynamicObject, KubernetesError> {
    let what = || format!("{} {namespace}/{}", key.kind.name(), key.name);
    let api = key.kind.api(&cluster.client, namespace);
    let manager = PatchParams::apply(MANAGER).force();
    let written = call("write", what(), api.patch(&key.name, &manager, &Patch::Apply(object))).await?;
    if same(&written, object) {
        return Ok(written);
    }
    let difference = difference(&Value::Object(content(&written.data)), &Value::Object(content(object)));
    let manager = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    call("write", what(), api.patch(&key.name, &manager, &Patch::Merge(difference))).await
}

/// Deletes an object, or finds it gone.
///
/// # Errors
/// What the API server says.
pub(super) async fn delete(cluster: &Cluster, namespace: &str, key: &Key) -> Result<(), KubernetesError> {
    let api = key.kind.api(&cluster.client, namespace);
    let what = format!("{} {namespace}/{}", key.kind.name(), key.name);
    match call("delete", what, api.delete(&key.name, &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(KubernetesError::Call { source, .. }) if not_found(&source) => Ok(()),
        Err(error) => Err(error),
    }
}

fn not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
