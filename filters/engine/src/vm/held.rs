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
    grant_until: Option<u64>,
}

/// What a request waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    Snapshot,
    Grant(Box<str>),
}

impl From<WaitFor<'_>> for Waits {
    fn from(wait: WaitFor<'_>) -> Self {
        match wait {
            WaitFor::Snapshot => Self::Snapshot,
            WaitFor::Grant(id) => Self::Grant(id.into()),
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
            Self::Grant(_) => Refusal::retry(Reason::GrantTimeout, 1, "no access token could be had in time"),
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
        let until = match waits {
            Waits::Snapshot => &mut request.snapshot_until,
            Waits::Grant(_) => &mut request.grant_until,
        };
        if *until.get_or_insert(now_ms.saturating_add(limit_ms.into())) <= now_ms {
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

    /// Whether a request waits for this.
    pub(super) fn waits_for(&self, what: &Waits) -> bool {
        self.requests.iter().any(|(_, request)| request.waits.as_ref() == Some(what))
    }

    /// Ends the waiting for `what`; the oldest first.
    pub(super) fn release(&mut self, what: &Waits) -> Vec<u32> {
        let mut released = Vec::new();
        for (context, request) in &mut self.requests {
            if request.waits.as_ref() == Some(what) {
                request.waits = None;
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
            let until = match &request.waits {
                None => continue,
                Some(Waits::Snapshot) => request.snapshot_until,
                Some(Waits::Grant(_)) => request.grant_until,
            };
            if until.is_some_and(|until| until <= now_ms)
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
