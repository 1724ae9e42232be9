//! What the running control plane writes belongs to the chart: owner references by which Kubernetes collects it at an
//! uninstall (which nothing does here, so they are looked at), and the chart's rights are enough for all of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use fairlead_mesh::{MeshBed, bed::LIMIT};
use fairlead_testkit::{
    Error,
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::{Value, json};

const KINDS: &str = "gateways.networking.istio.io,virtualservices.networking.istio.io,envoyfilters.networking.istio.io,\
    wasmplugins.extensions.istio.io,telemetries.telemetry.istio.io,secrets,configmaps,leases.coordination.k8s.io";

/// Everything that the control plane wrote.
fn written(bed: &MeshBed) -> Vec<Value> {
    let label = "app.kubernetes.io/managed-by=fairlead";
    let found = bed.mesh.kubectl_json(&["get", KINDS, "--all-namespaces", "--selector", label]).unwrap();
    found["items"].as_array().unwrap().clone()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn logs(bed: &MeshBed) -> String {
    let logs = bed.control().into_iter().map(|program| program.component().log());
    String::from_utf8_lossy(&logs.flatten().collect::<Vec<u8>>()).into_owned()
}

#[test]
fn chart_owns_what_the_control_plane_writes() {
    let bed = MeshBed::start(|_| Ok(())).unwrap();
    let password = bed.secret("password").unwrap();
    let target = bed.double.url_by_name("https", "orders.example.test").unwrap();
    let application = Application::new("shop").service("Orders", &[Entry::api(&target).basic("orders")]);
    bed.apply(&[application.manifest(), secret("orders", &[("username", "user"), ("password", &password)])])
        .unwrap();

    let kinds =
        || written(&bed).iter().map(|object| text(object, "/kind").to_owned()).collect::<BTreeSet<_>>();
    let all = [
        "ConfigMap",
        "EnvoyFilter",
        "Gateway",
        "Lease",
        "Secret",
        "Telemetry",
        "VirtualService",
        "WasmPlugin",
    ];
    wait::attempt("an object of each kind", LIMIT, || {
        let there = kinds();
        if all.iter().all(|kind| there.contains(*kind)) {
            Ok(())
        } else {
            Err(Error::new(format!("{there:?}")))
        }
    })
    .unwrap();
    let anchor = |namespace: &str| {
        let anchor =
            bed.mesh.kubectl_json(&["get", "configmap", "fairlead-anchor", "-n", namespace]).unwrap();
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "fairlead-anchor", "uid": anchor["metadata"]["uid"] }])
    };
    for object in written(&bed) {
        let (kind, namespace) = (text(&object, "/kind"), text(&object, "/metadata/namespace"));
        let name = text(&object, "/metadata/name");
        assert!(
            ["kyma-system", "fairlead-egress", "fairlead-ingress"].contains(&namespace),
            "{kind} {namespace}/{name}"
        );
        let owners = object.pointer("/metadata/ownerReferences").cloned().unwrap_or_default();
        assert_eq!(owners, anchor(namespace), "{kind} {namespace}/{name}");
    }
    let log = logs(&bed);
    assert!(!log.to_lowercase().contains("forbidden"), "the chart grants too little:\n{log}");

    // While an uninstall goes on the anchor is already away: what is removed then is not written again.
    bed.mesh.kubectl(&["delete", "configmap", "fairlead-anchor", "--namespace", "fairlead-egress"]).unwrap();
    bed.mesh
        .kubectl(&["delete", "gateways.networking.istio.io", "--all", "--namespace", "fairlead-egress"])
        .unwrap();
    wait::attempt("the sentence about the anchor", LIMIT, || {
        let log = logs(&bed);
        if log.contains("fairlead-egress/fairlead-anchor") { Ok(()) } else { Err(Error::new(log)) }
    })
    .unwrap();
    let gateways =
        ["get", "gateways.networking.istio.io", "--namespace", "fairlead-egress", "--output", "name"];
    assert_eq!(bed.mesh.kubectl(&gateways).unwrap().trim(), "");
    bed.finish().unwrap();
}
