//! What became different since the last time.

use std::{collections::BTreeMap, sync::Arc};

use fairlead_wire::feed::{EgressRecord, IngressRecord};

use crate::{GrantSpec, Profile};

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
    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.unused.is_empty()
    }
}
