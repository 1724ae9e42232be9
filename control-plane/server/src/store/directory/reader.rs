//! A file's documents → objects, and what is wrong with the others; told document by document by the
//! [`catalog`](super::catalog).

use std::{collections::HashSet, sync::Arc};

use fairlead_resources::{Object, ObjectRef};
use serde_json::Value;

use super::{
    catalog::{File, Known},
    document::{self, Document},
};
use crate::store::StoreProblem;

/// What a document's objects have in common.
#[derive(Clone, Copy)]
struct Origin<'a> {
    hash: u64,
    version: &'a str,
    /// The file as it was before.
    old: &'a File,
}

/// Gathers what a file's documents say.
pub(super) struct Reader<'a> {
    path: &'a str,
    pub(super) documents: Vec<Known>,
    pub(super) objects: Vec<(Arc<ObjectRef>, Object)>,
    pub(super) problems: Vec<StoreProblem>,
    seen: HashSet<Arc<ObjectRef>>,
    /// A document is no YAML.
    pub(super) unparsable: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a str) -> Self {
        Self {
            path,
            documents: Vec::new(),
            objects: Vec::new(),
            problems: Vec::new(),
            seen: HashSet::new(),
            unparsable: false,
        }
    }

    pub(super) fn problem(&mut self, document: Option<usize>, field: String, reason: String) {
        self.problems.push(StoreProblem { file: self.path.to_owned(), document, field, reason });
    }

    /// Takes a document over, unless one before it defines the same object. Returns whether it did.
    pub(super) fn keep(&mut self, document: &Document<'_>, known: Known) -> bool {
        if !self.seen.insert(known.reference.clone()) {
            let reason = "is defined in this file already; the first one counts".to_owned();
            self.problem(Some(document.number), known.reference.to_string(), reason);
            return false;
        }
        self.documents.push(known);
        true
    }

    /// The one copy of a reference that the file had before.
    fn known(reference: ObjectRef, old: &File) -> Arc<ObjectRef> {
        let known = old.documents.iter().find(|known| *known.reference == reference);
        known.map_or_else(|| reference.into(), |known| known.reference.clone())
    }

    pub(super) fn read(&mut self, document: &Document<'_>, hash: u64, version: &str, old: &File) {
        let manifest = match document::parse(document) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.unparsable = true;
                return self.problem(Some(document.number), error.place, error.reason);
            }
        };
        let (documents, problems) = (self.documents.len(), self.problems.len());
        let listed = is_list(&manifest);
        for (place, manifest) in manifests(manifest) {
            self.object(document, &place, manifest, Origin { hash, version, old });
        }
        // The hash of a list says nothing about an item that is wrong.
        if listed && self.problems.len() > problems {
            self.documents.iter_mut().skip(documents).for_each(|known| known.hash = None);
        }
    }

    /// Takes one manifest over, which stands at `place` in its document.
    fn object(&mut self, document: &Document<'_>, place: &str, manifest: Value, origin: Origin<'_>) {
        let Origin { hash, version, old } = origin;
        let reference = reference(&manifest);
        match Object::from_json(manifest, version) {
            Ok(object) => {
                let reference = Self::known(object.reference(), old);
                let known = Known { hash: Some(hash), reference: reference.clone(), version: version.into() };
                if self.keep(document, known) {
                    self.objects.push((reference, object));
                }
            }
            Err(error) => {
                self.problem(Some(document.number), format!("{place}{}", error.field), error.reason);
                let good = old.documents.iter().find(|known| Some(&*known.reference) == reference.as_ref());
                if let Some(good) = good {
                    let (reference, version) = (good.reference.clone(), good.version.clone());
                    self.keep(document, Known { hash: good.hash, reference, version });
                }
            }
        }
    }
}

/// Whether the document is a `List` of manifests, as `kubectl get -o yaml` writes.
fn is_list(document: &Value) -> bool {
    document.get("kind").and_then(Value::as_str) == Some("List")
        && document.get("items").is_some_and(Value::is_array)
}

/// The manifests of a document, each with its place: itself, or the items of a list.
fn manifests(mut document: Value) -> Vec<(String, Value)> {
    let items = if is_list(&document) { document.get_mut("items").map(Value::take) } else { None };
    match items {
        Some(Value::Array(items)) => {
            items.into_iter().enumerate().map(|(at, item)| (format!("items[{at}]."), item)).collect()
        }
        _ => vec![(String::new(), document)],
    }
}

/// Which object a manifest means, although it cannot be used.
fn reference(manifest: &Value) -> Option<ObjectRef> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let metadata = manifest.get("metadata")?;
    let name = text(metadata.get("name"))?;
    match manifest.get("kind")?.as_str()? {
        "Application" => Some(ObjectRef::Application(name)),
        "Secret" => Some(ObjectRef::Secret { namespace: text(metadata.get("namespace"))?, name }),
        _ => None,
    }
}
