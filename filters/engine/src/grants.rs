//! Grants that this VM holds: asked for on demand, refreshed ahead while in use, one call an id at a time.
//!
//! The shell sends the calls of `GrantTable::calls` and brings what came back to `GrantTable::answered`; pipelines
//! look into [`GrantTable::at`]. What other VMs of the process hold is looked up before a call
//! ([`SharedData`]). Contract: [`fairlead_wire::grant`].

mod shared;

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use fairlead_wire::{
    Refusal,
    grant::{GrantAnswer, GrantRequest, Granted, PATH, WAIT_MS},
    json,
};
use hashbrown::HashMap;

use crate::{
    call::{Answer, Backoff, Call},
    snapshot::{GrantState, Grants, KeyHash},
};

pub use shared::SharedData;

/// A grant can be used at least this long after it came: who waited for it gets it, however short its life is.
const LEAST_LIFE_MS: u64 = 500;

/// The grants of one VM by id.
pub struct GrantTable {
    entries: HashMap<Box<str>, Entry, KeyHash>,
    /// Ids to ask for, each at most once ([`Entry::queued`]).
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

struct Entry {
    held: Option<Held>,
    queued: Cell<bool>,
    in_flight: bool,
    not_before: u64,
    backoff: Backoff,
}

struct Held {
    authorization: Box<[u8]>,
    serial: u64,
    refresh_at: u64,
    expires_at: u64,
}

/// What an answer means to the requests that wait for the grant.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is there.
    Ready,
    /// They are answered with this.
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

    /// Whether `GrantTable::calls` may have something to do.
    #[must_use]
    pub fn has_queue(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// A request waits for this grant.
    pub(crate) fn want(&mut self, id: &str) {
        let seed = self.seed;
        let entry = match self.entries.get_mut(id) {
            Some(entry) => entry,
            None => self.entries.entry(id.into()).or_insert_with(|| Entry {
                held: None,
                queued: Cell::new(false),
                in_flight: false,
                not_before: 0,
                backoff: Backoff::new(seed),
            }),
        };
        entry.enqueue(id, &self.queue);
    }

    /// What to do now about the ids that were asked for.
    pub(crate) fn due(&mut self, now_ms: u64, shared: &dyn SharedData) -> Due {
        let mut due = Due::default();
        let later = std::mem::take(&mut self.later);
        for id in later.into_iter().chain(self.queue.take()) {
            let Some(entry) = self.entries.get_mut(&*id) else { continue };
            if !entry.in_flight && now_ms < entry.not_before {
                self.later.push(id);
                continue;
            }
            entry.queued.set(false);
            if entry.in_flight {
                continue;
            }
            if let Some(held) = shared::better(shared, &id, entry.held.as_ref(), now_ms) {
                entry.hold(held);
                due.found.push(id);
            } else {
                entry.in_flight = true;
                let call = call(&id, entry.rejected(now_ms));
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
        entry.in_flight = false;
        let outcome = match read(answer) {
            Some(GrantAnswer::Granted(granted)) => {
                entry.hold(Held::new(granted, now_ms));
                Outcome::Ready
            }
            Some(GrantAnswer::Refused(refusal)) => {
                // The broker bounds how often the endpoint is asked; a refresh that failed waits all the same.
                entry.not_before = entry.backoff.failed(now_ms);
                if !entry.is_good(now_ms) {
                    entry.not_before = 0;
                    entry.held = None;
                }
                Outcome::Refused(refusal)
            }
            Some(GrantAnswer::Unknown) => {
                entry.held = None;
                Outcome::Unknown
            }
            None => {
                entry.not_before = entry.backoff.failed(now_ms);
                if waited {
                    entry.enqueue(id, &self.queue);
                }
                Outcome::Retry
            }
        };
        if !needed || (entry.held.is_none() && !entry.queued.get()) {
            self.entries.remove(id);
        }
        outcome
    }

    /// The call was never answered because its sender is gone: asked again at once if a request waits.
    pub(crate) fn abandoned(&mut self, id: &str, waited: bool) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.in_flight = false;
            if waited {
                entry.enqueue(id, &self.queue);
            } else if entry.held.is_none() {
                self.entries.remove(id);
            }
        }
    }

    /// Shows the other VMs what came for `id`.
    pub(crate) fn publish(&self, id: &str, now_ms: u64, shared: &dyn SharedData) {
        if let Some(held) = self.entries.get(id).and_then(|entry| entry.held.as_ref()) {
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
        self.entries.values().filter(|entry| entry.held.is_some()).count()
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

impl Entry {
    fn enqueue(&self, id: &str, queue: &RefCell<Vec<Box<str>>>) {
        if !self.in_flight && !self.queued.replace(true) {
            queue.borrow_mut().push(id.into());
        }
    }

    fn hold(&mut self, held: Held) {
        self.backoff.succeeded();
        self.not_before = 0;
        self.held = Some(held);
    }

    fn is_good(&self, now_ms: u64) -> bool {
        self.held.as_ref().is_some_and(|held| held.is_good(now_ms))
    }

    /// The serial that must not come again: that of a grant which cannot be used any longer.
    fn rejected(&self, now_ms: u64) -> Option<u64> {
        self.held.as_ref().filter(|held| !held.is_good(now_ms)).map(|held| held.serial)
    }
}

impl Held {
    fn new(granted: Granted, now_ms: u64) -> Self {
        let at = |after: Option<u64>| {
            after.map_or(u64::MAX, |after| now_ms.saturating_add(after.max(LEAST_LIFE_MS)))
        };
        Self {
            authorization: granted.authorization.into_bytes().into(),
            serial: granted.serial,
            refresh_at: at(granted.refresh_ms),
            expires_at: at(granted.expires_ms),
        }
    }

    fn is_good(&self, now_ms: u64) -> bool {
        now_ms < self.expires_at
    }
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
        match &entry.held {
            Some(held) if held.is_good(self.now_ms) => {
                if self.now_ms >= held.refresh_at && self.now_ms >= entry.not_before {
                    entry.enqueue(id, &self.table.queue);
                }
                GrantState::Ready(&held.authorization)
            }
            _ => GrantState::Missing,
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

/// None for what says nothing about the grant. A value that no header can carry is no grant either.
fn read(answer: Answer<'_>) -> Option<GrantAnswer> {
    let Answer::Served { status: 200, body } = answer else { return None };
    let answer = json::read_grant(body).ok()?;
    match &answer {
        GrantAnswer::Granted(granted) if !is_header_value(granted.authorization.as_bytes()) => None,
        _ => Some(answer),
    }
}

fn is_header_value(bytes: &[u8]) -> bool {
    !bytes.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f)
}

#[cfg(test)]
mod tests;
