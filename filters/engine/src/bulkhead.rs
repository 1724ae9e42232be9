//! The bulkhead: how many calls of one Application are in progress in this worker.
//!
//! The count belongs to the Application's records in the [table](crate::snapshot::Table), so that a request finds it
//! without a look-up; a forwarded request holds a [`Permit`] until its stream ends.

use std::{cell::Cell, rc::Rc};

use hashbrown::HashMap;

use crate::snapshot::KeyHash;

/// The calls of one Application in progress, shared by its records.
#[derive(Clone, Debug, Default)]
pub struct Calls(Rc<Cell<u32>>);

impl Calls {
    /// Whether there are `limit` of them already; 0 is no limit.
    pub(crate) fn reach(&self, limit: u32) -> bool {
        limit != 0 && self.0.get() >= limit
    }

    /// One more.
    pub(crate) fn enter(&self) -> Permit {
        self.0.set(self.0.get().saturating_add(1));
        Permit(Rc::clone(&self.0))
    }

    /// How many there are.
    #[must_use]
    pub fn in_progress(&self) -> u32 {
        self.0.get()
    }
}

/// The calls of each Application that has records whose calls are counted, and how many records these are.
#[derive(Debug, Default)]
pub(crate) struct Applications(HashMap<Box<[u8]>, (Calls, u32), KeyHash>);

impl Applications {
    /// The calls of the Application that a record's key begins with, for one more record.
    pub(crate) fn join(&mut self, key: &[u8]) -> Calls {
        let (calls, records) = self.0.entry(application_of(key).into()).or_default();
        *records += 1;
        calls.clone()
    }

    /// The record is gone.
    pub(crate) fn leave(&mut self, key: &[u8]) {
        let application = application_of(key);
        if let Some((_, records)) = self.0.get_mut(application) {
            *records = records.saturating_sub(1);
            if *records == 0 {
                self.0.remove(application);
            }
        }
    }

    /// How many Applications there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// `app` of a key.
fn application_of(key: &[u8]) -> &[u8] {
    let end = key.iter().position(|byte| *byte == b'/').unwrap_or(key.len());
    key.get(..end).unwrap_or(key)
}

/// One call in progress; dropped at its end.
#[derive(Debug)]
pub struct Permit(Rc<Cell<u32>>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::Calls;

    #[test]
    fn calls_count_until_their_permits_are_gone() {
        let calls = Calls::default();
        let other = calls.clone();
        let permits = [calls.enter(), other.enter()];
        assert!(calls.reach(2) && !calls.reach(3) && !calls.reach(0));
        drop(permits);
        assert_eq!(other.in_progress(), 0);
    }
}
