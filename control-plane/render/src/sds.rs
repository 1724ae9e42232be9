//! Key pairs and CA bundles as secrets that Envoy reads from files, and reads again when they change: no restart, no
//! listener update. A secret file here names the PEM files; both are watched.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    Pair,
    json::{any, parent, path},
};

/// What the gateway shows to the control plane.
pub const CONTROL: &str = "control";
/// The CA that may have issued the control plane's certificate.
pub const CONTROL_CA: &str = "control-ca";
/// What external systems see.
pub const SERVER: &str = "server";
/// CAs of client certificates.
pub const CLIENT_CA: &str = "client-ca";

/// Name of the secret's file, relative to the gateway's directory.
#[must_use]
pub fn file(name: &str) -> String {
    format!("sds/{name}.json")
}

/// The `SdsSecretConfig` that leads to [`file()`].
#[must_use]
pub fn reference(directory: &Path, name: &str) -> Value {
    let sds = directory.join("sds");
    json!({ "name": name, "sds_config": source(&sds.join(format!("{name}.json"))) })
}

/// A `ConfigSource` of a file that is replaced by rename.
#[must_use]
pub fn source(file: &Path) -> Value {
    json!({
        "path_config_source": { "path": path(file), "watched_directory": { "path": parent(file) } },
        "resource_api_version": "V3",
    })
}

/// Content of the file of a key pair. Envoy watches the certificate's directory for both.
#[must_use]
pub fn pair(name: &str, pair: &Pair) -> Value {
    secret(
        name,
        "tls_certificate",
        &json!({
            "certificate_chain": { "filename": path(&pair.certificate) },
            "private_key": { "filename": path(&pair.key) },
            "watched_directory": { "path": parent(&pair.certificate) },
        }),
    )
}

/// Content of the file of a CA bundle.
#[must_use]
pub fn bundle(name: &str, file: &Path) -> Value {
    secret(
        name,
        "validation_context",
        &json!({ "trusted_ca": { "filename": path(file) }, "watched_directory": { "path": parent(file) } }),
    )
}

fn secret(name: &str, kind: &str, value: &Value) -> Value {
    let secret =
        any("envoy.extensions.transport_sockets.tls.v3.Secret", json!({ "name": name, kind: value }));
    json!({ "resources": [secret] })
}
