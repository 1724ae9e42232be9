//! A store of JSON manifests, and what an index says after each change.

use std::collections::BTreeMap;

use fairlead_model::{Changes, Effect, Index, Installation};
use fairlead_resources::{Object, ObjectRef};
use fairlead_wire::{
    Reason, Refusal,
    feed::{EgressOutcome, EgressRecord, EgressRoute, IngressRecord},
};
use serde_json::{Value, json};

/// An index, and the views that its changes add up to.
pub(crate) struct World {
    pub(crate) index: Index,
    pub(crate) egress: BTreeMap<String, EgressRecord>,
    pub(crate) ingress: BTreeMap<String, IngressRecord>,
    version: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Installation::default())
    }

    pub(crate) fn with(installation: &Installation) -> Self {
        Self {
            index: Index::new(installation),
            egress: BTreeMap::new(),
            ingress: BTreeMap::new(),
            version: 0,
        }
    }

    /// Applies without compiling.
    pub(crate) fn put(&mut self, manifest: Value) {
        self.version += 1;
        self.index.apply(Object::from_json(manifest, &self.version.to_string()).unwrap());
    }

    pub(crate) fn settle(&mut self) -> Changes {
        let changes = self.index.changes();
        for (key, record) in &changes.egress {
            match record {
                Some(record) => drop(self.egress.insert(key.to_string(), record.read().unwrap())),
                None => drop(self.egress.remove(&**key).unwrap()),
            }
        }
        for (key, record) in &changes.ingress {
            match record {
                Some(record) => drop(self.ingress.insert(key.to_string(), record.read().unwrap())),
                None => drop(self.ingress.remove(&**key).unwrap()),
            }
        }
        changes
    }

    pub(crate) fn apply(&mut self, manifest: Value) -> Changes {
        self.put(manifest);
        self.settle()
    }

    pub(crate) fn delete_secret(&mut self, namespace: &str, name: &str) -> Changes {
        self.index.delete(&ObjectRef::Secret { namespace: namespace.to_owned(), name: name.to_owned() });
        self.settle()
    }

    pub(crate) fn delete_application(&mut self, name: &str) -> Changes {
        self.index.delete(&ObjectRef::Application(name.to_owned()));
        self.settle()
    }

    pub(crate) fn route(&self, key: &str) -> &EgressRoute {
        match self.egress.get(key).map(|record| &record.outcome) {
            Some(EgressOutcome::Route(route)) => route,
            other => panic!("{key}: {other:?}"),
        }
    }

    pub(crate) fn refusal(&self, key: &str) -> &Refusal {
        match self.egress.get(key).map(|record| &record.outcome) {
            Some(EgressOutcome::Refusal(refusal)) => refusal,
            other => panic!("{key}: {other:?}"),
        }
    }

    /// Field, reason and effect of each problem.
    pub(crate) fn problems(&self, application: &str) -> Vec<(&str, Reason, Effect)> {
        let problems = self.index.problems(application).iter();
        problems.map(|problem| (problem.field.as_str(), problem.reason, problem.effect)).collect()
    }
}

/// An Application with this `spec`.
pub(crate) fn application(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "applicationconnector.kyma-project.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// A service; its name and id are made of the display name.
pub(crate) fn service(display_name: &str, entries: Value) -> Value {
    json!({
        "id": format!("id of {display_name}"),
        "name": format!("name of {display_name}"),
        "displayName": display_name,
        "providerDisplayName": "",
        "description": "",
        "entries": entries,
    })
}

/// An Application `app` with one service `svc` and one API entry `api`.
pub(crate) fn one(entry: Value) -> Value {
    one_with(entry, json!({}))
}

/// The same with further fields of `spec`.
pub(crate) fn one_with(entry: Value, spec: Value) -> Value {
    let mut entry = entry;
    entry["type"] = json!("API");
    entry["name"] = json!("api");
    let mut spec = spec;
    spec["services"] = json!([service("svc", json!([entry]))]);
    application("app", spec)
}

/// A Secret in `kyma-system`.
pub(crate) fn secret(name: &str, values: Value) -> Value {
    secret_in("kyma-system", name, values)
}

pub(crate) fn secret_in(namespace: &str, name: &str, values: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": values,
    })
}

/// The `error` text of a JSON body.
pub(crate) fn error(refusal: &Refusal) -> String {
    let body: Value = serde_json::from_str(&refusal.body).unwrap();
    assert_eq!(body["code"], refusal.status);
    assert!(refusal.body.ends_with("}\n"), "{}", refusal.body);
    body["error"].as_str().unwrap().to_owned()
}
