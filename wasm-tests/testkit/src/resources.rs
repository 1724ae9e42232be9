//! Manifests for tests, with nothing but what a test is about.

use serde_json::{Map, Value, json};

use crate::{Error, Result, error::Doing as _};

/// An Application.
#[derive(Clone, Debug)]
pub struct Application {
    name: String,
    spec: Map<String, Value>,
    services: Vec<Value>,
}

impl Application {
    /// Without services.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), spec: Map::new(), services: Vec::new() }
    }

    /// The same with a field of `spec`: `("skipVerify", true)`.
    #[must_use]
    pub fn spec(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.spec.insert(field.to_owned(), value.into());
        self
    }

    /// The same with the client ids that count instead of its name (CV §4.2).
    #[must_use]
    pub fn client_ids(self, ids: &[&str]) -> Self {
        self.spec("compassMetadata", json!({ "authentication": { "clientIds": ids } }))
    }

    /// The same with one more service; `services[].name` is `name-of-{display name}`, the id `id-of-{display name}`.
    #[must_use]
    pub fn service(mut self, display_name: &str, entries: &[Entry]) -> Self {
        self.services.push(json!({
            "id": format!("id-of-{display_name}"),
            "name": format!("name-of-{display_name}"),
            "displayName": display_name,
            "providerDisplayName": "test",
            "description": "test",
            "entries": entries.iter().map(|entry| entry.0.clone()).collect::<Vec<_>>(),
        }));
        self
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> Value {
        let mut spec = self.spec.clone();
        spec.insert("services".to_owned(), self.services.clone().into());
        json!({
            "apiVersion": "applicationconnector.kyma-project.io/v1alpha1",
            "kind": "Application",
            "metadata": { "name": self.name },
            "spec": spec,
        })
    }
}

/// An entry of a service.
#[derive(Clone, Debug)]
pub struct Entry(Value);

impl Entry {
    /// An API at this URL.
    #[must_use]
    pub fn api(target_url: &str) -> Self {
        Self(json!({ "type": "API", "targetUrl": target_url }))
    }

    /// Events.
    #[must_use]
    pub fn events() -> Self {
        Self(json!({ "type": "Events" }))
    }

    /// The same with another field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Some(fields) = self.0.as_object_mut() {
            fields.insert(name.to_owned(), value.into());
        }
        self
    }

    /// The same with a name, as the three-segment port looks for it.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.field("name", name)
    }

    /// The same with Basic credentials in this Secret.
    #[must_use]
    pub fn basic(self, secret: &str) -> Self {
        self.field("credentials", json!({ "type": "Basic", "secretName": secret }))
    }

    /// The same with OAuth credentials in this Secret.
    #[must_use]
    pub fn oauth(self, secret: &str, token_url: &str) -> Self {
        let credentials = json!({ "type": "OAuth", "secretName": secret, "authenticationUrl": token_url });
        self.field("credentials", credentials)
    }

    /// The same with a client certificate in this Secret (AG §8.5).
    #[must_use]
    pub fn certificate(self, secret: &str) -> Self {
        self.field("credentials", json!({ "type": "CertificateGen", "secretName": secret }))
    }

    /// The same with custom headers and query parameters in this Secret.
    #[must_use]
    pub fn parameters(self, secret: &str) -> Self {
        self.field("requestParametersSecretName", secret)
    }
}

/// A Secret in `kyma-system`.
#[must_use]
pub fn secret(name: &str, data: &[(&str, &str)]) -> Value {
    secret_in("kyma-system", name, data)
}

/// A Secret.
#[must_use]
pub fn secret_in(namespace: &str, name: &str, data: &[(&str, &str)]) -> Value {
    let data: Map<String, Value> =
        data.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace },
        "stringData": data,
    })
}

/// A file of these manifests.
///
/// # Errors
/// One cannot be written as YAML.
pub fn yaml(manifests: &[Value]) -> Result<String> {
    let documents: Result<Vec<String>> = manifests
        .iter()
        .map(|manifest| yaml_serde::to_string(manifest).doing("cannot write a manifest"))
        .collect();
    let documents = documents?;
    if documents.is_empty() {
        return Err(Error::new("no manifests"));
    }
    Ok(documents.join("---\n"))
}
