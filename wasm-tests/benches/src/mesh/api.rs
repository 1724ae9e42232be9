//! The mesh's API server as administrator: what `kubectl` would take hours for, by connections that stay open.

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_testkit::{
    Error, Result,
    certs::Identity,
    error::Doing as _,
    http::{Connection, Request, Tls},
    mesh::Mesh,
};
use serde_json::Value;

const APPLICATIONS: &str = "/apis/applicationconnector.kyma-project.io/v1alpha1/applications";
const SECRETS: &str = "/api/v1/namespaces/kyma-system/secrets";
/// Connections that write at once.
const WRITERS: usize = 16;

/// Where it is, and who asks.
pub(super) struct Api {
    address: SocketAddr,
    tls: Tls,
}

impl Api {
    pub(super) fn new(mesh: &Mesh) -> Result<Self> {
        let text = std::fs::read_to_string(mesh.kubeconfig()).doing("no kubeconfig")?;
        let config: Value = serde_json::from_str(&text).doing("cannot read the kubeconfig")?;
        let pem = |field: &str| {
            let text = config.pointer(&format!("/users/0/user/{field}")).and_then(Value::as_str);
            let bytes = STANDARD.decode(text.unwrap_or_default()).doing("the kubeconfig's certificate")?;
            String::from_utf8(bytes).doing("the kubeconfig's certificate")
        };
        let identity =
            Identity { certificate_pem: pem("client-certificate-data")?, key_pem: pem("client-key-data")? };
        let url = mesh.api_url();
        let address = url.trim_start_matches("https://").parse().doing(url)?;
        Ok(Self { address, tls: Tls::new().roots(mesh.api_authority()).identity(&identity) })
    }

    pub(super) fn connect(&self) -> Result<Connection> {
        Connection::open_tls(self.address, &self.tls)
    }

    /// Creates all of these; several at a time.
    pub(super) fn create(&self, manifests: &[Value]) -> Result {
        let share = manifests.len().div_ceil(WRITERS).max(1);
        std::thread::scope(|scope| {
            let writers: Vec<_> = manifests
                .chunks(share)
                .map(|manifests| {
                    scope.spawn(move || {
                        let mut connection = self.connect()?;
                        manifests.iter().try_for_each(|manifest| {
                            send(&mut connection, "POST", &collection(manifest), manifest)
                        })
                    })
                })
                .collect();
            writers
                .into_iter()
                .try_for_each(|writer| writer.join().map_err(|_| Error::new("a writer failed"))?)
        })
    }
}

/// Changes fields of an Application or a Secret.
pub(super) fn patch(connection: &mut Connection, manifest: &Value) -> Result {
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    send(connection, "PATCH", &format!("{}/{name}", collection(manifest)), manifest)
}

fn collection(manifest: &Value) -> String {
    let secret = manifest.get("kind").and_then(Value::as_str) == Some("Secret");
    if secret { SECRETS } else { APPLICATIONS }.to_owned()
}

fn send(connection: &mut Connection, method: &str, path: &str, manifest: &Value) -> Result {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = Request::new(method, path)
        .header("Host", "kubernetes.default")
        .header("Content-Type", kind)
        .body(manifest.to_string());
    let response = connection.send(&request)?;
    if (200..300).contains(&response.status) {
        return Ok(());
    }
    Err(Error::new(format!("{method} {path}: {} {}", response.status, response.text())))
}
