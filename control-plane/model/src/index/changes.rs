//! What became different since the last time.

use std::{collections::BTreeMap, sync::Arc};

use fairlead_wire::feed::{EgressRecord, IngressRecord};

use crate::{GrantSpec, Profile, Record, compile::Compiled};

/// What became different. To make before break, put the new profiles in force first, then the grants and records; forget
/// what is unused last, after a grace period (design decision 12).
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Records of the egress view by key; `None`: gone.
    pub egress: Vec<(Arc<str>, Option<Record<EgressRecord>>)>,
    /// Records of the ingress view by key; `None`: gone.
    pub ingress: Vec<(Arc<str>, Option<Record<IngressRecord>>)>,
    /// Transport profiles of targets, for the egress gateway.
    pub profiles: ProfileChanges,
    /// Transport profiles of sinks, for the ingress gateway.
    pub sink_profiles: ProfileChanges,
    /// Grants by id; `None`: no record names it any longer.
    pub grants: Vec<(String, Option<Arc<GrantSpec>>)>,
    /// Applications whose problems are different; a deleted one too, if it had any.
    pub problems: Vec<String>,
    /// Applications that were looked at again, whether anything came of it or not: what is told about them may be about an
    /// older generation.
    pub touched: Vec<Arc<str>>,
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
    pub(crate) fn record(&mut self, name: &Arc<str>, before: Option<&Compiled>, after: Option<&Compiled>) {
        let find = |compiled: Option<&Compiled>, key: &str| {
            compiled.and_then(|compiled| compiled.find(key)).map(|(_, way)| way.record.clone())
        };
        for (key, _) in before.into_iter().flat_map(|before| &before.egress) {
            if find(after, key).is_none() {
                self.egress.push((key.clone(), None));
            }
        }
        for (key, way) in after.into_iter().flat_map(|after| &after.egress) {
            if find(before, key).is_none_or(|earlier| earlier != way.record) {
                self.egress.push((key.clone(), Some(way.record.clone())));
            }
        }
        let ingress = after.map(|compiled| &compiled.ingress);
        if before.map(|compiled| &compiled.ingress) != ingress {
            self.ingress.push((name.clone(), ingress.cloned()));
        }
        let problems = |compiled: Option<&Compiled>| compiled.map(|c| c.problems.clone()).unwrap_or_default();
        if problems(before) != problems(after) {
            self.problems.push(name.to_string());
        }
    }

    /// Whether nothing is different; that something was looked at is no difference.
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
