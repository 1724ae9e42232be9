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
/// What client certificates' names begin with.
const CLIENT: &str = "client-";

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

/// Name of the file of a client certificate, relative to the gateway's directory.
#[must_use]
pub fn client_file(fingerprint: &str) -> String {
    file(&client_name(fingerprint))
}

/// Content of the file of a client certificate, PEM. It holds the key: for its owner only.
#[must_use]
pub fn client(fingerprint: &str, certificate_pem: &str, key_pem: &str) -> Value {
    secret(
        &client_name(fingerprint),
        "tls_certificate",
        &json!({
            "certificate_chain": { "inline_string": certificate_pem },
            "private_key": { "inline_string": key_pem },
        }),
    )
}

/// The `SdsSecretConfig` that leads to [`client_file`]. Another certificate is another file, so that it need not be watched:
/// thousands of watches of one directory would all wake for each new one.
#[must_use]
pub fn client_reference(directory: &Path, fingerprint: &str) -> Value {
    let path = path(&directory.join(client_file(fingerprint)));
    json!({
        "name": client_name(fingerprint),
        "sds_config": { "path_config_source": { "path": path }, "resource_api_version": "V3" },
    })
}

fn client_name(fingerprint: &str) -> String {
    format!("{CLIENT}{fingerprint}")
}

/// The fingerprint of the client certificate in a file of this name (without directory), if it is one.
#[must_use]
pub fn client_of(file_name: &str) -> Option<&str> {
    file_name.strip_prefix(CLIENT)?.strip_suffix(".json").filter(|of| *of != "ca")
}

fn secret(name: &str, kind: &str, value: &Value) -> Value {
    let secret =
        any("envoy.extensions.transport_sockets.tls.v3.Secret", json!({ "name": name, kind: value }));
    json!({ "resources": [secret] })
}
