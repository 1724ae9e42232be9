//! Objects that are ours: what kinds there are, in which order they are written, and when two are the same.

use fairlead_render::mesh::{CLIENT_LABEL, LABELS, PROFILE_LABEL, client_secret_name};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};
use serde_json::{Map, Value};

use crate::kubernetes::MANAGER;

/// A kind that we write, in the order in which to write them: what nothing works without comes first, what makes a
/// gateway listen behind it, and the plugin last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Telemetry,
    Secret,
    EnvoyFilter,
    VirtualService,
    Gateway,
    WasmPlugin,
}

impl Kind {
    /// All, in order.
    const ALL: [Self; 6] = [
        Self::Telemetry,
        Self::Secret,
        Self::EnvoyFilter,
        Self::VirtualService,
        Self::Gateway,
        Self::WasmPlugin,
    ];

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Telemetry => "Telemetry",
            Self::Secret => "Secret",
            Self::EnvoyFilter => "EnvoyFilter",
            Self::VirtualService => "VirtualService",
            Self::Gateway => "Gateway",
            Self::WasmPlugin => "WasmPlugin",
        }
    }

    fn resource(self) -> ApiResource {
        let (group, version, plural) = match self {
            Self::Telemetry => ("telemetry.istio.io", "v1", "telemetries"),
            Self::Secret => ("", "v1", "secrets"),
            Self::EnvoyFilter => ("networking.istio.io", "v1alpha3", "envoyfilters"),
            Self::VirtualService => ("networking.istio.io", "v1", "virtualservices"),
            Self::Gateway => ("networking.istio.io", "v1", "gateways"),
            Self::WasmPlugin => ("extensions.istio.io", "v1alpha1", "wasmplugins"),
        };
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version,
            kind: self.name().to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// Objects of this kind in a namespace.
    pub(super) fn api(self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), namespace, &self.resource())
    }
}

/// Kind and name; within one namespace that is all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) name: String,
}

impl Key {
    /// Of a rendered object; none of a kind that is unknown here.
    pub(super) fn of(object: &Value) -> Option<Self> {
        let kind = object.get("kind")?.as_str()?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        Some(Self { kind, name: object.pointer("/metadata/name")?.as_str()?.to_owned() })
    }
}

/// The label selector of everything that is ours.
pub(super) fn selector() -> String {
    LABELS.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// The transport profile that an object stands for.
pub(super) fn profile(object: &DynamicObject) -> Option<&str> {
    object.metadata.labels.as_ref()?.get(PROFILE_LABEL).map(String::as_str)
}

/// Whether gateways may need an object for a while after nothing else does: it is of a transport profile.
pub(super) fn outlives(object: &DynamicObject) -> bool {
    let labels = object.metadata.labels.iter().flatten();
    labels.into_iter().any(|(label, _)| label == PROFILE_LABEL || label == CLIENT_LABEL)
}

/// The Secret that a profile's object is of no use without.
pub(super) fn needs(object: &Value) -> Option<Key> {
    let labels = object.pointer("/metadata/labels").filter(|labels| labels.get(PROFILE_LABEL).is_some())?;
    let fingerprint = labels.get(CLIENT_LABEL)?.as_str()?;
    Some(Key { kind: Kind::Secret, name: client_secret_name(fingerprint) })
}

/// Whether we wrote it. Labels can be anybody's.
pub(super) fn written_by_us(object: &DynamicObject) -> bool {
    let managers = object.metadata.managed_fields.iter().flatten();
    managers.into_iter().any(|entry| entry.manager.as_deref() == Some(MANAGER))
}

/// Whether the object that is there is the one that should be: content to the last field, our labels and owner. What
/// others note in its metadata or status is theirs.
pub(super) fn same(there: &DynamicObject, wanted: &Value) -> bool {
    let owners = wanted.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let owned = owners.into_iter().flatten().all(|owner| {
        let uid = owner.get("uid").and_then(Value::as_str);
        there.metadata.owner_references.iter().flatten().any(|there| Some(there.uid.as_str()) == uid)
    });
    let labels = wanted.pointer("/metadata/labels").and_then(Value::as_object);
    let labelled = labels.into_iter().flatten().all(|(key, value)| {
        there.metadata.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str)
            == value.as_str()
    });
    owned && labelled && content(&there.data) == content(wanted)
}

/// Everything but what the API server and others keep about the object.
pub(super) fn content(object: &Value) -> Map<String, Value> {
    const ABOUT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];
    let fields = object.as_object().into_iter().flatten();
    let content = fields.filter(|(key, _)| !ABOUT.contains(&key.as_str()));
    content.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The JSON merge patch (RFC 7386) that makes `wanted` of `there`.
pub(super) fn difference(there: &Value, wanted: &Value) -> Value {
    let (Value::Object(there), Value::Object(wanted)) = (there, wanted) else { return wanted.clone() };
    let gone = there.keys().filter(|key| !wanted.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let other = wanted.iter().filter(|(key, value)| there.get(*key) != Some(*value));
    let other = other.map(|(key, value)| match there.get(key) {
        Some(there) => (key.clone(), difference(there, value)),
        None => (key.clone(), value.clone()),
    });
    Value::Object(gone.chain(other).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn there(object: Value) -> DynamicObject {
        serde_json::from_value(object).unwrap()
    }

    fn wanted() -> Value {
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": { "name": "g", "namespace": "n", "labels": { "a": "b" } },
            "spec": { "servers": [{ "port": 1 }] },
        })
    }

    #[test]
    fn what_others_note_is_no_difference_and_what_they_change_is() {
        let mut object = wanted();
        object["metadata"]["annotations"] = json!({ "somebody": "was here" });
        object["metadata"]["labels"]["more"] = json!("labels");
        object["status"] = json!({ "conditions": [] });
        assert!(same(&there(object.clone()), &wanted()));
        let mut more = object.clone();
        more["spec"]["selector"] = json!({ "other": "pods" });
        assert!(!same(&there(more), &wanted()), "a field more");
        let mut labels = object.clone();
        labels["metadata"]["labels"]["a"] = json!("c");
        assert!(!same(&there(labels), &wanted()), "another label");
        object["spec"]["servers"][0]["port"] = json!(2);
        assert!(!same(&there(object), &wanted()), "another value");
    }

    #[test]
    fn difference_takes_out_what_others_added() {
        let there = json!({ "spec": { "a": 1, "list": [1, 2], "more": { "x": 1 }, "same": { "y": 2 } } });
        let wanted = json!({ "spec": { "a": 1, "list": [1], "same": { "y": 2 } } });
        let patch = json!({ "spec": { "list": [1], "more": null } });
        assert_eq!(difference(&there, &wanted), patch);
    }

    #[test]
    fn keys_sort_in_the_order_to_write() {
        let key = |kind: &str| Key::of(&json!({ "kind": kind, "metadata": { "name": "a" } })).unwrap();
        assert!(key("EnvoyFilter") < key("Gateway"));
        assert!(key("Gateway") < key("WasmPlugin"));
        assert!(key("Secret") < key("Gateway"));
        assert_eq!(Key::of(&json!({ "kind": "Pod", "metadata": { "name": "a" } })), None);
    }
}
