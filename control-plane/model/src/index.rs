//! The objects as they are now, what is compiled of them, and who refers to whom.

mod changes;

pub use changes::{Changes, ProfileChanges};

use fairlead_resources::{Object, ObjectRef};

use crate::{Explanation, Installation, Problem};

/// Objects in, views out. Nothing is compiled before [`Index::changes`] is called, so a bulk is cheap: apply all of it, then
/// call it once. What the other functions say is the state of that call.
#[derive(Debug)]
pub struct Index {
    installation: Installation,
}

/// An Application at a glance, for `fairlead status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many services it has.
    pub services: usize,
    /// How many API entries can be called.
    pub callable: usize,
    /// How many API entries are refused.
    pub refused: usize,
    /// What is wrong.
    pub problems: &'a [Problem],
}

impl Index {
    /// An index without objects.
    #[must_use]
    pub fn new(installation: Installation) -> Self {
        Self { installation }
    }

    /// An object is there, new or changed.
    pub fn apply(&mut self, object: Object) {
        let _ = (object, &self.installation);
    }

    /// An object is gone.
    pub fn delete(&mut self, reference: &ObjectRef) {
        let _ = reference;
    }

    /// Compiles what was touched, and says what became different since the last call.
    pub fn changes(&mut self) -> Changes {
        Changes::default()
    }

    /// Every Application, by name.
    pub fn applications(&self) -> impl Iterator<Item = Overview<'_>> {
        std::iter::empty()
    }

    /// What is wrong with one Application; empty too if there is none of that name.
    #[must_use]
    pub fn problems(&self, application: &str) -> &[Problem] {
        let _ = application;
        &[]
    }

    /// How a call of `app/service` (port 8080) or `app/service/entry` (port 8082) is answered.
    #[must_use]
    pub fn explain(&self, path: &str) -> Explanation {
        Explanation::of(path)
    }
}
