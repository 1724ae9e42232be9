//! How many records name a shared thing, and which came into use or went out of it since the last time.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{GrantSpec, Profile};

/// What has an id that says all about it.
pub(crate) trait Identified {
    /// Equal ids mean equal things.
    fn id(&self) -> &str;
}

impl Identified for Profile {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Identified for GrantSpec {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Counted things by id.
#[derive(Debug)]
pub(crate) struct Uses<T> {
    counts: HashMap<String, (Arc<T>, usize)>,
    /// Ids whose count moved since the last drain, and whether they were in use then.
    moved: BTreeMap<String, bool>,
}

impl<T> Default for Uses<T> {
    fn default() -> Self {
        Self { counts: HashMap::new(), moved: BTreeMap::new() }
    }
}

impl<T: Identified> Uses<T> {
    /// Counts a use of `thing`, and puts the one in its place that has this id already.
    pub(crate) fn add(&mut self, thing: &mut Arc<T>) {
        let id = thing.id();
        match self.counts.get_mut(id) {
            Some((known, count)) => {
                *count += 1;
                *thing = Arc::clone(known);
            }
            None => {
                self.moved.entry(id.to_owned()).or_insert(false);
                self.counts.insert(id.to_owned(), (Arc::clone(thing), 1));
            }
        }
    }

    pub(crate) fn remove(&mut self, id: &str) {
        let Some((_, count)) = self.counts.get_mut(id) else { return };
        *count -= 1;
        if *count == 0 {
            self.moved.entry(id.to_owned()).or_insert(true);
            self.counts.remove(id);
        }
    }

    /// Ids that came into use (with what they are) or went out of it (`None`).
    pub(crate) fn drain(&mut self) -> Vec<(String, Option<Arc<T>>)> {
        std::mem::take(&mut self.moved)
            .into_iter()
            .filter_map(|(id, before)| match self.counts.get(&id) {
                Some((thing, _)) if !before => Some((id, Some(Arc::clone(thing)))),
                None if before => Some((id, None)),
                _ => None,
            })
            .collect()
    }
}
