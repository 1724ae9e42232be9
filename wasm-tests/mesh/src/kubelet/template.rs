//! What a Deployment asks for.

use fairlead_testkit::{Error, Result};
use serde_json::Value;

/// A Deployment's pods.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) namespace: String,
    /// Of the Deployment.
    pub(super) name: String,
    pub(super) replicas: usize,
    pub(super) generation: u64,
    /// `spec.template`.
    value: Value,
}

/// Every Deployment of a list.
pub(super) fn deployments(list: &Value) -> Result<Vec<Template>> {
    let items = list.get("items").and_then(Value::as_array);
    items.into_iter().flatten().map(deployment).collect()
}

fn deployment(value: &Value) -> Result<Template> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let number = |pointer: &str| value.pointer(pointer).and_then(Value::as_u64);
    let read = || {
        Some(Template {
            namespace: text("/metadata/namespace")?,
            name: text("/metadata/name")?,
            replicas: usize::try_from(number("/spec/replicas")?).ok()?,
            generation: number("/metadata/generation")?,
            value: value.pointer("/spec/template")?.clone(),
        })
    };
    read().ok_or_else(|| Error::new(format!("cannot read the Deployment {value}")))
}

impl Template {
    /// Whether a pod of one is a pod of the other too: how many there are does not count.
    pub(super) fn makes_the_same(&self, other: &Self) -> bool {
        (&self.namespace, &self.name, &self.value) == (&other.namespace, &other.name, &other.value)
    }

    /// A field of the pod's specification.
    pub(super) fn spec(&self, field: &str) -> Option<&Value> {
        self.value.pointer("/spec")?.get(field)
    }

    /// A field of its only container.
    pub(super) fn container(&self, field: &str) -> Option<&Value> {
        self.value.pointer("/spec/containers/0")?.get(field)
    }

    /// Elements of an array in its container.
    pub(super) fn container_list(&self, field: &str) -> &[Value] {
        self.container(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn service_account(&self) -> &str {
        self.spec("serviceAccountName").and_then(Value::as_str).unwrap_or("default")
    }

    pub(super) fn labels(&self) -> Vec<(&str, &str)> {
        let labels = self.value.pointer("/metadata/labels").and_then(Value::as_object);
        labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect()
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.value.pointer("/metadata/annotations")?.get(name)?.as_str()
    }

    /// A port of its container, by name or as it is.
    pub(super) fn port(&self, port: &Value) -> Option<u16> {
        let number = match port.as_str() {
            None => port.as_u64(),
            Some(name) => {
                let named = |port: &&Value| port.get("name").and_then(Value::as_str) == Some(name);
                self.container_list("ports").iter().find(named)?.get("containerPort")?.as_u64()
            }
        };
        u16::try_from(number?).ok()
    }
}
