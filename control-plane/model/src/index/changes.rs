//! What became different since the last time.

use std::{collections::BTreeMap, sync::Arc};

use fairlead_wire::feed::{EgressRecord, IngressRecord};

use crate::{GrantSpec, Profile, compile::Compiled};

/// What became different. To make before break, put the new profiles in force first, then the grants and records; forget
/// what is unused last, after a grace period (design decision 12).
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Records of the egress view by key; `None`: gone.
    pub egress: Vec<(String, Option<EgressRecord>)>,
    /// Records of the ingress view by key; `None`: gone.
    pub ingress: Vec<(String, Option<IngressRecord>)>,
    /// Transport profiles of targets, for the egress gateway.
    pub profiles: ProfileChanges,
    /// Transport profiles of sinks, for the ingress gateway.
    pub sink_profiles: ProfileChanges,
    /// Grants by id; `None`: no record names it any longer.
    pub grants: Vec<(String, Option<Arc<GrantSpec>>)>,
    /// Applications whose problems are different; a deleted one too, if it had any.
    pub problems: Vec<String>,
}

/// Which transport profiles came into use and went out of it, by id.
#[derive(Clone, Debug, Default)]
pub struct ProfileChanges {
    /// In use now, and not before.
    pub added: BTreeMap<String, Arc<Profile>>,
    /// No record names them any longer.
    pub unused: Vec<String>,
}

impl Changes {
    /// Notes what is different about one Application.
    pub(crate) fn record(&mut self, name: &str, before: Option<&Compiled>, after: Option<&Compiled>) {
        let gone = BTreeMap::new();
        let old = before.map_or(&gone, |compiled| &compiled.egress);
        let new = after.map_or(&gone, |compiled| &compiled.egress);
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            self.egress.push((key.clone(), None));
        }
        for (key, way) in new {
            if old.get(key).is_none_or(|earlier| earlier.record != way.record) {
                self.egress.push((key.clone(), Some(way.record.clone())));
            }
        }
        let ingress = after.map(|compiled| &compiled.ingress);
        if before.map(|compiled| &compiled.ingress) != ingress {
            self.ingress.push((name.to_owned(), ingress.cloned()));
        }
        let problems = |compiled: Option<&Compiled>| compiled.map(|c| c.problems.clone()).unwrap_or_default();
        if problems(before) != problems(after) {
            self.problems.push(name.to_owned());
        }
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.egress.is_empty()
            && self.ingress.is_empty()
            && self.profiles.is_empty()
            && self.sink_profiles.is_empty()
            && self.grants.is_empty()
            && self.problems.is_empty()
    }
}

impl ProfileChanges {
    pub(crate) fn of(drained: Vec<(String, Option<Arc<Profile>>)>) -> Self {
        let mut changes = Self::default();
        for (id, profile) in drained {
            match profile {
                Some(profile) => drop(changes.added.insert(id, profile)),
                None => changes.unused.push(id),
            }
        }
        changes
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.unused.is_empty()
    }
}
