//! Grants that this VM holds: asked for on demand, refreshed ahead while in use, renewed when a target rejects one; one
//! call an id at a time.
//!
//! The shell sends the calls of `GrantTable::due` and brings what came back to `GrantTable::answered`; pipelines
//! look into [`GrantTable::at`]. What other VMs of the process hold is looked up before a call
//! ([`SharedData`]). Contract: [`fairlead_wire::grant`].
//!
//! A grant that a target rejected is given to other requests until a newer one is there: a target that rejects what is
//! asked of it must not make all wait who ask for something else.

mod entry;
mod shared;

use std::{cell::RefCell, fmt};

use fairlead_credential_injector::csrf::is_header_value;
use fairlead_wire::{
    Reason, Refusal,
    grant::{GrantAnswer, GrantRequest, PATH, WAIT_MS},
    json,
};
use hashbrown::HashMap;

use crate::{
    call::{Answer, Call},
    snapshot::{GrantState, Grants, KeyHash},
};
use entry::{Entry, Held};

pub use shared::SharedData;

/// The grants of one VM by id.
pub struct GrantTable {
    entries: HashMap<Box<str>, Entry, KeyHash>,
    /// Ids to ask for, each at most once.
    queue: RefCell<Vec<Box<str>>>,
    /// Of them those whose call has failed and is not due yet: apart, so that requests do not ask for the time.
    later: Vec<Box<str>>,
    seed: u64,
}

/// What is to be done about the ids that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// The calls to make, by id.
    pub(crate) calls: Vec<(Box<str>, Call)>,
    /// Ids whose grant another VM has: it is there.
    pub(crate) found: Vec<Box<str>>,
}

/// What an answer means to the requests that wait for the grant.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is there; who waits for a newer one looks whether this is.
    Ready,
    /// They are answered with this; those that wait for a newer one only, where an older one is good.
    Refused(Refusal),
    /// The record that named it is out of date.
    Unknown,
    /// It will be asked for again.
    Retry,
}

impl GrantTable {
    /// An empty table. `seed` spreads the back-off of different workers.
    pub(crate) fn new(seed: u64) -> Self {
        Self { entries: HashMap::default(), queue: RefCell::default(), later: Vec::new(), seed }
    }

    /// The grants as they are at `now_ms`. Looking one up that is due for a refresh queues it.
    #[must_use]
    pub fn at(&self, now_ms: u64) -> GrantsAt<'_> {
        GrantsAt { table: self, now_ms }
    }

    /// Whether `GrantTable::due` may have something to do.
    #[must_use]
    pub fn has_queue(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// A request waits for this grant.
    pub(crate) fn want(&mut self, id: &str) {
        let seed = self.seed;
        entry(&mut self.entries, seed, id).enqueue(id, &self.queue);
    }

    /// A target rejected the grant of `serial`: a newer one is asked for, unless it is there already.
    ///
    /// # Errors
    /// None was given a moment ago, and that is why.
    pub(crate) fn reject(&mut self, id: &str, serial: u64, now_ms: u64) -> Result<(), Refusal> {
        let seed = self.seed;
        let entry = entry(&mut self.entries, seed, id);
        if entry.has_newer(serial, now_ms) {
            return Ok(());
        }
        entry.reject(serial, now_ms)?;
        entry.enqueue(id, &self.queue);
        Ok(())
    }

    /// What to do now about the ids that were asked for.
    pub(crate) fn due(&mut self, now_ms: u64, shared: &dyn SharedData) -> Due {
        let mut due = Due::default();
        let later = std::mem::take(&mut self.later);
        for id in later.into_iter().chain(self.queue.take()) {
            let Some(entry) = self.entries.get_mut(&*id) else { continue };
            if !entry.is_asked_for() && now_ms < entry.not_before() {
                self.later.push(id);
                continue;
            }
            entry.unqueue();
            if entry.is_asked_for() {
                continue;
            }
            let floor = entry.floor(now_ms);
            if let Some(held) = shared::better(shared, &id, entry.held(), floor, now_ms) {
                entry.hold(held);
                due.found.push(id);
            } else {
                entry.ask(floor);
                let call = call(&id, floor);
                due.calls.push((id, call));
            }
        }
        due
    }

    /// What came back. `waited`: requests wait for it; `needed`: a record still names it.
    pub(crate) fn answered(
        &mut self,
        id: &str,
        now_ms: u64,
        answer: Answer<'_>,
        waited: bool,
        needed: bool,
    ) -> Outcome {
        // Dropped meanwhile, with its record: who waits is to look again.
        let Some(entry) = self.entries.get_mut(id) else { return Outcome::Ready };
        let asked = entry.end_call();
        let outcome = match read(answer, now_ms) {
            Some(Ok(held)) => match entry.take(held, asked) {
                entry::Taken::Newer => Outcome::Ready,
                // It was not what this call asked for.
                entry::Taken::AskAgain => {
                    entry.enqueue(id, &self.queue);
                    Outcome::Ready
                }
                entry::Taken::NotNewer => {
                    let text = "no newer access token was given";
                    Outcome::Refused(entry.deny(Refusal::retry(Reason::GrantLimited, 1, text), now_ms))
                }
            },
            Some(Err(GrantAnswer::Refused(refusal))) => Outcome::Refused(entry.deny(refusal, now_ms)),
            Some(Err(_)) => {
                entry.drop_held();
                Outcome::Unknown
            }
            None => {
                entry.lost(now_ms);
                if waited {
                    entry.enqueue(id, &self.queue);
                }
                Outcome::Retry
            }
        };
        if !needed || entry.is_idle() {
            self.entries.remove(id);
        }
        outcome
    }

    /// The call was never answered because its sender is gone: asked again at once if a request waits.
    pub(crate) fn abandoned(&mut self, id: &str, waited: bool) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.end_call();
            if waited {
                entry.enqueue(id, &self.queue);
            } else if entry.is_idle() {
                self.entries.remove(id);
            }
        }
    }

    /// Shows the other VMs what came for `id`.
    pub(crate) fn publish(&self, id: &str, now_ms: u64, shared: &dyn SharedData) {
        if let Some(held) = self.entries.get(id).and_then(Entry::held) {
            shared::publish(shared, id, held, now_ms);
        }
    }

    /// No record names it any longer, or the control plane does not know it: the value leaves memory, and no other VM
    /// finds it.
    pub(crate) fn drop_grant(&mut self, id: &str, shared: &dyn SharedData) {
        self.entries.remove(id);
        shared::clear(shared, id);
    }

    /// How many grants are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.values().filter(|entry| entry.held().is_some()).count()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Only the number: values are secrets.
impl fmt::Debug for GrantTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantTable").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The entry of `id`, made if it is not there.
fn entry<'e>(entries: &'e mut HashMap<Box<str>, Entry, KeyHash>, seed: u64, id: &str) -> &'e mut Entry {
    entries.entry(id.into()).or_insert_with(|| Entry::new(seed))
}

/// The grants at one moment.
#[derive(Clone, Copy, Debug)]
pub struct GrantsAt<'t> {
    table: &'t GrantTable,
    now_ms: u64,
}

impl Grants for GrantsAt<'_> {
    fn grant(&self, id: &str) -> GrantState<'_> {
        let Some(entry) = self.table.entries.get(id) else { return GrantState::Missing };
        match entry.held().filter(|held| held.is_good(self.now_ms)) {
            Some(held) => {
                if self.now_ms >= held.refresh_at && self.now_ms >= entry.not_before() {
                    entry.enqueue(id, &self.table.queue);
                }
                GrantState::Ready(&held.grant)
            }
            None => GrantState::Missing,
        }
    }
}

fn call(id: &str, rejected: Option<u64>) -> Call {
    Call {
        method: "POST",
        // Ids are made by the control plane of characters that need no escape; anything else is not an id.
        path: format!(
            "{PATH}{}",
            percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
        ),
        report: None,
        body: json::write_grant_request(&GrantRequest { rejected }).into_bytes(),
        timeout_ms: WAIT_MS,
    }
}

/// A grant, or what was said instead; none for what says nothing. A value that no header can carry is no grant either.
fn read(answer: Answer<'_>, now_ms: u64) -> Option<Result<Held, GrantAnswer>> {
    let Answer::Served { status: 200, body } = answer else { return None };
    match json::read_grant(body).ok()? {
        GrantAnswer::Granted(granted) => Held::new(granted, now_ms).map(Ok),
        other => Some(Err(other)),
    }
}

#[cfg(test)]
mod tests;
