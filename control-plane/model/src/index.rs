//! The objects as they are now, what is compiled of them, and who refers to whom.

mod changes;
mod secrets;
mod source;
mod uses;

pub use changes::{Changes, ProfileChanges};
pub(crate) use secrets::{Held, Secrets};

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use fairlead_resources::{Object, ObjectRef};
use fairlead_wire::Reason;

use crate::{
    Explanation, GrantSpec, Installation, Problem, Profile,
    compile::{self, Compiled, Context, Guard, Installed},
    explain,
};
use source::Source;
use uses::Uses;

/// Objects in, views out. Nothing is compiled before [`Index::changes`] is called, so a bulk is cheap: apply all of it, then
/// call it once. What the other functions say is the state of that call.
#[derive(Debug)]
pub struct Index {
    guard: Guard,
    installed: Installed,
    replay: bool,
    /// See [`Index::at`].
    now: i64,
    /// Applications whose certificates end, by the time at which that is worth another word.
    due: BTreeSet<(i64, Arc<str>)>,
    applications: BTreeMap<Arc<str>, Source>,
    secrets: Secrets,
    compiled: BTreeMap<Arc<str>, Box<Compiled>>,
    /// Name of a Secret, and an Application that refers to it, whether it exists or not. By name alone, because the
    /// namespaces are searched.
    referrers: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Applications to compile.
    touched: BTreeSet<Arc<str>>,
    /// Namespace and name of Secrets that go as soon as nothing refers to them.
    released: BTreeSet<(String, String)>,
    profiles: Uses<Profile>,
    sink_profiles: Uses<Profile>,
    grants: Uses<GrantSpec>,
}

/// An Application at a glance, for `fairlead status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many services it has.
    pub services: usize,
    /// How many paths of port 8082 can be called: one an API entry, unless names are ambiguous.
    pub callable: usize,
    /// How many paths of port 8082 are refused.
    pub refused: usize,
    /// What is wrong.
    pub problems: &'a [Problem],
}

/// A path of port 8082, and what becomes of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPath<'a> {
    /// The service's segment.
    pub service: &'a str,
    /// The entry's segment.
    pub entry: &'a str,
    /// The service's segment alone leads to the same entry on port 8080.
    pub manual: bool,
    /// Why calls are answered with an error; `None`: they go to the target.
    pub refused: Option<Reason>,
}

impl Index {
    /// An index without objects.
    #[must_use]
    pub fn new(installation: &Installation) -> Self {
        Self {
            guard: Guard::new(installation),
            installed: Installed::new(installation),
            replay: installation.replay,
            now: 0,
            due: BTreeSet::new(),
            applications: BTreeMap::new(),
            secrets: Secrets::new(&installation.secret_namespaces),
            compiled: BTreeMap::new(),
            referrers: BTreeSet::new(),
            touched: BTreeSet::new(),
            released: BTreeSet::new(),
            profiles: Uses::default(),
            sink_profiles: Uses::default(),
            grants: Uses::default(),
        }
    }

    /// What time it is, seconds since 1970: on it depends what is told of certificates that end, and nothing else. The next
    /// [`Index::changes`] tells it. Without it none ends.
    pub fn at(&mut self, now: i64) {
        self.now = now;
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            self.touched.extend(self.due.pop_first().map(|(_, name)| name));
        }
    }

    /// An object is there, new or changed. An Application that waits for its deletion counts as gone (CV §7).
    pub fn apply(&mut self, object: Object) {
        match object {
            Object::Application(application) if application.metadata.deletion_timestamp.is_some() => {
                self.delete(&ObjectRef::Application(application.metadata.name));
            }
            Object::Application(application) => {
                let name = self.name(&application.metadata.name);
                self.touched.insert(name.clone());
                self.applications.insert(name, Source::new(*application));
            }
            Object::Secret(secret) => {
                let name = secret.name.clone();
                if !self.released.is_empty() {
                    self.released.remove(&(secret.namespace.to_string(), name.to_string()));
                }
                if self.secrets.insert(secret) {
                    self.touch_referrers(&name);
                }
            }
            Object::Other(_) => {}
        }
    }

    /// An object is gone. A deleted Secret revokes: no last good state that holds something of it stays.
    pub fn delete(&mut self, reference: &ObjectRef) {
        match reference {
            ObjectRef::Application(name) => {
                if let Some((name, _)) = self.applications.remove_entry(&**name) {
                    // Should it come back before the next compilation, it has no last good state.
                    if let Some(compiled) = self.compiled.get_mut(&name) {
                        compiled.revoke(|_| true);
                    }
                    self.touched.insert(name);
                }
            }
            ObjectRef::Secret { namespace, name } => {
                if self.secrets.remove(namespace, name) {
                    self.touch_referrers(name);
                    for application in referrers(&self.referrers, name) {
                        if let Some(compiled) = self.compiled.get_mut(application) {
                            compiled.revoke(|needs| {
                                needs.secrets.iter().any(|(ns, used)| **ns == **namespace && **used == **name)
                            });
                        }
                    }
                }
            }
            ObjectRef::Other { .. } => {}
        }
    }

    /// A Secret is there still, but no Application that was applied names it: its values are forgotten by the next
    /// [`Index::changes`], or as soon as no last good state holds something of them. Unlike a deletion it revokes nothing.
    pub fn release(&mut self, reference: &ObjectRef) {
        if let ObjectRef::Secret { namespace, name } = reference {
            self.released.insert((namespace.clone(), name.clone()));
        }
    }

    /// Compiles what was touched, and says what became different since the last call.
    pub fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        for name in std::mem::take(&mut self.touched) {
            let before = self.compiled.remove(&name);
            let mut after = self.applications.get(&name).and_then(Source::read).map(|application| {
                let Self { secrets, guard, installed, replay, now, .. } = &*self;
                let context = Context { secrets, guard, installed, replay: *replay, now: *now };
                Box::new(compile::compile(&application, before.as_deref(), context))
            });
            changes.record(&name, before.as_deref(), after.as_deref());
            changes.touched.push(name.clone());
            self.count(&name, before.as_deref(), after.as_deref_mut());
            let due = |compiled: Option<&Compiled>| compiled.and_then(|compiled| compiled.due);
            if let Some(due) = due(before.as_deref()) {
                self.due.remove(&(due, name.clone()));
            }
            if let Some(due) = due(after.as_deref()) {
                self.due.insert((due, name.clone()));
            }
            if let Some(after) = after {
                self.compiled.insert(name, after);
            }
        }
        self.forget_released();
        changes.profiles = ProfileChanges::of(self.profiles.drain());
        changes.sink_profiles = ProfileChanges::of(self.sink_profiles.drain());
        changes.grants = self.grants.drain();
        changes
    }

    /// Every Application, by name.
    pub fn applications(&self) -> impl Iterator<Item = Overview<'_>> {
        self.compiled.iter().map(|(name, compiled)| overview(name, compiled))
    }

    /// What is wrong with one Application; empty too if there is none of that name.
    #[must_use]
    pub fn problems(&self, application: &str) -> &[Problem] {
        self.compiled.get(application).map(|compiled| &*compiled.problems).unwrap_or_default()
    }

    /// One Application at a glance, if there is one of that name.
    #[must_use]
    pub fn application(&self, name: &str) -> Option<Overview<'_>> {
        self.compiled.get_key_value(name).map(|(name, compiled)| overview(name, compiled))
    }

    /// The paths by which an Application is called, in order.
    pub fn paths(&self, application: &str) -> impl Iterator<Item = CallPath<'_>> {
        self.compiled.get(application).into_iter().flat_map(|compiled| &compiled.egress).filter_map(
            |(key, way)| {
                let mut segments = key.split('/').skip(1);
                let (service, entry) = (segments.next()?, segments.next()?);
                Some(CallPath { service, entry, manual: way.manual, refused: way.refused_for() })
            },
        )
    }

    /// Ids of the transport profiles that calls of an Application go by; some may be named twice.
    pub fn profiles_of(&self, application: &str) -> impl Iterator<Item = &str> {
        let needs = self.compiled.get(application).into_iter().flat_map(|compiled| compiled.needs());
        needs.map(|needs| &*needs.profile.id)
    }

    /// Ids of the grants that calls of an Application need; some may be named twice.
    pub fn grants_of(&self, application: &str) -> impl Iterator<Item = &str> {
        let needs = self.compiled.get(application).into_iter().flat_map(|compiled| compiled.needs());
        needs.flat_map(|needs| needs.grants.iter().map(|grant| grant.id.as_str()))
    }

    /// Id of the transport profile that events of an Application go by.
    #[must_use]
    pub fn sink_profile_of(&self, application: &str) -> Option<&str> {
        self.compiled.get(application)?.sink.as_ref().map(|profile| &*profile.id)
    }

    /// How a call of `app/service` (port 8080) or `app/service/entry` (port 8082) is answered. What follows the entry is ignored.
    #[must_use]
    pub fn explain(&self, path: &str) -> Explanation {
        explain::explain(path, |name| self.compiled.get(name).map(|compiled| &**compiled))
    }

    fn forget_released(&mut self) {
        let Self { released, secrets, referrers: all, .. } = self;
        released.retain(|(namespace, name)| {
            let used = referrers(all, name).next().is_some();
            if !used {
                secrets.remove(namespace, name);
            }
            used
        });
    }

    fn touch_referrers(&mut self, secret: &str) {
        self.touched.extend(referrers(&self.referrers, secret).cloned());
    }

    /// The one copy of an Application's name.
    fn name(&self, name: &str) -> Arc<str> {
        let known = self.applications.get_key_value(name).map(|(known, _)| known);
        let known = known.or_else(|| self.compiled.get_key_value(name).map(|(known, _)| known));
        known.cloned().unwrap_or_else(|| name.into())
    }

    /// Counts what is in use. What comes is counted before what goes, so that a thing that stays is never dropped.
    fn count(&mut self, name: &Arc<str>, before: Option<&Compiled>, mut after: Option<&mut Compiled>) {
        if let Some(after) = after.as_deref_mut() {
            for needs in after.needs_mut() {
                self.profiles.add(&mut needs.profile);
                needs.grants.iter_mut().for_each(|grant| self.grants.add(grant));
            }
            if let Some(sink) = &mut after.sink {
                self.sink_profiles.add(sink);
            }
            for secret in &after.refers_to {
                self.referrers.insert((secret.clone(), name.clone()));
            }
        }
        let Some(before) = before else { return };
        for needs in before.needs() {
            self.profiles.remove(&needs.profile.id);
            needs.grants.iter().for_each(|grant| self.grants.remove(&grant.id));
        }
        if let Some(sink) = &before.sink {
            self.sink_profiles.remove(&sink.id);
        }
        for secret in &before.refers_to {
            if after.as_deref().is_none_or(|after| !after.refers_to.contains(secret)) {
                self.referrers.remove(&(secret.clone(), name.clone()));
            }
        }
    }
}

fn overview<'a>(name: &'a str, compiled: &'a Compiled) -> Overview<'a> {
    let entries = || compiled.egress.iter().filter(|(key, _)| key.split('/').count() == 3);
    // A route has needs, a refusal has none.
    let callable = entries().filter(|(_, way)| way.needs.is_some()).count();
    Overview {
        name,
        services: compiled.services,
        callable,
        refused: entries().count() - callable,
        problems: &compiled.problems,
    }
}

/// The Applications that refer to a Secret of this name.
fn referrers<'a>(
    all: &'a BTreeSet<(Arc<str>, Arc<str>)>,
    secret: &str,
) -> impl Iterator<Item = &'a Arc<str>> {
    // No Application's name is empty, so this is where the Secret's begin.
    let from = (Arc::from(secret), Arc::from(""));
    let of_secret = {
        let secret: Arc<str> = Arc::clone(&from.0);
        move |(known, _): &&'a (Arc<str>, Arc<str>)| *known == secret
    };
    all.range((Bound::Included(from), Bound::Unbounded))
        .take_while(of_secret)
        .map(|(_, application)| application)
}
