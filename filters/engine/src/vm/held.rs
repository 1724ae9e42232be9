//! Requests that are paused, and until when.

use fairlead_wire::{Reason, Refusal};

use crate::step::WaitFor;

/// Paused requests, ordered by their context, which rises: the oldest comes first.
#[derive(Debug, Default)]
pub(super) struct Held {
    requests: Vec<(u32, Request)>,
    waiting: u32,
}

/// A request that is or was paused. Deadlines stay until it is forgotten: one that is resumed and has to wait again
/// gets no second time.
#[derive(Debug, Default)]
struct Request {
    waits: Option<Waits>,
    snapshot_until: Option<u64>,
    /// By id of the grant: there may be two.
    grants_until: Vec<(Box<str>, u64)>,
    /// Set anew by each rejection, of which a request has one for each of its grants.
    newer_until: Option<u64>,
}

/// What a request waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    Snapshot,
    Grant(Box<str>),
    Newer(Box<str>, u64),
}

impl From<WaitFor<'_>> for Waits {
    fn from(wait: WaitFor<'_>) -> Self {
        match wait {
            WaitFor::Snapshot => Self::Snapshot,
            WaitFor::Grant(id) => Self::Grant(id.into()),
            WaitFor::Newer(id, serial) => Self::Newer(id.into(), serial),
        }
    }
}

impl Waits {
    /// The answer to requests for which it did not come in time.
    fn late(&self) -> Refusal {
        match self {
            Self::Snapshot => {
                Refusal::retry(Reason::Cold, 1, "the gateway has not received its configuration yet")
            }
            Self::Grant(_) | Self::Newer(..) => {
                Refusal::retry(Reason::GrantTimeout, 1, "no access token could be had in time")
            }
        }
    }

    /// Whether the grant of `id`, if it comes with `serial`, ends this.
    fn ends_with(&self, id: &str, serial: u64) -> bool {
        match self {
            Self::Snapshot => false,
            Self::Grant(own) => **own == *id,
            Self::Newer(own, rejected) => **own == *id && *rejected < serial,
        }
    }

    fn is_newer_of(&self, id: &str) -> bool {
        matches!(self, Self::Newer(own, _) if **own == *id)
    }
}

impl Request {
    /// Until when it waits for this; `limit` if that is new.
    fn wait_until(&mut self, waits: &Waits, limit: u64) -> u64 {
        match waits {
            Waits::Snapshot => *self.snapshot_until.get_or_insert(limit),
            Waits::Grant(id) => match self.grants_until.iter().find(|(known, _)| known == id) {
                Some((_, until)) => *until,
                None => {
                    self.grants_until.push((id.clone(), limit));
                    limit
                }
            },
            Waits::Newer(..) => *self.newer_until.insert(limit),
        }
    }

    /// Until when it waits now.
    fn until(&self) -> Option<u64> {
        match self.waits.as_ref()? {
            Waits::Snapshot => self.snapshot_until,
            Waits::Grant(id) => {
                self.grants_until.iter().find(|(known, _)| known == id).map(|(_, until)| *until)
            }
            Waits::Newer(..) => self.newer_until,
        }
    }
}

impl Held {
    /// How many requests wait.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Pauses a request for at most `limit_ms`.
    pub(super) fn hold(
        &mut self,
        context: u32,
        waits: Waits,
        now_ms: u64,
        limit_ms: u32,
        max: u32,
    ) -> Result<(), Refusal> {
        if self.waiting >= max {
            return Err(Refusal::retry(Reason::TooManyHeld, 1, "too many requests are waiting already"));
        }
        let at = match self.find(context) {
            Ok(at) => at,
            Err(at) => {
                self.requests.insert(at, (context, Request::default()));
                at
            }
        };
        let Some((_, request)) = self.requests.get_mut(at) else { return Err(waits.late()) };
        if request.wait_until(&waits, now_ms.saturating_add(limit_ms.into())) <= now_ms {
            return Err(waits.late());
        }
        if request.waits.replace(waits).is_none() {
            self.waiting += 1;
        }
        Ok(())
    }

    /// The stream has ended.
    pub(super) fn forget(&mut self, context: u32) {
        if let Ok(at) = self.find(context)
            && self.requests.remove(at).1.waits.is_some()
        {
            self.less(1);
        }
    }

    /// Whether a request waits for the grant of `id`, or for a newer one.
    pub(super) fn waits_for_grant(&self, id: &str) -> bool {
        self.requests
            .iter()
            .any(|(_, request)| request.waits.as_ref().is_some_and(|waits| waits.ends_with(id, u64::MAX)))
    }

    /// Ends the waiting for the view; the oldest first.
    pub(super) fn release_cold(&mut self) -> Vec<u32> {
        self.release(|waits| *waits == Waits::Snapshot)
    }

    /// Ends the waiting for the grant of `id`, and for a newer one than `serial` exceeds; the oldest first.
    pub(super) fn release_granted(&mut self, id: &str, serial: u64) -> Vec<u32> {
        self.release(|waits| waits.ends_with(id, serial))
    }

    /// Ends the waiting for a newer grant of `id`, whatever was rejected; the oldest first.
    pub(super) fn release_newer(&mut self, id: &str) -> Vec<u32> {
        self.release(|waits| waits.is_newer_of(id))
    }

    fn release(&mut self, ends: impl Fn(&Waits) -> bool) -> Vec<u32> {
        let mut released = Vec::new();
        for (context, request) in &mut self.requests {
            if request.waits.take_if(|waits| ends(waits)).is_some() {
                released.push(*context);
            }
        }
        self.less(released.len());
        released
    }

    /// Ends the waiting of those whose time is over, each with its answer.
    pub(super) fn overdue(&mut self, now_ms: u64) -> Vec<(u32, Refusal)> {
        let mut overdue = Vec::new();
        for (context, request) in &mut self.requests {
            if request.until().is_some_and(|until| until <= now_ms)
                && let Some(waits) = request.waits.take()
            {
                overdue.push((*context, waits.late()));
            }
        }
        self.less(overdue.len());
        overdue
    }

    fn find(&self, context: u32) -> Result<usize, usize> {
        self.requests.binary_search_by_key(&context, |(context, _)| *context)
    }

    fn less(&mut self, released: usize) {
        self.waiting = self.waiting.saturating_sub(u32::try_from(released).unwrap_or(u32::MAX));
    }
}
