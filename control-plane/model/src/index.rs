//! The objects as they are now, what is compiled of them, and who refers to whom.

mod changes;
mod secrets;
mod uses;

pub use changes::{Changes, ProfileChanges};
pub(crate) use secrets::Secrets;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fairlead_resources::{Application, Object, ObjectRef};
use fairlead_wire::feed::EgressOutcome;

use crate::{
    Explanation, GrantSpec, Installation, Problem, Profile,
    compile::{self, Compiled, Context, Guard, Installed},
    explain,
};
use uses::Uses;

/// Objects in, views out. Nothing is compiled before [`Index::changes`] is called, so a bulk is cheap: apply all of it, then
/// call it once. What the other functions say is the state of that call.
#[derive(Debug)]
pub struct Index {
    guard: Guard,
    installed: Installed,
    applications: BTreeMap<String, Application>,
    secrets: Secrets,
    compiled: BTreeMap<String, Compiled>,
    /// Name of a Secret → Applications that refer to it, whether it exists or not. By name alone, because the namespaces
    /// are searched.
    referrers: HashMap<String, BTreeSet<String>>,
    /// Applications to compile.
    touched: BTreeSet<String>,
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

impl Index {
    /// An index without objects.
    #[must_use]
    pub fn new(installation: &Installation) -> Self {
        Self {
            guard: Guard::new(installation),
            installed: Installed::new(installation),
            applications: BTreeMap::new(),
            secrets: Secrets::new(&installation.secret_namespaces),
            compiled: BTreeMap::new(),
            referrers: HashMap::new(),
            touched: BTreeSet::new(),
            profiles: Uses::default(),
            sink_profiles: Uses::default(),
            grants: Uses::default(),
        }
    }

    /// An object is there, new or changed. An Application that waits for its deletion counts as gone (CV §7).
    pub fn apply(&mut self, object: Object) {
        match object {
            Object::Application(application) if application.metadata.deletion_timestamp.is_some() => {
                self.delete(&ObjectRef::Application(application.metadata.name));
            }
            Object::Application(application) => {
                let name = application.metadata.name.clone();
                self.touched.insert(name.clone());
                self.applications.insert(name, *application);
            }
            Object::Secret(secret) => {
                let name = secret.name.clone();
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
                if self.applications.remove(name).is_some() {
                    self.touched.insert(name.clone());
                    // Should it come back before the next compilation, it has no last good state.
                    if let Some(compiled) = self.compiled.get_mut(name) {
                        compiled.revoke(|_| true);
                    }
                }
            }
            ObjectRef::Secret { namespace, name } => {
                if self.secrets.remove(namespace, name) {
                    self.touch_referrers(name);
                    for application in self.referrers.get(name).into_iter().flatten() {
                        if let Some(compiled) = self.compiled.get_mut(application) {
                            compiled.revoke(|needs| {
                                needs.secrets.iter().any(|(ns, used)| ns == namespace && used == name)
                            });
                        }
                    }
                }
            }
            ObjectRef::Other { .. } => {}
        }
    }

    /// Compiles what was touched, and says what became different since the last call.
    pub fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        for name in std::mem::take(&mut self.touched) {
            let before = self.compiled.remove(&name);
            let after = self.applications.get(&name).map(|application| {
                let context =
                    Context { secrets: &self.secrets, guard: &self.guard, installed: &self.installed };
                compile::compile(application, before.as_ref(), context)
            });
            changes.record(&name, before.as_ref(), after.as_ref());
            self.count(&name, before.as_ref(), after.as_ref());
            if let Some(after) = after {
                self.compiled.insert(name, after);
            }
        }
        changes.profiles = ProfileChanges::of(self.profiles.drain());
        changes.sink_profiles = ProfileChanges::of(self.sink_profiles.drain());
        changes.grants = self.grants.drain();
        changes
    }

    /// Every Application, by name.
    pub fn applications(&self) -> impl Iterator<Item = Overview<'_>> {
        self.compiled.iter().map(|(name, compiled)| {
            let entries = || compiled.egress.iter().filter(|(key, _)| key.split('/').count() == 3);
            let callable =
                entries().filter(|(_, way)| matches!(way.record.outcome, EgressOutcome::Route(_))).count();
            Overview {
                name,
                services: self
                    .applications
                    .get(name)
                    .map_or(0, |application| application.spec.services.len()),
                callable,
                refused: entries().count() - callable,
                problems: &compiled.problems,
            }
        })
    }

    /// What is wrong with one Application; empty too if there is none of that name.
    #[must_use]
    pub fn problems(&self, application: &str) -> &[Problem] {
        self.compiled.get(application).map(|compiled| compiled.problems.as_slice()).unwrap_or_default()
    }

    /// How a call of `app/service` (port 8080) or `app/service/entry` (port 8082) is answered. What follows the entry is ignored.
    #[must_use]
    pub fn explain(&self, path: &str) -> Explanation {
        explain::explain(path, |name| self.compiled.get(name))
    }

    fn touch_referrers(&mut self, secret: &str) {
        self.touched.extend(self.referrers.get(secret).into_iter().flatten().cloned());
    }

    /// Counts what is in use. What comes is counted before what goes, so that a thing that stays is never dropped.
    fn count(&mut self, name: &str, before: Option<&Compiled>, after: Option<&Compiled>) {
        if let Some(after) = after {
            for needs in after.needs() {
                self.profiles.add(&needs.profile.id, &needs.profile);
                if let Some(grant) = &needs.grant {
                    self.grants.add(&grant.id, grant);
                }
            }
            if let Some(sink) = &after.sink {
                self.sink_profiles.add(&sink.id, sink);
            }
            for secret in &after.refers_to {
                self.referrers.entry(secret.clone()).or_default().insert(name.to_owned());
            }
        }
        let Some(before) = before else { return };
        for needs in before.needs() {
            self.profiles.remove(&needs.profile.id);
            if let Some(grant) = &needs.grant {
                self.grants.remove(&grant.id);
            }
        }
        if let Some(sink) = &before.sink {
            self.sink_profiles.remove(&sink.id);
        }
        for secret in &before.refers_to {
            if after.is_some_and(|after| after.refers_to.contains(secret)) {
                continue;
            }
            if let Some(referrers) = self.referrers.get_mut(secret) {
                referrers.remove(name);
                if referrers.is_empty() {
                    self.referrers.remove(secret);
                }
            }
        }
    }
}
