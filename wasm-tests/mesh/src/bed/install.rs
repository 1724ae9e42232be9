//! Installing the chart, as an operator would.

use std::path::Path;

use fairlead_testkit::{Result, certs::Authority, error::Doing as _, mesh::Mesh};
use serde_json::Value;

use super::INGRESS_HOST;

/// The release and its namespace.
const RELEASE: &str = "fairlead";
const NAMESPACE: &str = "kyma-system";

/// The chart.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../istio/chart");

/// What external systems see at the ingress gateway, where a Kyma cluster has it.
const SERVER_SECRET: (&str, &str) = ("istio-system", "kyma-gateway-certs");

pub(super) fn install(mesh: &Mesh, server_authority: &Authority, values: &Value) -> Result {
    let (namespace, name) = SERVER_SECRET;
    let pair = server_authority.server(&[INGRESS_HOST])?.write(mesh.directory(), "ingress-server")?;
    let (certificate, key) = (argument("cert", &pair.0), argument("key", &pair.1));
    mesh.kubectl(&["create", "secret", "tls", name, "--namespace", namespace, &certificate, &key])?;
    helm(mesh, "install", values)
}

/// Gives the chart other values.
pub(super) fn upgrade(mesh: &Mesh, values: &Value) -> Result {
    helm(mesh, "upgrade", values)
}

fn helm(mesh: &Mesh, verb: &str, values: &Value) -> Result {
    let file = mesh.directory().join("values.json");
    std::fs::write(&file, values.to_string()).doing(file.display())?;
    let file = file.display().to_string();
    let mut words = vec![verb, RELEASE, CHART, "--namespace", NAMESPACE, "--values", &file];
    if verb == "install" {
        words.push("--create-namespace");
    }
    mesh.helm(&words).map(drop)
}

fn argument(name: &str, file: &Path) -> String {
    format!("--{name}={}", file.display())
}
