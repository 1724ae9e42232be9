//! What is read of the API server's answers, and no more: `managedFields`, annotations and `status` are skipped while
//! they are read, and so are the values of Secrets but where one is fetched.

use std::{collections::BTreeMap, sync::Arc};

use fairlead_resources::{Application, Object, ObjectError, application::API_VERSION};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Status;

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) metadata: PageMetadata,
    /// Go writes `null` for an empty list.
    #[serde(default = "Option::default")]
    pub(super) items: Option<Vec<T>>,
}

/// `metadata` of a page.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PageMetadata {
    /// Where a watch goes on from.
    pub(super) resource_version: String,
    /// Token of the next page; empty: there is none.
    #[serde(rename = "continue")]
    pub(super) next: String,
}

/// One line of a watch.
#[derive(Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "UPPERCASE")]
pub(super) enum Line<T> {
    Added(T),
    Modified(T),
    Deleted(T),
    Bookmark(Mark),
    Error(Status),
}

/// An object of which only the version counts.
#[derive(Deserialize)]
pub(super) struct Mark {
    pub(super) metadata: PageMetadata,
}

/// An object as the catalog takes it.
pub(super) struct Found {
    pub(super) name: Arc<str>,
    /// `resourceVersion`.
    pub(super) version: Box<str>,
    pub(super) content: Content,
}

/// What is known of the object itself.
pub(super) enum Content {
    /// The Application, or why it makes no sense.
    Application(Result<Box<Application>, ObjectError>),
    /// A Secret: that it is there.
    Secret,
}

/// What a collection consists of.
pub(super) trait Item: for<'a> Deserialize<'a> + Send + 'static {
    /// The object, read as far as it is of use.
    fn found(self) -> Found;
}

/// An Application as it is listed.
#[derive(Deserialize)]
pub(super) struct ApplicationItem {
    metadata: ApplicationMetadata,
    /// Anything, so that nonsense in one is no trouble for the others.
    #[serde(default)]
    spec: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationMetadata {
    name: String,
    uid: Option<String>,
    resource_version: Box<str>,
    generation: Option<i64>,
    deletion_timestamp: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

impl Item for ApplicationItem {
    fn found(self) -> Found {
        let ApplicationMetadata {
            name,
            uid,
            resource_version: version,
            generation,
            deletion_timestamp,
            labels,
        } = self.metadata;
        let manifest = json!({
            "apiVersion": API_VERSION,
            "kind": "Application",
            "metadata": {
                "name": name, "uid": uid, "generation": generation, "deletionTimestamp": deletion_timestamp,
                "labels": labels,
            },
            "spec": self.spec,
        });
        let content = match Object::from_json(manifest, &version) {
            Ok(Object::Application(application)) => Ok(application),
            // It says itself that it is an Application.
            Ok(_) => Err(ObjectError { field: "kind".to_owned(), reason: "is no Application".to_owned() }),
            Err(error) => Err(error),
        };
        Found { name: name.into(), version, content: Content::Application(content) }
    }
}

/// A Secret as it is listed: without values.
#[derive(Deserialize)]
pub(super) struct SecretItem {
    metadata: SecretMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SecretMetadata {
    pub(super) name: Box<str>,
    pub(super) resource_version: Box<str>,
}

impl Item for SecretItem {
    fn found(self) -> Found {
        let SecretMetadata { name, resource_version: version } = self.metadata;
        Found { name: name.into(), version, content: Content::Secret }
    }
}

/// A Secret as it is fetched.
#[derive(Deserialize)]
pub(super) struct WholeSecret {
    pub(super) metadata: SecretMetadata,
    #[serde(default)]
    pub(super) data: Option<BTreeMap<String, Option<String>>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &str, object: &Value) -> Line<ApplicationItem> {
        serde_json::from_value(json!({"type": kind, "object": object})).unwrap()
    }

    #[test]
    fn an_application_is_read_without_what_others_wrote_about_it() {
        let object = json!({
            "apiVersion": API_VERSION, "kind": "Application",
            "metadata": {
                "name": "shop", "resourceVersion": "7", "generation": 3, "uid": "u", "labels": {"a": "b"},
                "managedFields": [{"manager": "x"}], "annotations": {"note": "text"},
            },
            "spec": {"skipVerify": true}, "status": {"installationStatus": 5},
        });
        let Line::Modified(item) = line("MODIFIED", &object) else { panic!("a change") };
        let Found { name, version, content } = item.found();
        assert_eq!((&*name, &*version), ("shop", "7"));
        let Content::Application(Ok(application)) = content else { panic!("an Application") };
        assert!(application.spec.skip_verify);
        assert_eq!(application.metadata.generation, Some(3));
        assert_eq!(application.metadata.labels.len(), 1);
    }

    #[test]
    fn nonsense_in_one_is_its_own_problem() {
        let object =
            |spec: Value| json!({"metadata": {"name": "shop", "resourceVersion": "7"}, "spec": spec});
        let page = json!({
            "metadata": {"resourceVersion": "9", "continue": "token"},
            "items": [object(json!({"services": 5})), object(json!("text")), object(json!({}))],
        });
        let page: Page<ApplicationItem> = serde_json::from_value(page).unwrap();
        assert_eq!((page.metadata.resource_version.as_str(), page.metadata.next.as_str()), ("9", "token"));
        let contents: Vec<_> = page.items.unwrap().into_iter().map(|item| item.found().content).collect();
        let [
            Content::Application(Err(first)),
            Content::Application(Err(second)),
            Content::Application(Ok(_)),
        ] = contents.as_slice()
        else {
            panic!("two problems")
        };
        assert_eq!((first.field.as_str(), second.field.as_str()), ("spec.services", "spec"));
    }

    #[test]
    fn bookmarks_and_errors_are_told_from_objects() {
        let mark = json!({"kind": "Application", "metadata": {"resourceVersion": "12"}});
        assert!(
            matches!(line("BOOKMARK", &mark), Line::Bookmark(mark) if mark.metadata.resource_version == "12")
        );
        let status = json!({"kind": "Status", "code": 410, "reason": "Expired"});
        assert!(matches!(line("ERROR", &status), Line::Error(status) if status.code == 410));
        let empty: Page<SecretItem> = serde_json::from_value(json!({"metadata": {}, "items": null})).unwrap();
        assert!(empty.items.is_none());
    }
}
