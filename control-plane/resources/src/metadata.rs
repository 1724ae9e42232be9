//! What Fairlead reads of an object's `metadata`, and the rule for names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest name of an object, characters.
const MAX_NAME: usize = 253;

/// `metadata` of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The object's name; a DNS subdomain once it was read by [`Object::from_json`](crate::Object::from_json).
    pub name: String,
    /// Its namespace; none for an Application, which is cluster-scoped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Counts changes of `spec`; only the API server sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Tells an object from an earlier one of the same name; only the API server sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Set while the object waits for finalizers: it counts as deleted (CV §7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Whether `name` is a DNS subdomain as Kubernetes demands of object names: at most 253 characters; labels of
/// lower-case letters, digits and `-` that begin and end with a letter or digit, joined by `.`.
#[must_use]
pub fn is_object_name(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.len() <= MAX_NAME
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            edge(bytes.first())
                && edge(bytes.last())
                && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_subdomains() {
        for good in ["a", "my.app-1", "0", "a-b.c-d", &"a".repeat(253)] {
            assert!(is_object_name(good), "{good}");
        }
        for bad in ["", "A", "a_b", "-a", "a-", "a..b", ".a", "a.", "a/b", "a b", "ä", "..", &"a".repeat(254)]
        {
            assert!(!is_object_name(bad), "{bad}");
        }
    }
}
