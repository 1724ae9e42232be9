//! The Helm chart on a real API server: what it renders is valid, a typo in its values is refused, an upgrade keeps what
//! must stay, an uninstall leaves custom resource definitions and what users made, and nothing else.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use fairlead_mesh::mesh;
use fairlead_testkit::mesh::Mesh;
use serde_json::{Value, json};

fn chart() -> String {
    repository().join("istio/chart").display().to_string()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `helm template` with these values.
fn render(mesh: &Mesh, values: &[&str]) -> Result<String, String> {
    let chart = chart();
    let mut arguments = vec!["template", "fairlead", &chart, "--kube-version", "1.36.3"];
    arguments.extend(values.iter().flat_map(|value| ["--set-json", value]));
    mesh.helm(&arguments).map_err(|error| error.to_string())
}

/// What the chart can be asked to be.
const VARIANTS: &[(&str, &[&str])] = &[
    ("defaults", &[]),
    (
        "everything",
        &[
            "networkPolicies={\"enabled\": true, \"refusedToGateways\": [\"10.96.0.1/32\"]}",
            "pod={\"nodeSelector\": {\"a\": \"b\"}, \"tolerations\": [{\"operator\": \"Exists\"}], \"priorityClassName\": \"high\"}",
            "image={\"digest\": \"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", \"pullSecrets\": [\"pull\"]}",
            "istio.revision=\"canary\"",
            "gateways.ingress.service={\"type\": \"NodePort\", \"nodePort\": 30443, \"annotations\": {\"a\": \"b\"}}",
            "config={\"logLevel\": \"debug\", \"secretNamespaces\": [\"shop\"]}",
        ],
    ),
    (
        "shared ingress",
        &[
            "gateways.ingress.shared={\"namespace\": \"istio-system\", \"serviceAccount\": \"istio-ingressgateway\", \"selector\": {\"istio\": \"ingressgateway\"}}",
        ],
    ),
];

#[test]
fn chart_is_valid_in_the_eyes_of_istio() {
    let mesh = mesh().unwrap();
    for (name, values) in VARIANTS {
        let file = mesh.directory().join(format!("{}.yaml", name.replace(' ', "-")));
        std::fs::write(&file, render(mesh, values).unwrap()).unwrap();
        let file = file.display().to_string();
        mesh.istioctl(&["validate", "--filename", &file]).unwrap_or_else(|error| panic!("{name}: {error}"));
        let analysed = mesh.istioctl(&[
            "analyze",
            "--use-kube=false",
            "--failure-threshold",
            "Warning",
            "--all-namespaces",
            &file,
        ]);
        let said = analysed.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!said.contains("Error ["), "{name}: {said}");
    }
}

#[test]
fn chart_refuses_values_that_it_does_not_know() {
    let mesh = mesh().unwrap();
    for (value, said) in [
        ("domian=\"example.com\"", "domian"),
        ("image.repo=\"x\"", "repo"),
        ("image.digest=\"abc\"", "digest"),
        ("image.pullPolicy=\"Sometimes\"", "pullPolicy"),
        ("domain=\"Not a domain\"", "domain"),
        ("roles.core.replicas=0", "replicas"),
        ("roles.cors={\"replicas\": 1}", "cors"),
        ("gateways.egress.resource={}", "resource"),
        ("gateways.workers=\"many\"", "workers"),
        ("gateways.ingress.shared={\"namespace\": \"istio-system\"}", "serviceAccount"),
        ("networkPolicies.refused=[\"everything\"]", "refused"),
        ("config.loglevel=\"debug\"", "loglevel"),
        ("config.logLevel=\"loud\"", "logLevel"),
        ("config.kubernetes.lease.renews=\"5s\"", "renews"),
        ("config.grants.timeout=\"soon\"", "timeout"),
        ("config.kubernetes.egress.namespace=\"elsewhere\"", "config.kubernetes.egress.namespace"),
    ] {
        let error = render(mesh, &[value]).expect_err(value);
        assert!(error.contains(said), "{value}: {error}");
    }
    render(mesh, &["config.logLevel=\"debug\"", "roles.core.replicas=3"]).unwrap();
}

#[test]
fn chart_configuration_wins_over_what_the_chart_says() {
    let mesh = mesh().unwrap();
    let text = render(
        mesh,
        &[
            "config={\"control\": {\"metricsPort\": 9191}, \"sink\": \"http://sink.shop\"}",
            "domain=\"example.com\"",
        ],
    );
    let text = text.unwrap();
    for line in [
        "metricsPort: 9191",
        "gatewayPort: 8443",
        "sink: http://sink.shop",
        "domain: example.com",
        "anchor: fairlead-anchor",
    ] {
        assert!(text.lines().any(|is| is.trim() == line), "{line}");
    }
}

/// Kind, namespace and name of everything in the cluster that carries our label, whatever made it.
fn ours(mesh: &Mesh) -> BTreeSet<String> {
    let kinds = mesh.kubectl(&["api-resources", "--verbs", "list", "--output", "name"]).unwrap();
    let kinds: Vec<&str> = kinds.lines().collect();
    let label = "app.kubernetes.io/part-of=fairlead";
    let found =
        mesh.kubectl_json(&["get", &kinds.join(","), "--all-namespaces", "--selector", label]).unwrap();
    found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| {
            let metadata = &object["metadata"];
            let namespace = metadata["namespace"].as_str().map(|name| format!("{name}/")).unwrap_or_default();
            format!("{} {namespace}{}", object["kind"].as_str().unwrap(), metadata["name"].as_str().unwrap())
        })
        .collect()
}

fn uid(mesh: &Mesh, kind: &str, namespace: &str, name: &str) -> String {
    let object = mesh.kubectl_json(&["get", kind, name, "--namespace", namespace]).unwrap();
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[test]
fn chart_installs_upgrades_and_leaves_what_is_not_its_own() {
    let mesh = mesh().unwrap();
    let chart = chart();
    // A namespace with credentials that somebody else made, and keeps.
    mesh.namespace("theirs").unwrap();
    let namespaces = "config.secretNamespaces={kyma-system,kyma-integration,theirs}";
    let here = ["--namespace", "kyma-system", "--set", namespaces];
    mesh.helm(&[&["install", "fairlead", &chart, "--create-namespace"][..], &here].concat()).unwrap();
    let installed = ours(mesh);
    for object in [
        "ConfigMap kyma-system/fairlead-anchor",
        "ConfigMap fairlead-egress/fairlead-anchor",
        "ConfigMap fairlead-ingress/fairlead-anchor",
        "Deployment kyma-system/fairlead-core",
        "Deployment fairlead-egress/fairlead-egress",
        "Deployment fairlead-ingress/fairlead-ingress",
        "Service kyma-system/central-application-gateway",
        "Service kyma-system/fairlead-control",
        "Namespace kyma-integration",
        "Role theirs/fairlead-core-credentials",
        "PodDisruptionBudget kyma-system/fairlead-core",
        "CustomResourceDefinition applications.applicationconnector.kyma-project.io",
    ] {
        assert!(installed.contains(object), "{object} is not in {installed:#?}");
    }
    let ports =
        mesh.kubectl_json(&["get", "service", "central-application-gateway", "-n", "kyma-system"]).unwrap();
    assert_eq!(ports["spec"]["externalName"], "fairlead-egress.fairlead-egress.svc.cluster.local");
    let numbers: Vec<_> =
        ports["spec"]["ports"].as_array().unwrap().iter().map(|port| &port["port"]).collect();
    assert_eq!(numbers, [8080, 8082, 8081]);

    // What users make, in the namespaces that we share with them.
    mesh.apply(&[
        json!({
            "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
            "metadata": { "name": "erp" }, "spec": { "description": "d", "services": [] },
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": "kyma-system", "name": "credentials" },
            "stringData": { "username": "u", "password": "p" },
        }),
    ])
    .unwrap();

    let anchors = ["kyma-system", "fairlead-egress", "fairlead-ingress"];
    let before = anchors.map(|namespace| uid(mesh, "configmap", namespace, "fairlead-anchor"));
    let checksum = |mesh: &Mesh| {
        let core = mesh.kubectl_json(&["get", "deployment", "fairlead-core", "-n", "kyma-system"]).unwrap();
        core.pointer("/spec/template/metadata/annotations/checksum~1config").cloned().unwrap()
    };
    let first = checksum(mesh);
    let values = ["--set", "domain=example.com", "--set", "networkPolicies.enabled=true"];
    mesh.helm(&[&["upgrade", "fairlead", &chart][..], &here[..], &values].concat()).unwrap();
    assert_eq!(anchors.map(|namespace| uid(mesh, "configmap", namespace, "fairlead-anchor")), before);
    assert_ne!(checksum(mesh), first, "the control plane takes a new configuration only by new pods");
    let upgraded = ours(mesh);
    assert!(upgraded.is_superset(&installed));
    assert!(upgraded.contains("NetworkPolicy fairlead-egress/fairlead-egress"));
    mesh.helm(&[&["upgrade", "fairlead", &chart, "--reset-values"][..], &here].concat()).unwrap();
    assert_eq!(ours(mesh), installed);

    mesh.helm(&["uninstall", "fairlead", "--namespace", "kyma-system"]).unwrap();
    let kept: BTreeSet<String> = installed
        .iter()
        .filter(|object| {
            object.starts_with("CustomResourceDefinition ") || *object == "Namespace kyma-integration"
        })
        .cloned()
        .collect();
    assert_eq!(kept.len(), 5, "{kept:#?}");
    // Without a namespace controller a deleted namespace stays and says that it is ending.
    let ending = ["fairlead-egress", "fairlead-ingress"].map(|name| {
        let namespace = mesh.kubectl_json(&["get", "namespace", name]).unwrap();
        assert!(namespace["metadata"]["deletionTimestamp"].is_string(), "{name}");
        format!("Namespace {name}")
    });
    let left: BTreeSet<String> = ours(mesh).into_iter().filter(|object| !ending.contains(object)).collect();
    assert_eq!(left, kept);
    mesh.kubectl(&["get", "application", "erp"]).unwrap();
    let theirs = mesh.kubectl_json(&["get", "namespace", "theirs"]).unwrap();
    assert!(theirs["metadata"]["deletionTimestamp"].is_null());
    let credentials: Value =
        mesh.kubectl_json(&["get", "secret", "credentials", "-n", "kyma-system"]).unwrap();
    assert_eq!(credentials["data"]["username"], "dQ==");
}
