//! Secrets as they are stored: `data` in base64, `stringData` in plain text (decision 1).

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Deserialize;

use crate::{Metadata, ObjectError};

/// A Secret. It prints without its values, and cannot be serialised.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Where it lives. Shared with what is made of it.
    pub namespace: Arc<str>,
    /// Its name. Shared with what is made of it.
    pub name: Arc<str>,
    /// Opaque; differs when the content differs. It becomes part of grant ids, so the store never derives it from the
    /// content (decision 32).
    pub version: String,
    /// By key, in its order: there are few, and a map takes half a kilobyte at least.
    data: Box<[(Box<str>, SecretSlice<u8>)]>,
}

/// A Secret's manifest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    string_data: BTreeMap<String, String>,
}

impl Secret {
    /// A Secret with these values.
    #[must_use]
    pub fn new(
        namespace: &str,
        name: &str,
        version: &str,
        data: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Self {
        // The last value of a key counts.
        let data: BTreeMap<String, Vec<u8>> = data.into_iter().collect();
        Self {
            namespace: namespace.into(),
            name: name.into(),
            version: version.to_owned(),
            data: data.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        }
    }

    /// The value of `key`, if it is there.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.data.iter().find(|(known, _)| **known == *key).map(|(_, value)| value.expose_secret())
    }

    /// Names of the values.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.data.iter().map(|(key, _)| &**key)
    }

    /// A Secret as the API server gives it: values in base64. The names are shared with the caller.
    ///
    /// # Errors
    /// Which value is not base64.
    pub fn from_base64(
        namespace: Arc<str>,
        name: Arc<str>,
        version: String,
        data: BTreeMap<String, String>,
    ) -> Result<Self, ObjectError> {
        let data = data.into_iter().map(|(key, value)| {
            let bytes = decode(&key, SecretString::from(value).expose_secret())?;
            Ok((key.into(), bytes.into()))
        });
        Ok(Self { namespace, name, version, data: data.collect::<Result<_, _>>()? })
    }

    pub(crate) fn from_manifest(manifest: Manifest, version: &str) -> Result<Self, ObjectError> {
        let Manifest { metadata, data, string_data } = manifest;
        let Some(namespace) = metadata.namespace else {
            return Err(ObjectError::new("metadata.namespace", "is missing: say where the Secret lives"));
        };
        let mut values = BTreeMap::new();
        for (key, value) in data {
            let bytes = decode(&key, SecretString::from(value).expose_secret())?;
            values.insert(key, bytes);
        }
        values.extend(string_data.into_iter().map(|(key, value)| (key, value.into_bytes())));
        Ok(Self::new(&namespace, &metadata.name, version, values))
    }
}

fn decode(key: &str, value: &str) -> Result<Vec<u8>, ObjectError> {
    // As the API server does, line breaks in base64 are ignored.
    let decoded = if value.contains(['\r', '\n']) {
        let compact: SecretString =
            value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect::<String>().into();
        STANDARD.decode(compact.expose_secret())
    } else {
        STANDARD.decode(value)
    };
    decoded.map_err(|_| {
        ObjectError::new(
            &format!("data.{key}"),
            "is not base64: encode it (base64), or move the plain text to stringData",
        )
    })
}
