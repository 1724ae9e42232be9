//! The one manifest, as those have it who install with kubectl: it applies as a whole, again without a change, and goes by
//! its label without taking what users made.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use fairlead_mesh::mesh;
use serde_json::json;

#[test]
fn manifest_applies_again_and_goes_by_its_label() {
    let mesh = mesh().unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../istio/manifests/fairlead.yaml");
    let manifest = manifest.display().to_string();
    let apply = ["apply", "--server-side", "--filename", &manifest];
    mesh.kubectl(&apply).unwrap();
    mesh.kubectl(&[&apply[..], &["--dry-run=server"]].concat()).unwrap();
    let versions = || {
        let answer = ["--output", "jsonpath={.kind} {.metadata.name} {.metadata.resourceVersion}\n"];
        mesh.kubectl(&[&["get", "--filename", &manifest][..], &answer].concat()).unwrap()
    };
    let before = versions();
    mesh.kubectl(&apply).unwrap();
    assert_eq!(versions(), before, "applied again, nothing is written");

    mesh.apply(&[
        json!({
            "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
            "metadata": { "name": "erp" }, "spec": { "description": "d", "services": [] },
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": "kyma-integration", "name": "credentials" },
        }),
    ])
    .unwrap();
    let kept = "app.kubernetes.io/component!=kept";
    mesh.kubectl(&["delete", "--filename", &manifest, "--selector", kept, "--wait=false"]).unwrap();
    mesh.kubectl(&["get", "application", "erp"]).unwrap();
    mesh.kubectl(&["get", "secret", "credentials", "--namespace", "kyma-integration"]).unwrap();
    for namespace in ["kyma-system", "kyma-integration"] {
        let there = mesh.kubectl_json(&["get", "namespace", namespace]).unwrap();
        assert!(there["metadata"]["deletionTimestamp"].is_null(), "{namespace}");
    }
    for gone in [
        "deployment,service,role,rolebinding,serviceaccount,poddisruptionbudget,configmap",
        "clusterrole,clusterrolebinding",
    ] {
        let label = "app.kubernetes.io/part-of=fairlead";
        let left = mesh
            .kubectl(&["get", gone, "--all-namespaces", "--output", "name", "--selector", label])
            .unwrap();
        assert_eq!(left.trim(), "");
    }
}
