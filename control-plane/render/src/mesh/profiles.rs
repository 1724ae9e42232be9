//! Transport profiles: one small `EnvoyFilter` each, so that a new one writes one object and the others stay as they are.

use fairlead_wire::profile::PREFIX;
use serde_json::{Value, json};

use super::{
    MeshGateway,
    envoy_filter::{cluster, envoy_filter},
    object::PROFILE_LABEL,
};
use crate::{Profile, cluster::of_profile};

/// The object of a transport profile, named by it; applies to this gateway's pods only. A private CA is part of it: a CA
/// is no secret. Its size is that of the CA's Secret, which the API server bounds, and 3 KB.
#[must_use]
pub fn profile(gateway: &MeshGateway, profile: &Profile) -> Value {
    let patch = cluster(of_profile(&gateway.upstream(), profile));
    let mut object = envoy_filter(gateway, &profile_object_name(&profile.id), &[patch]);
    if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.insert(PROFILE_LABEL.to_owned(), json!(profile.id));
    }
    object
}

/// Name of a profile's object.
#[must_use]
pub fn profile_object_name(id: &str) -> String {
    format!("fairlead-t-{}", id.strip_prefix(PREFIX).unwrap_or(id))
}
