//! Where objects come from: one trait, so that everything above is one code path (design decision 15).
//!
//! A store gives batches: first everything that is there, in as many pieces as keep memory small ([`Batch::more`]), then
//! one for each change. There are the
//! [`directory`] of manifests and the [`kubernetes`] API.

pub mod directory;
pub mod kubernetes;

use std::{fmt, sync::Arc, time::Instant};

use fairlead_resources::{Object, ObjectRef};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// One thing that became different.
#[derive(Clone, Debug)]
pub enum Event {
    /// The object is there, new or changed.
    Apply {
        /// The object.
        object: Object,
        /// Where it is defined: a file relative to the directory of resources, or `Application/name`.
        origin: Arc<str>,
    },
    /// The object is gone.
    Delete(ObjectRef),
    /// The Secret is there, but no Application names it any longer: its values may be forgotten.
    Release(ObjectRef),
}

/// Changes that belong together.
#[derive(Debug)]
pub struct Batch {
    /// In order; the last event about an object counts.
    pub events: Vec<Event>,
    /// The next batch belongs to this one: it waits for it.
    pub more: bool,
    /// How many objects there are now.
    pub objects: usize,
    /// Everything that is wrong now, if that changed.
    pub problems: Option<Vec<StoreProblem>>,
    /// When the store saw the first of these changes.
    pub seen: Instant,
}

/// What cannot be read of what is stored. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreProblem {
    /// File, relative to the directory of resources; or the object, as `Application/name`, or what cannot be read, as
    /// `secrets in namespace shop`.
    pub file: String,
    /// Document within the file, counted from 1; absent: the file as a whole.
    pub document: Option<usize>,
    /// Path of the field, or line and column.
    pub field: String,
    /// What is wrong and what to do.
    pub reason: String,
}

impl fmt::Display for StoreProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(document) = self.document {
            write!(f, ", document {document}")?;
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A source of objects.
pub trait Store {
    /// Begins. The first batches, up to one without `more`, have all objects; dropping the receiver ends the store.
    ///
    /// # Errors
    /// One sentence when the source cannot be read or watched at all.
    fn watch(self) -> Result<mpsc::Receiver<Batch>, StoreError>;
}

/// Why a store cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct StoreError {
    /// What was tried, with its path.
    pub what: String,
    /// What the system says, and what to do.
    pub reason: String,
}
