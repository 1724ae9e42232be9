//! What one VM keeps for all plugin instances of a view: feed client, grants and paused requests, tied together.
//!
//! The shell brings events (a tick, an answer, a request that has to wait) with the time, and performs what comes
//! out: [calls](Session::calls) to send, requests to [release](Release). Time is in milliseconds of a clock that never
//! goes back; its zero does not matter.

mod held;

use fairlead_wire::{Reason, Refusal, config::PluginConfig, feed::View, grant::WAIT_MS};

use crate::{
    call::{Answer, Call},
    feed::{self, Client},
    grants::{Due, GrantTable, GrantsAt, Outcome, SharedData},
    replay::Budget,
    response::Exchange,
    snapshot::{Entry, GrantState, Grants as _, Records, Table},
    step::WaitFor,
};
use held::Held;

/// `response.code_details` of the router's answer where the route names a cluster that Envoy does not have.
pub const CLUSTER_NOT_FOUND: &[u8] = b"cluster_not_found";
/// What it holds where the cluster waits for its client certificate: Envoy does so for 15 s, and then goes on without.
const NO_SECRET: &[u8] = b"Secret_is_not_supplied_by_SDS";

/// State of one view in one VM.
pub struct Vm<E> {
    table: Table<E>,
    session: Session,
}

impl<E: Entry> Vm<E> {
    /// A cold VM. `seed` tells workers apart, so that they do not all come back at the same moment.
    #[must_use]
    pub fn new(config: &PluginConfig, seed: u64) -> Self {
        Self { table: Table::default(), session: Session::new(E::VIEW, config, seed) }
    }

    /// The view in force; none while cold.
    #[must_use]
    pub fn table(&self) -> Option<&Table<E>> {
        self.session.feed.is_complete().then_some(&self.table)
    }

    /// All but the table.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// All but the table.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// What came back for a call.
    pub fn answered(
        &mut self,
        purpose: Purpose,
        now_ms: u64,
        answer: Answer<'_>,
        shared: &dyn SharedData,
    ) -> Vec<Release> {
        self.session.answered(&mut self.table, purpose, now_ms, answer, shared)
    }
}

/// What does not depend on what the view's records are, so that it is in the module once.
pub struct Session {
    feed: Client,
    grants: GrantTable,
    held: Held,
    hold_ms: u32,
    max_held: u32,
    stale_warning_ms: u64,
    stale: bool,
    replay_budget: u32,
    budget: Budget,
}

/// What a call was made for; comes back with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The feed.
    Feed,
    /// What the feed's poll in flight did not say.
    Report,
    /// The grant of this id.
    Grant(Box<str>),
}

/// A paused request that goes on.
#[derive(Debug, PartialEq, Eq)]
pub struct Release {
    /// Its context.
    pub context: u32,
    /// The answer it gets; without one the pipeline, or [the replay](crate::replay), is asked again.
    pub answer: Option<Refusal>,
}

impl Session {
    fn new(view: View, config: &PluginConfig, seed: u64) -> Self {
        Self {
            feed: Client::new(view, feed::Settings::from(&config.control), seed),
            grants: GrantTable::new(seed),
            held: Held::default(),
            hold_ms: config.hold_ms,
            max_held: config.max_held,
            stale_warning_ms: config.stale_warning_ms,
            stale: false,
            replay_budget: config.replay_budget,
            budget: Budget::new(config.replay_budget),
        }
    }

    /// A plugin instance was configured: its limits hold from now on. What is known stays.
    pub fn configure(&mut self, config: &PluginConfig) {
        self.feed.configure(feed::Settings::from(&config.control));
        self.hold_ms = config.hold_ms;
        self.max_held = config.max_held;
        self.stale_warning_ms = config.stale_warning_ms;
        if self.replay_budget != config.replay_budget {
            // What requests have taken from the old one they give back to it.
            self.replay_budget = config.replay_budget;
            self.budget = Budget::new(config.replay_budget);
        }
    }

    /// What requests that may have to be sent again keep their bodies from.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The feed client, for metrics.
    #[must_use]
    pub fn feed(&self) -> &Client {
        &self.feed
    }

    /// Age of the view, milliseconds; none while cold.
    #[must_use]
    pub fn age_ms(&self, now_ms: u64) -> Option<u64> {
        self.feed.age_ms(now_ms)
    }

    /// The grants now.
    #[must_use]
    pub fn grants(&self, now_ms: u64) -> GrantsAt<'_> {
        self.grants.at(now_ms)
    }

    /// How many requests are paused.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.held.waiting()
    }

    /// Whether a request has left something to ask for: then [`Session::calls`] is due.
    #[must_use]
    pub fn has_calls(&self) -> bool {
        self.grants.has_queue()
    }

    /// Pauses the request of `context`. [`Session::calls`] is due afterwards.
    ///
    /// # Errors
    /// The answer to give instead: too many wait, or this one has waited long enough.
    pub fn hold(&mut self, context: u32, wait: WaitFor<'_>, now_ms: u64) -> Result<(), Refusal> {
        let limit_ms = match wait {
            WaitFor::Snapshot => self.hold_ms,
            WaitFor::Grant(_) | WaitFor::Newer(..) => WAIT_MS,
        };
        // What a target rejected is said even if this request cannot wait.
        if let WaitFor::Newer(id, serial) = wait {
            self.grants.reject(id, serial, now_ms)?;
        }
        self.held.hold(context, wait.into(), now_ms, limit_ms, self.max_held)?;
        if let WaitFor::Grant(id) = wait {
            self.grants.want(id);
        }
        Ok(())
    }

    /// A target rejected a grant, and no request waits for a newer one. [`Session::calls`] is due afterwards.
    pub fn rejected(&mut self, id: &str, serial: u64, now_ms: u64) {
        // Why none is to be had interests nobody.
        let _ = self.grants.reject(id, serial, now_ms);
    }

    /// The stream of `context`, which was paused at some time, has ended.
    pub fn forget(&mut self, context: u32) {
        self.held.forget(context);
    }

    /// The calls to send now, and the requests whose grant another VM of the process had.
    pub fn calls(&mut self, now_ms: u64, shared: &dyn SharedData) -> (Vec<(Purpose, Call)>, Vec<Release>) {
        let feed = self.feed.next(now_ms).map(|call| (Purpose::Feed, call));
        let report = self.feed.report(now_ms).map(|call| (Purpose::Report, call));
        let Due { calls, found } = self.grants.due(now_ms, shared);
        let grants = calls.into_iter().map(|(id, call)| (Purpose::Grant(id), call));
        let mut releases = Vec::new();
        for id in found {
            releases.append(&mut self.release_granted(&id, now_ms));
        }
        (feed.into_iter().chain(report).chain(grants).collect(), releases)
    }

    fn answered(
        &mut self,
        table: &mut dyn Records,
        purpose: Purpose,
        now_ms: u64,
        answer: Answer<'_>,
        shared: &dyn SharedData,
    ) -> Vec<Release> {
        match purpose {
            Purpose::Feed => {
                let was_cold = !self.feed.is_complete();
                self.feed.answered(table, now_ms, answer);
                let mut releases = Vec::new();
                for id in table.take_released() {
                    self.grants.drop_grant(&id, shared);
                    // Who waited for it finds another record, or none.
                    releases.append(&mut going_on(self.held.release_granted(&id, u64::MAX), None));
                }
                if was_cold && self.feed.is_complete() {
                    releases.append(&mut going_on(self.held.release_cold(), None));
                }
                releases
            }
            Purpose::Report => {
                self.feed.reported(matches!(answer, Answer::Served { status: 200, .. }));
                Vec::new()
            }
            Purpose::Grant(id) => {
                let needed = table.needs_grant(&id);
                self.granted(&id, needed, now_ms, answer, shared)
            }
        }
    }

    /// The host did not take a call. It is repeated later.
    pub fn not_sent(&mut self, purpose: &Purpose, now_ms: u64) {
        match purpose {
            Purpose::Feed => self.feed.lost(now_ms),
            Purpose::Report => self.feed.reported(false),
            Purpose::Grant(id) => {
                let waited = self.held.waits_for_grant(id);
                self.grants.answered(id, now_ms, Answer::Lost, waited, true);
            }
        }
    }

    /// A call will not be answered because the context that sent it is gone. [`Session::calls`] is due afterwards.
    pub fn abandoned(&mut self, purpose: &Purpose) {
        match purpose {
            Purpose::Feed => self.feed.abandoned(),
            Purpose::Report => self.feed.reported(false),
            Purpose::Grant(id) => {
                let waited = self.held.waits_for_grant(id);
                self.grants.abandoned(id, waited);
            }
        }
    }

    /// Time has passed. Returns the requests whose time is over; [`Session::calls`] is due afterwards.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Release> {
        let overdue = self.held.overdue(now_ms).into_iter();
        overdue.map(|(context, answer)| Release { context, answer: Some(answer) }).collect()
    }

    /// True once each time that the view has become older than the configured warning age.
    pub fn has_become_stale(&mut self, now_ms: u64) -> bool {
        let stale = self.age_ms(now_ms).is_some_and(|age| age > self.stale_warning_ms);
        !std::mem::replace(&mut self.stale, stale) && stale
    }

    /// Looks at an answer that Envoy itself made (`details`: property `response.code_details`): if it says that it
    /// has no such cluster, or none with its certificate, the next call or poll reports the transport profile that the
    /// request needed.
    pub fn local_answer(&mut self, exchange: &Exchange, details: &[u8]) {
        let lacks_secret = || details.windows(NO_SECRET.len()).any(|part| part == NO_SECRET);
        if (details == CLUSTER_NOT_FOUND || lacks_secret())
            && let Some(route) = exchange.route()
        {
            self.feed.report_missing(&route.profile);
        }
    }

    fn granted(
        &mut self,
        id: &str,
        needed: bool,
        now_ms: u64,
        answer: Answer<'_>,
        shared: &dyn SharedData,
    ) -> Vec<Release> {
        let waited = self.held.waits_for_grant(id);
        match self.grants.answered(id, now_ms, answer, waited, needed) {
            Outcome::Ready => {
                self.grants.publish(id, now_ms, shared);
                self.release_granted(id, now_ms)
            }
            Outcome::Refused(refusal) => self.refuse(id, now_ms, &refusal),
            Outcome::Unknown => {
                self.grants.drop_grant(id, shared);
                self.feed.hurry();
                let text = "the access token's configuration is being replaced";
                self.refuse(id, now_ms, &Refusal::retry(Reason::GrantUnknown, 1, text))
            }
            Outcome::Retry => Vec::new(),
        }
    }

    /// Releases those for whom the grant of `id`, as it is now, is what they wait for.
    fn release_granted(&mut self, id: &str, now_ms: u64) -> Vec<Release> {
        // One that was dropped with its record ends all waiting.
        let serial = match self.grants.at(now_ms).grant(id) {
            GrantState::Ready(grant) => grant.serial,
            GrantState::Missing => u64::MAX,
        };
        going_on(self.held.release_granted(id, serial), None)
    }

    /// No grant of `id`, or no newer one, can be had.
    fn refuse(&mut self, id: &str, now_ms: u64, refusal: &Refusal) -> Vec<Release> {
        let mut releases = going_on(self.held.release_newer(id), Some(refusal));
        let good = matches!(self.grants.at(now_ms).grant(id), GrantState::Ready(_));
        let others = self.held.release_granted(id, u64::MAX);
        releases.append(&mut going_on(others, Some(refusal).filter(|_| !good)));
        releases
    }
}

fn going_on(released: Vec<u32>, answer: Option<&Refusal>) -> Vec<Release> {
    released.into_iter().map(|context| Release { context, answer: answer.cloned() }).collect()
}

#[cfg(test)]
mod tests;
