//! Objects that kubelet and controllers write: Pods and the status of Deployments. istiod reads Pods.

use fairlead_testkit::{
    Result,
    mesh::{Mesh, Pod},
};
use serde_json::{Map, Value, json};

use super::template::Template;

/// Writes the Pod, running and ready.
pub(super) fn create(mesh: &Mesh, pod: &Pod, template: &Template) -> Result {
    let labels: Map<String, Value> =
        template.labels().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let container = json!({ "name": "only", "image": "process", "ports": template.container("ports") });
    let spec = json!({
        "containers": [container], "serviceAccountName": pod.service_account(), "nodeName": "machine",
    });
    mesh.apply(&[json!({
        "apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": { "namespace": pod.namespace(), "name": pod.name(), "labels": labels },
    })])?;
    let address = pod.address().to_string();
    let ready = json!({ "type": "Ready", "status": "True" });
    let container = json!({
        "name": "only", "image": "process", "imageID": "", "ready": true, "started": true, "restartCount": 0,
        "state": { "running": {} },
    });
    let status = json!({
        "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }], "conditions": [ready],
        "containerStatuses": [container],
    });
    patch_status(mesh, "pod", pod.namespace(), pod.name(), &status)
}

pub(super) fn remove(mesh: &Mesh, pod: &Pod) -> Result {
    let arguments = ["delete", "pod", pod.name(), "--namespace", pod.namespace()];
    mesh.kubectl(&[&arguments[..], &["--grace-period", "0", "--force", "--ignore-not-found"]].concat())
        .map(drop)
}

/// Deployments are as they are wanted.
pub(super) fn report(mesh: &Mesh, deployments: &[Template]) -> Result {
    for deployment in deployments {
        let replicas = deployment.replicas;
        let available =
            json!({ "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable" });
        let status = json!({
            "observedGeneration": deployment.generation, "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": replicas, "availableReplicas": replicas, "conditions": [available],
        });
        patch_status(mesh, "deployment", &deployment.namespace, &deployment.name, &status)?;
    }
    Ok(())
}

fn patch_status(mesh: &Mesh, kind: &str, namespace: &str, name: &str, status: &Value) -> Result {
    let patch = json!({ "status": status }).to_string();
    let arguments = ["patch", kind, name, "--namespace", namespace, "--subresource", "status"];
    mesh.kubectl(&[&arguments[..], &["--type", "merge", "--patch", &patch]].concat()).map(drop)
}
