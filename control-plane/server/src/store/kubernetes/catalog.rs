//! What is known of the cluster: pure, told what reflectors see and what was fetched, says what became different and
//! which Secrets to fetch.
//!
//! It keeps names and versions, never an object: those go to the model at once.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use fairlead_resources::{Application, ObjectError, ObjectRef};

use super::{
    decode::{Content, Found},
    fetch::Fetched,
};
use crate::store::{Event, StoreProblem};

/// What is followed as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Source {
    /// All Applications.
    Applications,
    /// The Secrets of the namespace at this place of the configuration.
    Secrets(usize),
}

/// Which Secret: place of its namespace in the configuration, and name.
pub(super) type Key = (usize, Arc<str>);

/// What a change led to.
#[derive(Default)]
pub(super) struct Update {
    pub(super) events: Vec<Event>,
    /// Secrets to fetch, or to fetch again.
    pub(super) wanted: Vec<Key>,
}

/// The Applications, and the Secrets of some namespaces by their metadata.
pub(super) struct Catalog {
    applications: HashMap<Arc<str>, KnownApplication>,
    namespaces: Vec<Namespace>,
    /// How many Applications name a Secret, whether it exists or not.
    references: HashMap<Arc<str>, usize>,
    /// Counts lists of Applications, to tell what the last one did not find.
    round: u32,
    /// What makes no sense, by object.
    nonsense: BTreeMap<ObjectRef, ObjectError>,
    nonsense_changed: bool,
    /// How many objects the model has.
    objects: usize,
}

struct KnownApplication {
    version: Box<str>,
    round: u32,
    /// Secrets that its last good state names.
    references: Box<[Arc<str>]>,
    /// Of the good state that the model has, if it has one.
    good: Option<Good>,
}

/// Tells contents of an Application apart: `spec` only changes with the generation, while a status that somebody writes
/// is a new version.
#[derive(PartialEq)]
struct Good {
    uid: Option<Box<str>>,
    generation: Option<i64>,
    deleted: bool,
}

impl Good {
    fn of(application: &Application) -> Self {
        let metadata = &application.metadata;
        Self {
            uid: metadata.uid.as_deref().map(Box::from),
            generation: metadata.generation,
            deleted: metadata.deletion_timestamp.is_some(),
        }
    }
}

struct Namespace {
    name: Arc<str>,
    secrets: HashMap<Arc<str>, KnownSecret>,
    /// See [`Catalog::round`].
    round: u32,
}

struct KnownSecret {
    version: Box<str>,
    round: u32,
    held: Held,
}

/// What the model has of a Secret.
#[derive(PartialEq)]
enum Held {
    Nothing,
    /// The content of this version.
    Version(Box<str>),
    /// No Application names it any longer; a last good state may still hold something of it.
    Released,
}

impl Catalog {
    pub(super) fn new(namespaces: &[Arc<str>]) -> Self {
        let namespace = |name: &Arc<str>| Namespace { name: name.clone(), secrets: HashMap::new(), round: 0 };
        Self {
            applications: HashMap::new(),
            namespaces: namespaces.iter().map(namespace).collect(),
            references: HashMap::new(),
            round: 0,
            nonsense: BTreeMap::new(),
            nonsense_changed: false,
            objects: 0,
        }
    }

    /// How many objects the model has.
    pub(super) fn len(&self) -> usize {
        self.objects
    }

    /// How many Secrets there are in a namespace, named or not.
    pub(super) fn secrets(&self, namespace: usize) -> usize {
        self.namespaces.get(namespace).map_or(0, |namespace| namespace.secrets.len())
    }

    /// Everything that makes no sense.
    pub(super) fn problems(&self) -> impl Iterator<Item = StoreProblem> {
        self.nonsense.iter().map(|(reference, error)| StoreProblem {
            file: origin(reference).to_string(),
            document: None,
            field: error.field.clone(),
            reason: error.reason.clone(),
        })
    }

    /// Whether [`Catalog::problems`] are others than at the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.nonsense_changed)
    }

    /// A list begins.
    pub(super) fn listing(&mut self, source: Source) {
        if let Some(round) = self.round(source) {
            *round = round.wrapping_add(1);
        }
    }

    /// A list has ended: what it did not find is gone.
    pub(super) fn listed(&mut self, source: Source, update: &mut Update) {
        let now = self.round(source).map(|round| *round);
        let gone: Vec<Arc<str>> = match source {
            Source::Applications => {
                let gone = self.applications.iter().filter(|(_, known)| Some(known.round) != now);
                gone.map(|(name, _)| name.clone()).collect()
            }
            Source::Secrets(at) => {
                let known = self.namespaces.get(at).into_iter().flat_map(|namespace| &namespace.secrets);
                known.filter(|(_, known)| Some(known.round) != now).map(|(name, _)| name.clone()).collect()
            }
        };
        for name in gone {
            self.gone(source, &name, update);
        }
    }

    /// An object is there.
    pub(super) fn found(&mut self, source: Source, found: Found, update: &mut Update) {
        let Found { name, version, content } = found;
        match (source, content) {
            (Source::Applications, Content::Application(content)) => {
                self.application(name, version, content, update);
            }
            (Source::Secrets(at), _) => self.secret(at, name, version, update),
            // A reflector tells of nothing else.
            (Source::Applications, Content::Secret) => {}
        }
    }

    /// An object is gone.
    pub(super) fn gone(&mut self, source: Source, name: &Arc<str>, update: &mut Update) {
        let reference = match source {
            Source::Applications => {
                let Some(known) = self.applications.remove(name) else { return };
                self.unrefer(&known.references, update);
                self.objects -= usize::from(known.good.is_some());
                let reference = ObjectRef::Application(name.to_string());
                if known.good.is_some() {
                    update.events.push(Event::Delete(reference.clone()));
                }
                reference
            }
            Source::Secrets(at) => {
                let Some(namespace) = self.namespaces.get_mut(at) else { return };
                let Some(known) = namespace.secrets.remove(name) else { return };
                let reference = secret_reference(&namespace.name, name);
                self.objects -= usize::from(matches!(known.held, Held::Version(_)));
                if known.held != Held::Nothing {
                    update.events.push(Event::Delete(reference.clone()));
                }
                reference
            }
        };
        self.makes_sense(&reference);
    }

    /// A Secret was fetched.
    pub(super) fn fetched(&mut self, fetched: Fetched, update: &mut Update) {
        let Fetched { key, version, content, current } = fetched;
        let (at, name) = &key;
        let named = self.references.contains_key(name);
        let Some(namespace) = self.namespaces.get_mut(*at) else { return };
        // Deleted meanwhile, or nobody names it any longer.
        let Some(known) = namespace.secrets.get_mut(name).filter(|_| named) else { return };
        let reference = secret_reference(&namespace.name, name);
        if !current && known.version != version {
            update.wanted.push(key);
            return;
        }
        match content {
            Ok(secret) => {
                self.objects += usize::from(!matches!(known.held, Held::Version(_)));
                known.held = Held::Version(version);
                update.events.push(Event::Apply { origin: origin(&reference), object: secret.into() });
                self.makes_sense(&reference);
            }
            Err(error) => self.makes_no_sense(reference, error),
        }
    }

    /// Whether a Secret is still to be fetched.
    pub(super) fn wants(&self, (at, name): &Key) -> bool {
        let known = self.namespaces.get(*at).and_then(|namespace| namespace.secrets.get(name));
        known.is_some_and(|known| self.references.contains_key(name) && known.is_wanted())
    }

    fn application(
        &mut self,
        name: Arc<str>,
        version: Box<str>,
        content: Result<Box<Application>, ObjectError>,
        update: &mut Update,
    ) {
        let round = self.round;
        let mut known = self.applications.get_mut(&name);
        if let Some(known) = &mut known {
            known.round = round;
            if known.version == version {
                return;
            }
            known.version.clone_from(&version);
        }
        let reference = ObjectRef::Application(name.to_string());
        let application = match content {
            Ok(application) => application,
            Err(error) => {
                let unknown = || KnownApplication { version, round, references: Box::default(), good: None };
                self.applications.entry(name).or_insert_with(unknown);
                return self.makes_no_sense(reference, error);
            }
        };
        let good = Good::of(&application);
        if good.generation.is_some() && known.is_some_and(|known| known.good.as_ref() == Some(&good)) {
            return self.makes_sense(&reference);
        }
        // What waits for its deletion counts as deleted (CV §7).
        let names = if good.deleted { Box::default() } else { self.refer(&application, update) };
        let known = KnownApplication { version, round, references: names, good: Some(good) };
        let before = self.applications.insert(name, known);
        self.objects += usize::from(before.as_ref().is_none_or(|before| before.good.is_none()));
        update.events.push(Event::Apply { origin: origin(&reference), object: (*application).into() });
        if let Some(before) = before {
            self.unrefer(&before.references, update);
        }
        self.makes_sense(&reference);
    }

    fn secret(&mut self, at: usize, name: Arc<str>, version: Box<str>, update: &mut Update) {
        let named = self.references.contains_key(&name);
        let Some(namespace) = self.namespaces.get_mut(at) else { return };
        let round = namespace.round;
        let known = match namespace.secrets.get_mut(&name) {
            Some(known) => {
                let same = known.version == version;
                *known =
                    KnownSecret { version, round, held: std::mem::replace(&mut known.held, Held::Nothing) };
                if same {
                    return;
                }
                known
            }
            None => namespace.secrets.entry(name.clone()).or_insert(KnownSecret {
                version,
                round,
                held: Held::Nothing,
            }),
        };
        if named && known.is_wanted() {
            update.wanted.push((at, name));
        }
    }

    /// Counts the Secrets that an Application names; those that are there and that nobody named before are wanted.
    fn refer(&mut self, application: &Application, update: &mut Update) -> Box<[Arc<str>]> {
        let mut names = Vec::new();
        for name in application.secret_names() {
            let known = self.references.get_key_value(name).map(|(name, _)| name.clone());
            let name = known.unwrap_or_else(|| name.into());
            let count = self.references.entry(name.clone()).or_insert(0);
            *count += 1;
            if *count == 1 {
                let there = self.namespaces.iter().enumerate();
                let there = there.filter(|(_, namespace)| namespace.secrets.contains_key(&name));
                update.wanted.extend(there.map(|(at, _)| (at, name.clone())));
            }
            names.push(name);
        }
        names.into()
    }

    /// The opposite; what nobody names any longer is released.
    fn unrefer(&mut self, names: &[Arc<str>], update: &mut Update) {
        for name in names {
            let Some(count) = self.references.get_mut(name) else { continue };
            *count -= 1;
            if *count > 0 {
                continue;
            }
            self.references.remove(name);
            let mut useless = Vec::new();
            for namespace in &mut self.namespaces {
                let Some(known) = namespace.secrets.get_mut(name) else { continue };
                useless.push(secret_reference(&namespace.name, name));
                if matches!(known.held, Held::Version(_)) {
                    known.held = Held::Released;
                    self.objects -= 1;
                    update.events.push(Event::Release(secret_reference(&namespace.name, name)));
                }
            }
            for reference in &useless {
                self.makes_sense(reference);
            }
        }
    }

    fn round(&mut self, source: Source) -> Option<&mut u32> {
        match source {
            Source::Applications => Some(&mut self.round),
            Source::Secrets(at) => self.namespaces.get_mut(at).map(|namespace| &mut namespace.round),
        }
    }

    fn makes_no_sense(&mut self, reference: ObjectRef, error: ObjectError) {
        let before = self.nonsense.insert(reference, error.clone());
        self.nonsense_changed |= before != Some(error);
    }

    fn makes_sense(&mut self, reference: &ObjectRef) {
        self.nonsense_changed |= !self.nonsense.is_empty() && self.nonsense.remove(reference).is_some();
    }
}

impl KnownSecret {
    /// The model has not what is there now.
    fn is_wanted(&self) -> bool {
        !matches!(&self.held, Held::Version(held) if *held == self.version)
    }
}

fn secret_reference(namespace: &str, name: &str) -> ObjectRef {
    ObjectRef::Secret { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// Where an object comes from, as `Application/shop`.
fn origin(reference: &ObjectRef) -> Arc<str> {
    match reference {
        ObjectRef::Application(name) => format!("Application/{name}").into(),
        ObjectRef::Secret { namespace, name } => format!("Secret/{namespace}/{name}").into(),
        ObjectRef::Other { kind, name, .. } => format!("{kind}/{name}").into(),
    }
}
