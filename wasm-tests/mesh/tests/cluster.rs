//! What only a cluster with kubelets and a garbage collector shows, on the one that `KUBECONFIG` names, with Istio and the
//! chart installed (release `fairlead`): pods become ready, a workload calls, an uninstall leaves nothing.
//!
//! `cargo xtask kind test` runs it. *Not yet run in kind.*

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use fairlead_testkit::{Error, Result, wait};
use serde_json::{Value, json};

/// A change is effective within a second; a cluster in Docker gets more for kubectl's own way.
const EFFECTIVE: Duration = Duration::from_secs(5);
/// Pods, and the garbage collector.
const LIMIT: Duration = Duration::from_secs(180);
const HERE: &str = "fairlead-try";
/// Answers `/header?key=NAME` with that header of the request, and has curl.
const TARGET_IMAGE: &str = "registry.k8s.io/e2e-test-images/agnhost:2.53";

fn tool(name: &str, arguments: &[&str]) -> Result<String> {
    let built = std::env::var_os("FAIRLEAD_MESH_TOOLS").map(|tools| PathBuf::from(tools).join(name));
    let program = built.filter(|file| file.exists()).unwrap_or_else(|| name.into());
    let output =
        Command::new(program).args(arguments).output().map_err(|error| Error::new(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::new(format!("{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

fn kubectl(line: &str) -> Result<String> {
    tool("kubectl", &line.split(' ').collect::<Vec<_>>())
}

fn apply(object: &Value) {
    let file = std::env::temp_dir().join(format!("fairlead-cluster-{}.json", std::process::id()));
    std::fs::write(&file, object.to_string()).unwrap();
    kubectl(&format!("apply --server-side --force-conflicts -f {}", file.display())).unwrap();
    std::fs::remove_file(file).unwrap();
}

/// Calls from a pod until the answer is as wanted.
fn until(what: &str, path: &str, wanted: &str) {
    let call = format!(
        "exec -n {HERE} deploy/target -- curl -s -w %{{http_code}} http://central-application-gateway.kyma-system:8080{path}"
    );
    wait::attempt(what, EFFECTIVE, || {
        let answer = kubectl(&call)?;
        if answer.contains(wanted) { Ok(()) } else { Err(Error::new(answer)) }
    })
    .unwrap();
}

fn credentials(password: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": "kyma-system", "name": "fairlead-try" },
        "stringData": { "username": "user", "password": password },
    })
}

fn ready() {
    for deployment in
        ["kyma-system fairlead-core", "fairlead-egress fairlead-egress", "fairlead-ingress fairlead-ingress"]
    {
        let (namespace, name) = deployment.split_once(' ').unwrap();
        kubectl(&format!("rollout status deployment/{name} -n {namespace} --timeout 3m")).unwrap();
    }
}

#[test]
#[ignore = "needs a cluster with Istio and the chart: cargo xtask kind up, then kind test"]
fn cluster_serves_a_workload_and_is_left_as_it_was() {
    ready();
    kubectl(&format!("create namespace {HERE}")).unwrap();
    kubectl(&format!(
        "create deployment target -n {HERE} --image {TARGET_IMAGE} --port 8080 -- /agnhost netexec"
    ))
    .unwrap();
    kubectl(&format!("expose deployment target -n {HERE} --port 8080")).unwrap();
    kubectl(&format!("rollout status deployment/target -n {HERE} --timeout 3m")).unwrap();
    until("an unknown Application", "/fairlead-try/echo/", "404");

    apply(&credentials("one"));
    let entry = json!({
        "type": "API", "targetUrl": format!("http://target.{HERE}:8080"),
        "credentials": { "type": "Basic", "secretName": "fairlead-try" },
    });
    let service = json!({
        "id": "echo", "name": "echo", "displayName": "echo", "providerDisplayName": "p", "description": "d",
        "entries": [entry],
    });
    apply(&json!({
        "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
        "metadata": { "name": "fairlead-try" }, "spec": { "services": [service] },
    }));
    let path = "/fairlead-try/echo/header?key=Authorization";
    until("the credential", path, "Basic dXNlcjpvbmU=");
    apply(&credentials("two"));
    until("the changed credential", path, "Basic dXNlcjp0d28=");
    kubectl("delete application fairlead-try").unwrap();
    until("the deleted Application", path, "404");
    kubectl("delete secret fairlead-try -n kyma-system").unwrap();
    kubectl(&format!("delete namespace {HERE} --wait=false")).unwrap();

    tool("helm", &["uninstall", "fairlead", "--namespace", "kyma-system", "--wait"]).unwrap();
    let kinds = kubectl("api-resources --verbs list --output name").unwrap().trim().replace('\n', ",");
    wait::attempt("nothing left", LIMIT, || {
        let label = "app.kubernetes.io/part-of=fairlead";
        let left = kubectl(&format!("get {kinds} --all-namespaces --selector {label} --output name"))?;
        let surplus: Vec<&str> = left
            .lines()
            .filter(|name| {
                !name.starts_with("customresourcedefinition.") && *name != "namespace/kyma-integration"
            })
            .collect();
        if surplus.is_empty() { Ok(()) } else { Err(Error::new(surplus.join(" "))) }
    })
    .unwrap();

    // Again, over what an uninstall keeps.
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../istio/chart").display().to_string();
    let mut install = vec!["install", "fairlead", &chart, "--namespace", "kyma-system", "--wait"];
    let values = std::env::var("FAIRLEAD_CHART_VALUES");
    install.extend(values.iter().flat_map(|file| ["--values", file.as_str()]));
    tool("helm", &install).unwrap();
    ready();
}
