//! Events about Applications (`events.k8s.io/v1`), for `kubectl describe` and `kubectl events`: a problem is there, or over.
//!
//! An Event's name is made of what it says, so that the same thing said twice within the API server's hour of keeping Events
//! counts up one of them instead of making another.

use std::hash::{DefaultHasher, Hash, Hasher};

use fairlead_resources::application;
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{Finding, finding::cut};
use crate::kubernetes::{KubernetesError, call, labels};

/// Where Events about cluster-scoped objects live.
const NAMESPACE: &str = "default";
/// Characters of a note; the API server takes 1024 bytes, and a character is at most four.
const NOTE: usize = 250;

/// Sends Events. Clones share one client.
#[derive(Clone)]
pub(super) struct Events {
    api: Api<Event>,
    /// Name of this replica.
    instance: String,
}

impl Events {
    pub(super) fn new(client: Client, instance: &str) -> Self {
        Self { api: Api::namespaced(client, NAMESPACE), instance: cut(instance, 100) }
    }

    /// Tells of one change.
    pub(super) async fn send(
        &self,
        name: &str,
        uid: Option<&str>,
        news: &Finding,
    ) -> Result<(), KubernetesError> {
        let event = self.event(name, uid, news);
        let what = format!("an Event about Application {name}");
        match call("create", &*what, self.api.create(&PostParams::default(), &event)).await {
            Ok(_) => Ok(()),
            Err(KubernetesError::Call { source, .. }) if is_there(&source) => {
                self.count(event.metadata.name.as_deref().unwrap_or_default(), &what).await
            }
            Err(error) => Err(error),
        }
    }

    async fn count(&self, event: &str, what: &str) -> Result<(), KubernetesError> {
        // A patch of nothing answers with what is there, and the right to write is enough for it.
        let nothing = Patch::Merge(json!({}));
        let known = call("read", what, self.api.patch(event, &PatchParams::default(), &nothing)).await?;
        let count = known.series.map_or(1, |series| series.count).saturating_add(1);
        let series = EventSeries { count, last_observed_time: MicroTime(Timestamp::now()) };
        let patch = Patch::Merge(json!({"series": series}));
        call("write", what, self.api.patch(event, &PatchParams::default(), &patch)).await.map(drop)
    }

    fn event(&self, name: &str, uid: Option<&str>, news: &Finding) -> Event {
        let mut hasher = DefaultHasher::new();
        (uid, news).hash(&mut hasher);
        let aspect = news.aspect.as_str();
        let (kind, note) = if news.good {
            ("Normal", format!("{aspect}: {}", news.message))
        } else {
            ("Warning", cut(&news.message, NOTE))
        };
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:016x}", name.get(..200).unwrap_or(name), hasher.finish())),
                namespace: Some(NAMESPACE.to_owned()),
                labels: Some(labels()),
                ..ObjectMeta::default()
            },
            action: Some(format!("Check{aspect}")),
            event_time: Some(MicroTime(Timestamp::now())),
            note: Some(note),
            reason: Some(news.reason.clone()),
            regarding: Some(ObjectReference {
                api_version: Some(application::API_VERSION.to_owned()),
                kind: Some("Application".to_owned()),
                name: Some(name.to_owned()),
                uid: uid.map(str::to_owned),
                ..ObjectReference::default()
            }),
            reporting_controller: Some("fairlead.kyma-project.io/control-plane".to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(kind.to_owned()),
            ..Event::default()
        }
    }
}

fn is_there(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.reason == "AlreadyExists")
}
