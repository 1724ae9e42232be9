//! Any manifest as the store finds it → the resource that it is, or what is wrong with it.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Application, Secret, application, metadata, secret};

/// What the model is told about.
#[derive(Clone, Debug)]
pub enum Object {
    /// An Application. Large, hence boxed.
    Application(Box<Application>),
    /// A Secret.
    Secret(Secret),
    /// A kind that has no part in this (TokenRequest, ApplicationMapping, …).
    Other(ObjectRef),
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectRef {
    /// The Application of this name.
    Application(String),
    /// A Secret.
    Secret {
        /// Where it lives.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Anything else.
    #[serde(rename_all = "camelCase")]
    Other {
        /// Group and version.
        api_version: String,
        /// Kind.
        kind: String,
        /// Where it lives, if anywhere.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
}

/// A manifest cannot be used. It never holds a Secret's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ObjectError {
    /// Path of the field, as `spec.services[0].entries[1].type`.
    pub field: String,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

impl ObjectError {
    pub(crate) fn new(field: &str, reason: &str) -> Self {
        Self { field: field.to_owned(), reason: reason.to_owned() }
    }
}

/// What every manifest has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
    metadata: crate::Metadata,
}

impl Object {
    /// Reads one manifest (a YAML document as JSON). `version` is the store's word for this content; see
    /// [`Secret::version`].
    ///
    /// # Errors
    /// When it is no manifest, or an Application or Secret that the API server would refuse: which field, and why.
    pub fn from_json(mut manifest: Value, version: &str) -> Result<Self, ObjectError> {
        prune_nulls(&mut manifest);
        let head: Head = read(&manifest)?;
        let known = match (head.api_version.as_str(), head.kind.as_str()) {
            (application::API_VERSION, "Application") => Self::Application(Box::new(read(&manifest)?)),
            ("v1", "Secret") => {
                Self::Secret(Secret::from_manifest(read::<secret::Manifest>(&manifest)?, version)?)
            }
            _ => {
                return Ok(Self::Other(ObjectRef::Other {
                    api_version: head.api_version,
                    kind: head.kind,
                    namespace: head.metadata.namespace,
                    name: head.metadata.name,
                }));
            }
        };
        if metadata::is_object_name(&head.metadata.name) {
            Ok(known)
        } else {
            Err(ObjectError::new(
                "metadata.name",
                "must be a DNS subdomain: at most 253 lower-case letters, digits, '-' and '.', \
                 each part beginning and ending with a letter or digit",
            ))
        }
    }

    /// Which object it is.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        match self {
            Self::Application(application) => ObjectRef::Application(application.metadata.name.clone()),
            Self::Secret(secret) => {
                ObjectRef::Secret { namespace: secret.namespace.to_string(), name: secret.name.to_string() }
            }
            Self::Other(reference) => reference.clone(),
        }
    }
}

impl From<Application> for Object {
    fn from(application: Application) -> Self {
        Self::Application(Box::new(application))
    }
}

impl From<Secret> for Object {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application(name) => write!(f, "Application {name}"),
            Self::Secret { namespace, name } => write!(f, "Secret {namespace}/{name}"),
            Self::Other { kind, namespace: Some(namespace), name, .. } => {
                write!(f, "{kind} {namespace}/{name}")
            }
            Self::Other { kind, name, .. } => write!(f, "{kind} {name}"),
        }
    }
}

/// The API server drops a field whose value is null before it looks at the schema; so an empty `description:` is absent.
fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        _ => {}
    }
}

fn read<T: DeserializeOwned>(manifest: &Value) -> Result<T, ObjectError> {
    serde_path_to_error::deserialize(manifest).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "manifest".to_owned() } else { path };
        ObjectError { field, reason: without_values(error.inner()) }
    })
}

/// serde's words quote what was found, which may be part of a Secret.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: ")) {
        Some(_) => match text.rsplit_once(", expected ") {
            Some((_, expected)) => format!("has a wrong type or value: expected {expected}"),
            None => "has a wrong type or value".to_owned(),
        },
        None => text,
    }
}
