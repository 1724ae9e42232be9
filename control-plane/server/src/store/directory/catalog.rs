//! What the files of a directory define: pure, told about each file's content, says what became different.
//!
//! A document is read again only when its text changed. What cannot be read keeps its last good objects. An object
//! that two files define belongs to the first of them by path; the others wait and are reported.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use fairlead_resources::{Object, ObjectRef};
use serde_json::Value;

use super::document::{self, Document};
use crate::store::{Event, StoreProblem};

/// A file as it was read.
pub(super) struct Content {
    pub(super) text: String,
    /// Nanoseconds since 1970.
    pub(super) modified: u128,
}

/// All files by path relative to the directory.
pub(super) struct Catalog {
    files: BTreeMap<String, File>,
    /// Object → files that define it, in path order: the first one counts.
    owners: HashMap<ObjectRef, BTreeSet<String>>,
    /// Objects with more than one owner.
    contested: BTreeSet<ObjectRef>,
    max_documents: usize,
    /// Keyed at random: texts hold secrets, their hashes stay here.
    hasher: RandomState,
    /// Tells contents apart that have the same time, size and place.
    sequence: u64,
}

#[derive(Default)]
struct File {
    documents: Vec<Known>,
    problems: Vec<StoreProblem>,
}

/// A document that was read.
struct Known {
    hash: u64,
    reference: ObjectRef,
    version: String,
}

/// What an update led to.
#[derive(Default)]
pub(super) struct Update {
    pub(super) events: Vec<Event>,
    /// Objects that now belong to another file, which has to be read again for them.
    pub(super) handed_over: BTreeMap<String, HashSet<ObjectRef>>,
}

impl Catalog {
    pub(super) fn new(max_documents: usize) -> Self {
        Self {
            files: BTreeMap::new(),
            owners: HashMap::new(),
            contested: BTreeSet::new(),
            max_documents,
            hasher: RandomState::new(),
            sequence: 0,
        }
    }

    /// Paths that are known.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether the file defines anything.
    pub(super) fn defines(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|file| !file.documents.is_empty())
    }

    /// How many objects are in force.
    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }

    /// Everything that is wrong now.
    pub(super) fn problems(&self) -> Vec<StoreProblem> {
        let mut all: Vec<_> = self.files.values().flat_map(|file| file.problems.iter().cloned()).collect();
        for reference in &self.contested {
            let Some(paths) = self.owners.get(reference) else { continue };
            let mut paths = paths.iter();
            let Some(first) = paths.next() else { continue };
            all.extend(paths.map(|path| StoreProblem {
                file: path.clone(),
                document: None,
                field: reference.to_string(),
                reason: format!("is defined in {first} already; that one counts"),
            }));
        }
        all
    }

    /// The file cannot be read: what it defined stays.
    pub(super) fn unreadable(&mut self, path: &str, reason: &str) {
        let file = self.files.entry(path.to_owned()).or_default();
        let (field, reason) = (String::new(), reason.to_owned());
        file.problems = vec![StoreProblem { file: path.to_owned(), document: None, field, reason }];
    }

    /// The file is gone.
    pub(super) fn remove(&mut self, path: &str) -> Update {
        let mut update = Update::default();
        if let Some(file) = self.files.remove(path) {
            for known in file.documents {
                self.disown(path, &known.reference, &mut update);
            }
        }
        update
    }

    /// The file has this content. `again` are objects that have to be told although their text is known.
    pub(super) fn set(&mut self, path: &str, content: &Content, again: &HashSet<ObjectRef>) -> Update {
        let mut update = Update::default();
        let old = self.files.remove(path).unwrap_or_default();
        let by_hash: HashMap<u64, &Known> = old.documents.iter().map(|known| (known.hash, known)).collect();
        let mut reader = Reader::new(path);
        for document in self.split(content, &mut reader) {
            let hash = self.hasher.hash_one(document.text);
            let known = by_hash.get(&hash).copied();
            if let Some(known) = known.filter(|known| !again.contains(&known.reference)) {
                reader.keep(
                    &document,
                    Known { hash, reference: known.reference.clone(), version: known.version.clone() },
                );
                continue;
            }
            let version = match known {
                Some(known) => known.version.clone(),
                None => self.version(content, document.number, &old),
            };
            reader.read(&document, hash, version, &old);
        }
        if reader.unparsable {
            // Half of a file says nothing certain about the other half.
            self.files.insert(path.to_owned(), File { documents: old.documents, problems: reader.problems });
            return update;
        }
        let defined: HashSet<&ObjectRef> = reader.documents.iter().map(|known| &known.reference).collect();
        for known in old.documents.iter().filter(|known| !defined.contains(&known.reference)) {
            self.disown(path, &known.reference, &mut update);
        }
        for known in &reader.documents {
            self.own(path, &known.reference);
        }
        for object in reader.objects {
            if self.owner(&object.reference()) == Some(path) {
                update.events.push(Event::Apply { object, origin: path.to_owned() });
            }
        }
        self.files.insert(path.to_owned(), File { documents: reader.documents, problems: reader.problems });
        update
    }

    fn split<'a>(&self, content: &'a Content, reader: &mut Reader) -> Vec<Document<'a>> {
        let mut documents = document::split(&content.text);
        if documents.len() > self.max_documents {
            documents.truncate(self.max_documents);
            let reason = format!("has more than {} documents; the others are not read", self.max_documents);
            reader.problem(None, String::new(), reason);
        }
        documents
    }

    /// Opaque and never made of the content: time, size and place of the change (decision 32).
    fn version(&mut self, content: &Content, number: usize, old: &File) -> String {
        let version = format!("{:x}-{:x}-{number}", content.modified, content.text.len());
        if old.documents.iter().all(|known| known.version != version) {
            return version;
        }
        self.sequence += 1;
        format!("{version}-{:x}", self.sequence)
    }

    fn owner(&self, reference: &ObjectRef) -> Option<&str> {
        self.owners.get(reference).and_then(BTreeSet::first).map(String::as_str)
    }

    fn own(&mut self, path: &str, reference: &ObjectRef) {
        let paths = self.owners.entry(reference.clone()).or_default();
        if paths.insert(path.to_owned()) && paths.len() > 1 {
            self.contested.insert(reference.clone());
        }
    }

    fn disown(&mut self, path: &str, reference: &ObjectRef, update: &mut Update) {
        let Some(paths) = self.owners.get_mut(reference) else { return };
        let counted = paths.first().is_some_and(|first| first == path);
        paths.remove(path);
        if paths.len() < 2 {
            self.contested.remove(reference);
        }
        match paths.first() {
            Some(next) if counted => {
                update.handed_over.entry(next.clone()).or_default().insert(reference.clone());
            }
            Some(_) => {}
            None => {
                self.owners.remove(reference);
                update.events.push(Event::Delete(reference.clone()));
            }
        }
    }
}

/// Gathers what a file's documents say.
struct Reader<'a> {
    path: &'a str,
    documents: Vec<Known>,
    objects: Vec<Object>,
    problems: Vec<StoreProblem>,
    seen: HashSet<ObjectRef>,
    /// A document is no YAML.
    unparsable: bool,
}

impl<'a> Reader<'a> {
    fn new(path: &'a str) -> Self {
        Self {
            path,
            documents: Vec::new(),
            objects: Vec::new(),
            problems: Vec::new(),
            seen: HashSet::new(),
            unparsable: false,
        }
    }

    fn problem(&mut self, document: Option<usize>, field: String, reason: String) {
        self.problems.push(StoreProblem { file: self.path.to_owned(), document, field, reason });
    }

    /// Takes a document over, unless one before it defines the same object. Returns whether it did.
    fn keep(&mut self, document: &Document<'_>, known: Known) -> bool {
        if !self.seen.insert(known.reference.clone()) {
            let reason = "is defined in this file already; the first one counts".to_owned();
            self.problem(Some(document.number), known.reference.to_string(), reason);
            return false;
        }
        self.documents.push(known);
        true
    }

    fn read(&mut self, document: &Document<'_>, hash: u64, version: String, old: &File) {
        let manifest = match document::parse(document) {
            Ok(manifest) => manifest,
            Err(error) => {
                self.unparsable = true;
                return self.problem(Some(document.number), error.place, error.reason);
            }
        };
        let reference = reference(&manifest);
        match Object::from_json(manifest, &version) {
            Ok(object) => {
                if self.keep(document, Known { hash, reference: object.reference(), version }) {
                    self.objects.push(object);
                }
            }
            Err(error) => {
                self.problem(Some(document.number), error.field, error.reason);
                let good = old.documents.iter().find(|known| Some(&known.reference) == reference.as_ref());
                if let Some(good) = good {
                    let (reference, version) = (good.reference.clone(), good.version.clone());
                    self.keep(document, Known { hash: good.hash, reference, version });
                }
            }
        }
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
