//! One status to the API server: server-side apply with our own field manager, on the status subresource.
//!
//! Our condition types, `services` and `observedGeneration` are ours: nobody else means them, so they are taken by force. Of
//! `installationStatus` another writer (a Kyma operator that still runs) may claim the say; then it keeps it.

use std::sync::Arc;

use fairlead_resources::{application, application::status::Status};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
    core::{ApiResource, NotUsed, Object, gvk::GroupVersionKind},
};
use serde_json::{Value, json};

use super::ledger::{Ledger, Seen};
use crate::kubernetes::{KubernetesError, MANAGER, call};

/// Applications of one page of a listing.
const PAGE: u32 = 500;

/// Applications, of which only metadata and status are read.
type Listed = Object<NotUsed, Value>;

/// The way to all statuses. Clones share one client.
#[derive(Clone)]
pub(super) struct Statuses {
    api: Api<Listed>,
}

/// What became of a status.
#[derive(Debug)]
pub(super) enum Written {
    /// It is there; the object's id.
    Yes(Option<String>),
    /// The object is gone, or another one has its name; the store will tell.
    Gone,
    /// The definition has no status subresource.
    NoSubresource,
}

impl Statuses {
    pub(super) fn new(client: Client) -> Self {
        let (group, version) = application::API_VERSION.split_once('/').unwrap_or_default();
        let kind = GroupVersionKind::gvk(group, version, "Application");
        let resource = ApiResource::from_gvk_with_plural(&kind, "applications");
        Self { api: Api::all_with(client, &resource) }
    }

    /// What all statuses say now.
    pub(super) async fn list(&self) -> Result<Ledger, KubernetesError> {
        let mut ledger = Ledger::new();
        let mut parameters = ListParams::default().limit(PAGE);
        loop {
            let page = call("read", "Applications", self.api.list(&parameters)).await?;
            for Listed { metadata, status, .. } in page.items {
                // A status that is not in our form is replaced by one that is.
                let status: Option<Status> = status.and_then(|status| serde_json::from_value(status).ok());
                if let (Some(name), Some(status)) = (metadata.name, status) {
                    ledger.insert(Arc::from(name), Seen::of(metadata.uid.as_deref(), &status));
                }
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(ledger),
            }
        }
    }

    /// Writes one.
    pub(super) async fn write(
        &self,
        name: &str,
        uid: Option<&str>,
        mut status: Status,
    ) -> Result<Written, KubernetesError> {
        let refused = match self.apply(name, uid, &status, false).await {
            Err(KubernetesError::Call { source, .. }) if fields_of_others(&source).is_some() => source,
            other => return outcome(other),
        };
        let others = fields_of_others(&refused).unwrap_or_default();
        if others.iter().any(|field| field.starts_with(".status.installationStatus")) {
            status.installation_status = None;
        }
        outcome(self.apply(name, uid, &status, true).await)
    }

    async fn apply(
        &self,
        name: &str,
        uid: Option<&str>,
        status: &Status,
        force: bool,
    ) -> Result<Listed, KubernetesError> {
        let mut metadata = json!({"name": name});
        if let (Some(metadata), Some(uid)) = (metadata.as_object_mut(), uid) {
            // Refused if another object has the name by now.
            metadata.insert("uid".into(), uid.into());
        }
        let body = json!({
            "apiVersion": application::API_VERSION, "kind": "Application", "metadata": metadata, "status": status,
        });
        let parameters = PatchParams { force, ..PatchParams::apply(MANAGER) };
        let patch = Patch::Apply(&body);
        let what = format!("the status of Application {name}");
        call("write", what, self.api.patch_status(name, &parameters, &patch)).await
    }
}

/// Fields that somebody else has a say in, if that is why it was refused.
fn fields_of_others(error: &kube::Error) -> Option<Vec<&str>> {
    let kube::Error::Api(status) = error else { return None };
    let causes = status.details.as_ref().filter(|_| status.code == 409)?.causes.iter();
    let fields: Vec<&str> = causes
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| cause.field.as_str())
        .collect();
    (!fields.is_empty()).then_some(fields)
}

fn outcome(result: Result<Listed, KubernetesError>) -> Result<Written, KubernetesError> {
    match result {
        Ok(object) => Ok(Written::Yes(object.metadata.uid)),
        Err(KubernetesError::Call { source, verb, what }) => match &*source {
            kube::Error::Api(status) if status.code == 404 => {
                let named = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
                Ok(if named { Written::Gone } else { Written::NoSubresource })
            }
            kube::Error::Api(status) if status.code == 409 => Ok(Written::Gone),
            _ => Err(KubernetesError::Call { source, verb, what }),
        },
        Err(error) => Err(error),
    }
}
