//! One grant in the table: what is held, what is asked for, and what of it a target rejected.

use std::cell::{Cell, RefCell};

use fairlead_credential_injector::csrf::Session;
use fairlead_wire::{Reason, Refusal, grant::Granted};

use super::is_header_value;
use crate::{call::Backoff, snapshot::Grant};

/// A grant can be used at least this long after it came: who waited for it gets it, however short its life is.
const LEAST_LIFE_MS: u64 = 500;

/// The longest that a limit on rejections is believed before the control plane is asked again.
const LONGEST_LIMIT_MS: u64 = 60_000;

/// A grant and its times.
pub(super) struct Held {
    pub(super) grant: Grant,
    pub(super) refresh_at: u64,
    pub(super) expires_at: u64,
}

/// State of one id.
pub(super) struct Entry {
    held: Option<Held>,
    /// The highest serial that a target rejected, while no newer one is held.
    rejected: Option<u64>,
    /// No newer grant is asked for until then, and that is why.
    denied: Option<(u64, Refusal)>,
    queued: Cell<bool>,
    call: Option<Asked>,
    not_before: u64,
    backoff: Backoff,
}

/// A call in flight: the serial that its answer must exceed.
#[derive(Clone, Copy)]
struct Asked(Option<u64>);

/// What a grant that came is worth.
pub(super) enum Taken {
    /// It can be used, and is newer than what was rejected.
    Newer,
    /// It was rejected after the call for it was made.
    AskAgain,
    /// The call asked for a newer one, which it is not.
    NotNewer,
}

impl Held {
    /// None if it holds what no header can carry.
    pub(super) fn new(granted: Granted, now_ms: u64) -> Option<Self> {
        let at = |after: Option<u64>| {
            after.map_or(u64::MAX, |after| now_ms.saturating_add(after.max(LEAST_LIFE_MS)))
        };
        let csrf = match &granted.csrf {
            Some(csrf) => Some(Session::new(csrf)?),
            None => None,
        };
        let serial = granted.serial;
        let authorization: Box<[u8]> = granted.authorization.into_bytes().into();
        is_header_value(&authorization).then(|| Self {
            grant: Grant { authorization, csrf, serial, same_since: serial },
            refresh_at: at(granted.refresh_ms),
            expires_at: at(granted.expires_ms),
        })
    }

    pub(super) fn serial(&self) -> u64 {
        self.grant.serial
    }

    pub(super) fn is_good(&self, now_ms: u64) -> bool {
        now_ms < self.expires_at
    }
}

impl Entry {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            held: None,
            rejected: None,
            denied: None,
            queued: Cell::new(false),
            call: None,
            not_before: 0,
            backoff: Backoff::new(seed),
        }
    }

    pub(super) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// When a call may be made; earlier ones have failed.
    pub(super) fn not_before(&self) -> u64 {
        self.not_before
    }

    /// Nothing is held, and nobody waits.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_none() && self.call.is_none() && !self.queued.get()
    }

    pub(super) fn is_asked_for(&self) -> bool {
        self.call.is_some()
    }

    pub(super) fn enqueue(&self, id: &str, queue: &RefCell<Vec<Box<str>>>) {
        if self.call.is_none() && !self.queued.replace(true) {
            queue.borrow_mut().push(id.into());
        }
    }

    pub(super) fn unqueue(&self) {
        self.queued.set(false);
    }

    /// A call is made whose answer must exceed `floor`.
    pub(super) fn ask(&mut self, floor: Option<u64>) {
        self.call = Some(Asked(floor));
    }

    /// The call is over; what it asked for.
    pub(super) fn end_call(&mut self) -> Option<u64> {
        self.call.take().and_then(|Asked(floor)| floor)
    }

    /// Whether what is held is good and newer than `serial`.
    pub(super) fn has_newer(&self, serial: u64, now_ms: u64) -> bool {
        self.held.as_ref().is_some_and(|held| held.serial() > serial && held.is_good(now_ms))
    }

    /// A target rejected `serial`. It is to be asked for again, unless that was denied a moment ago.
    pub(super) fn reject(&mut self, serial: u64, now_ms: u64) -> Result<(), Refusal> {
        if let Some((until, refusal)) = &self.denied
            && now_ms < *until
        {
            return Err(refusal.clone());
        }
        self.rejected = self.rejected.max(Some(serial));
        Ok(())
    }

    /// The serial that must not come again: that of a grant which was rejected or is over.
    pub(super) fn floor(&self, now_ms: u64) -> Option<u64> {
        let over = self.held.as_ref().filter(|held| !held.is_good(now_ms)).map(Held::serial);
        over.max(self.rejected)
    }

    /// Takes a grant, and says what it is worth to a call that asked for more than `asked`.
    pub(super) fn take(&mut self, held: Held, asked: Option<u64>) -> Taken {
        let rejected = self.rejected;
        let serial = held.serial();
        self.hold(held);
        if rejected.is_none_or(|rejected| serial > rejected) {
            Taken::Newer
        } else if asked < rejected {
            Taken::AskAgain
        } else {
            Taken::NotNewer
        }
    }

    pub(super) fn hold(&mut self, mut held: Held) {
        if let Some(old) = self.held.as_ref().filter(|old| old.grant.is_like(&held.grant)) {
            held.grant.same_since = old.grant.same_since.min(held.serial());
        }
        if self.rejected.is_some_and(|rejected| held.serial() > rejected) {
            self.rejected = None;
        }
        self.backoff.succeeded();
        self.not_before = 0;
        self.denied = None;
        self.held = Some(held);
    }

    /// No grant was given, for this reason, which is returned. What is held stays as long as it is good; nothing newer
    /// is asked for until some time has passed.
    pub(super) fn deny(&mut self, refusal: Refusal, now_ms: u64) -> Refusal {
        let again = self.backoff.failed(now_ms);
        self.rejected = None;
        if self.held.as_ref().is_some_and(|held| held.is_good(now_ms)) {
            let limit = refusal.retry_after.filter(|_| refusal.reason == Reason::GrantLimited);
            let limit = limit.map_or(0, |seconds| u64::from(seconds).saturating_mul(1000));
            self.not_before = again;
            let until = again.max(now_ms.saturating_add(limit.min(LONGEST_LIMIT_MS)));
            self.denied = Some((until, refusal.clone()));
        } else {
            // The broker bounds how often an endpoint is asked.
            self.not_before = 0;
            self.held = None;
        }
        refusal
    }

    pub(super) fn drop_held(&mut self) {
        self.held = None;
        self.rejected = None;
    }

    /// The call said nothing.
    pub(super) fn lost(&mut self, now_ms: u64) {
        self.not_before = self.backoff.failed(now_ms);
    }
}
