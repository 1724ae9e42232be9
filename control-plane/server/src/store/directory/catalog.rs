//! What the files of a directory define: pure, told about each file's content, says what became different.
//!
//! A document is read again only when its text changed. What cannot be read keeps its last good objects. An object
//! that two files define belongs to the first of them by path; the others wait and are reported.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    ops::Bound,
    sync::Arc,
};

use fairlead_resources::ObjectRef;

use super::{
    document::{self, Document},
    reader::Reader,
};
use crate::store::{Event, StoreProblem};

/// A file as it was read.
pub(super) struct Content {
    pub(super) text: String,
    /// Nanoseconds since 1970.
    pub(super) modified: u128,
}

/// All files by path relative to the directory.
pub(super) struct Catalog {
    files: BTreeMap<Arc<str>, File>,
    /// Objects and the files that define them, in path order: the first one counts.
    owners: BTreeSet<(Arc<ObjectRef>, Arc<str>)>,
    /// How many objects are in force.
    objects: usize,
    /// Objects with more than one owner.
    contested: BTreeSet<Arc<ObjectRef>>,
    max_documents: usize,
    /// Keyed at random: texts hold secrets, their hashes stay here.
    hasher: RandomState,
    /// Tells contents apart that have the same time, size and place.
    sequence: u64,
}

#[derive(Default)]
pub(super) struct File {
    pub(super) documents: Box<[Known]>,
    problems: Box<[StoreProblem]>,
}

/// An object that was read.
pub(super) struct Known {
    /// Of the document's text; none: the document has to be read again even if its text stays.
    pub(super) hash: Option<u64>,
    pub(super) reference: Arc<ObjectRef>,
    pub(super) version: Box<str>,
}

/// What an update led to.
#[derive(Default)]
pub(super) struct Update {
    pub(super) events: Vec<Event>,
    /// Objects that now belong to another file, which has to be read again for them.
    pub(super) handed_over: BTreeMap<Arc<str>, HashSet<ObjectRef>>,
}

impl Catalog {
    pub(super) fn new(max_documents: usize) -> Self {
        Self {
            files: BTreeMap::new(),
            owners: BTreeSet::new(),
            objects: 0,
            contested: BTreeSet::new(),
            max_documents,
            hasher: RandomState::new(),
            sequence: 0,
        }
    }

    /// Paths that are known.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(|path| &**path)
    }

    /// Whether the file defines anything.
    pub(super) fn defines(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|file| !file.documents.is_empty())
    }

    /// How many objects are in force.
    pub(super) fn len(&self) -> usize {
        self.objects
    }

    /// Everything that is wrong now.
    pub(super) fn problems(&self) -> Vec<StoreProblem> {
        let mut all: Vec<_> = self.files.values().flat_map(|file| file.problems.iter().cloned()).collect();
        for reference in &self.contested {
            let mut paths = self.owners(reference);
            let Some(first) = paths.next() else { continue };
            all.extend(paths.map(|path| StoreProblem {
                file: path.to_string(),
                document: None,
                field: reference.to_string(),
                reason: format!("is defined in {first} already; that one counts"),
            }));
        }
        all
    }

    /// The file cannot be read: what it defined stays.
    pub(super) fn unreadable(&mut self, path: &str, reason: &str) {
        let file = self.files.entry(path.into()).or_default();
        let (field, reason) = (String::new(), reason.to_owned());
        file.problems = Box::new([StoreProblem { file: path.to_owned(), document: None, field, reason }]);
    }

    /// The file is gone.
    pub(super) fn remove(&mut self, path: &str) -> Update {
        let mut update = Update::default();
        if let Some((path, file)) = self.files.remove_entry(path) {
            for known in file.documents {
                self.disown(&path, &known.reference, &mut update);
            }
        }
        update
    }

    /// The file has this content. `again` are objects that have to be told although their text is known.
    pub(super) fn set(&mut self, path: &str, content: &Content, again: &HashSet<ObjectRef>) -> Update {
        let mut update = Update::default();
        let (path, old) = self.files.remove_entry(path).unwrap_or_else(|| (path.into(), File::default()));
        let mut by_hash: HashMap<u64, Vec<&Known>> = HashMap::new();
        for known in &old.documents {
            if let Some(hash) = known.hash {
                by_hash.entry(hash).or_default().push(known);
            }
        }
        let mut reader = Reader::new(&path);
        for document in self.split(content, &mut reader) {
            let hash = self.hasher.hash_one(document.text);
            let known = by_hash.get(&hash).map(Vec::as_slice).unwrap_or_default();
            if !known.is_empty() && !known.iter().any(|known| again.contains(&*known.reference)) {
                for known in known {
                    let (reference, version) = (known.reference.clone(), known.version.clone());
                    reader.keep(&document, Known { hash: Some(hash), reference, version });
                }
                continue;
            }
            let version = match known.first() {
                Some(known) => known.version.clone(),
                None => self.version(content, document.number, &old),
            };
            reader.read(&document, hash, &version, &old);
        }
        if reader.unparsable {
            // Half of a file says nothing certain about the other half.
            let problems = reader.problems.into();
            self.files.insert(path, File { documents: old.documents, problems });
            return update;
        }
        let defined: HashSet<&ObjectRef> = reader.documents.iter().map(|known| &*known.reference).collect();
        for known in old.documents.iter().filter(|known| !defined.contains(&*known.reference)) {
            self.disown(&path, &known.reference, &mut update);
        }
        for known in &reader.documents {
            self.own(&path, &known.reference);
        }
        for (reference, object) in reader.objects {
            if self.owners(&reference).next() == Some(&path) {
                update.events.push(Event::Apply { object, origin: path.clone() });
            }
        }
        let (documents, problems) = (reader.documents.into(), reader.problems.into());
        self.files.insert(path, File { documents, problems });
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
    fn version(&mut self, content: &Content, number: usize, old: &File) -> Box<str> {
        let version = format!("{:x}-{:x}-{number}", content.modified, content.text.len());
        if old.documents.iter().all(|known| *known.version != *version) {
            return version.into();
        }
        self.sequence += 1;
        format!("{version}-{:x}", self.sequence).into()
    }

    /// Files that define the object, the one that counts first.
    fn owners<'a>(&'a self, reference: &Arc<ObjectRef>) -> impl Iterator<Item = &'a Arc<str>> + use<'a> {
        let reference = reference.clone();
        // No path is empty, so this is where the object's begin.
        let from = Bound::Included((reference.clone(), Arc::from("")));
        let all = self.owners.range((from, Bound::Unbounded));
        all.take_while(move |(known, _)| *known == reference).map(|(_, path)| path)
    }

    fn own(&mut self, path: &Arc<str>, reference: &Arc<ObjectRef>) {
        if self.owners.insert((reference.clone(), path.clone())) {
            match self.owners(reference).count() {
                0 | 1 => self.objects += 1,
                _ => drop(self.contested.insert(reference.clone())),
            }
        }
    }

    fn disown(&mut self, path: &Arc<str>, reference: &Arc<ObjectRef>, update: &mut Update) {
        let counted = self.owners(reference).next() == Some(path);
        if !self.owners.remove(&(reference.clone(), path.clone())) {
            return;
        }
        if self.owners(reference).count() < 2 {
            self.contested.remove(reference);
        }
        let next = self.owners(reference).next().cloned();
        match next {
            Some(next) if counted => {
                let reference = ObjectRef::clone(reference);
                update.handed_over.entry(next).or_default().insert(reference);
            }
            Some(_) => {}
            None => {
                self.objects -= 1;
                update.events.push(Event::Delete(ObjectRef::clone(reference)));
            }
        }
    }
}
