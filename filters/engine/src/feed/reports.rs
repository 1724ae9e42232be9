//! Transport profiles that requests needed and Envoy did not have, until the control plane was told.
//!
//! Each poll carries them. A poll is held for long, though: what turns up meanwhile goes out by a call of its own.

use fairlead_wire::feed::MAX_MISSING;

/// The least time between two such calls, milliseconds.
const PAUSE_MS: u64 = 2_000;

/// What is to be reported, and what is on its way.
#[derive(Debug, Default)]
pub(super) struct Reports {
    missing: Vec<Box<str>>,
    /// What the call in flight says; a poll is not one.
    in_flight: Option<Vec<Box<str>>>,
    not_before: u64,
}

impl Reports {
    /// The profiles to report.
    pub(super) fn missing(&self) -> &[Box<str>] {
        &self.missing
    }

    /// A request missed this profile.
    pub(super) fn missed(&mut self, profile: &str) {
        if self.missing.len() < MAX_MISSING && !self.missing.iter().any(|known| **known == *profile) {
            self.missing.push(profile.into());
        }
    }

    /// What to say now by a call of its own; `said` has been said by the poll in flight.
    pub(super) fn due(&mut self, now_ms: u64, said: &[Box<str>]) -> Option<Vec<Box<str>>> {
        if self.in_flight.is_some()
            || now_ms < self.not_before
            || self.missing.iter().all(|one| said.contains(one))
        {
            return None;
        }
        self.not_before = now_ms.saturating_add(PAUSE_MS);
        self.in_flight = Some(self.missing.clone());
        self.in_flight.clone()
    }

    /// That call has ended; `taken`: the control plane has it.
    pub(super) fn ended(&mut self, taken: bool) {
        if let Some(said) = self.in_flight.take().filter(|_| taken) {
            self.taken(&said);
        }
    }

    /// The control plane has these.
    pub(super) fn taken(&mut self, said: &[Box<str>]) {
        self.missing.retain(|profile| !said.contains(profile));
    }
}
