//! The feed client: keeps a view equal to the control plane's (contract: [`fairlead_wire::feed`]).
//!
//! A state machine without clock or I/O. The shell sends the call that [`Client::next`] hands out, one at a time, and
//! brings what came back to `Client::answered`, with the table that it keeps.
//!
//! While polling, pages of changes are applied as they come. In another epoch everything is listed: by hashes where
//! there are records already, so that only differences are fetched, by the records themselves where there are none.
//! What was listed is applied as it comes, what was not is dropped when the listing ends, and not before.
//!
//! Contract versions N and N−1: fields that this build does not know are ignored, fields that it misses have
//! defaults, and a record that it cannot read refuses the requests to it alone
//! ([`Entry::unreadable`](crate::snapshot::Entry::unreadable)).

mod ask;
mod listing;
mod page;
mod reports;

use fairlead_wire::{
    feed::{Poll, View},
    json::{self, Raw},
};

pub(crate) use ask::Settings;

use crate::{
    call::{Answer, Backoff, Call},
    snapshot::Records,
};
use listing::Listing;
use page::Malformed;
use reports::Reports;

/// An empty answer that comes within this fraction of the time asked for is that of a server which does not hold
/// polls: the next one waits [`IDLE_MS`].
const EARLY: u64 = 4;
/// Pause between polls that are answered at once with nothing, milliseconds.
const IDLE_MS: u64 = 500;
/// How often the pause after failures doubles while cold, when requests are held: half a second, more or less.
const COLD_DOUBLINGS: u32 = 1;
/// After so many pages in a row that cannot be read, everything is listed anew.
const GIVE_UP: u32 = 3;

/// What has happened since the VM started; for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls that the control plane did not answer, or answered with another status than 200.
    pub lost: u64,
    /// Answers that could not be read.
    pub malformed: u64,
    /// Records that this build cannot read.
    pub unreadable: u64,
    /// Listings that ended.
    pub listings: u64,
    /// Records fetched, by polls and listings.
    pub records: u64,
}

/// What the table equals.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    epoch: String,
    revision: u64,
}

/// Keeps one view equal to the control plane's.
pub struct Client {
    view: View,
    settings: Settings,
    /// Requests may use the table: some listing has ended.
    complete: bool,
    /// None where the table equals no revision of any epoch: at the start, and from a listing's first change to its end.
    position: Option<Position>,
    /// None while polling.
    listing: Option<Listing>,
    /// When the call in flight was handed out, and the missing profiles that it reports.
    asked: Option<(u64, Vec<Box<str>>)>,
    not_before: u64,
    backoff: Backoff,
    /// Malformed answers in a row.
    unread: u32,
    /// When the table was last known to equal the control plane's view.
    confirmed_at: Option<u64>,
    reports: Reports,
    counters: Counters,
}

impl Client {
    /// A client that has nothing yet. `seed` spreads the back-off of different workers.
    pub(crate) fn new(view: View, settings: Settings, seed: u64) -> Self {
        Self {
            view,
            settings,
            complete: false,
            position: None,
            listing: None,
            asked: None,
            not_before: 0,
            backoff: Backoff::new(seed),
            unread: 0,
            confirmed_at: None,
            reports: Reports::default(),
            counters: Counters::default(),
        }
    }

    /// How to ask from now on.
    pub(crate) fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Requests may use the table.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The view that is kept.
    #[must_use]
    pub fn view(&self) -> View {
        self.view
    }

    /// Milliseconds since the view was last known to be the control plane's; none while cold.
    #[must_use]
    pub fn age_ms(&self, now_ms: u64) -> Option<u64> {
        self.confirmed_at.map(|at| now_ms.saturating_sub(at))
    }

    /// The revision in force; 0 while there is none.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.position.as_ref().map_or(0, |position| position.revision)
    }

    /// What has happened since the VM started.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a call is in flight.
    #[must_use]
    pub fn in_flight(&self) -> bool {
        self.asked.is_some()
    }

    /// The call to make now: none while one is in flight, or until a pause is over.
    pub fn next(&mut self, now_ms: u64) -> Option<Call> {
        if self.asked.is_some() || now_ms < self.not_before {
            return None;
        }
        let view = self.view;
        let (call, reported) = match &self.listing {
            Some(listing) => (listing.ask(&self.settings, view), Vec::new()),
            None => {
                let missing = self.reports.missing().to_vec();
                (self.settings.poll(view, self.place(), &missing), missing)
            }
        };
        self.asked = Some((now_ms, reported));
        Some(call)
    }

    /// Polls without waiting for the end of a pause: something says that the view is out of date. A back-off after
    /// failures is kept; a poll in flight returns by itself as soon as there is news.
    pub(crate) fn hurry(&mut self) {
        if self.backoff.failures() == 0 {
            self.not_before = 0;
        }
    }

    /// What the table equals, as a poll says it.
    fn place(&self) -> Option<(&str, u64)> {
        self.position.as_ref().map(|at| (at.epoch.as_str(), at.revision))
    }

    /// A request needed this transport profile and Envoy did not have it: goes into the next report.
    pub(crate) fn report_missing(&mut self, profile: &str) {
        self.reports.missed(profile);
    }

    /// The report that cannot wait for the end of the poll in flight, if there is something to say that this poll did
    /// not. What comes back goes to [`Client::reported`].
    pub(crate) fn report(&mut self, now_ms: u64) -> Option<Call> {
        let (_, said) = self.asked.as_ref().filter(|_| self.listing.is_none())?;
        let missing = self.reports.due(now_ms, said)?;
        Some(self.settings.report(self.view, self.place(), &missing))
    }

    /// What came of a report: taken, or not.
    pub(crate) fn reported(&mut self, taken: bool) {
        self.reports.ended(taken);
    }

    /// The call in flight ended without an answer that says anything: its sender is gone. Asked again at once.
    pub(crate) fn abandoned(&mut self) {
        self.asked = None;
    }

    /// The call in flight was not sent.
    pub(crate) fn lost(&mut self, now_ms: u64) {
        self.asked = None;
        self.counters.lost += 1;
        self.pause(now_ms);
    }

    /// After a failure: when to ask again. A cold client must not sleep through the time for which requests are held.
    fn pause(&mut self, now_ms: u64) {
        self.not_before = match self.complete {
            true => self.backoff.failed(now_ms),
            false => self.backoff.failed_soon(now_ms, COLD_DOUBLINGS),
        };
    }

    /// What came back for the call in flight.
    pub(crate) fn answered(&mut self, table: &mut dyn Records, now_ms: u64, answer: Answer<'_>) {
        let Some((asked_at, reported)) = self.asked.take() else { return };
        let Answer::Served { status: 200, body } = answer else {
            self.lost(now_ms);
            if matches!(answer, Answer::Served { .. }) {
                // The control plane is there and refuses: what was listed so far counts no longer.
                self.listing = None;
            }
            return;
        };
        let read = match self.listing.take() {
            Some(listing) => self.listed(table, listing, body),
            None => self.polled(table, now_ms, asked_at, body),
        };
        match read {
            Ok(()) => {
                self.backoff.succeeded();
                self.unread = 0;
                self.reports.taken(&reported);
            }
            Err(Malformed) => {
                self.counters.malformed += 1;
                self.pause(now_ms);
                self.unread = self.unread.saturating_add(1);
                if self.unread >= GIVE_UP {
                    self.position = None;
                }
            }
        }
    }

    fn polled(
        &mut self,
        table: &mut dyn Records,
        now_ms: u64,
        asked_at: u64,
        body: &[u8],
    ) -> Result<(), Malformed> {
        let poll: Poll<Raw<'_>> = json::read_poll(body).map_err(|_| Malformed)?;
        match &mut self.position {
            Some(at) if !poll.resync && at.epoch == poll.epoch && at.revision <= poll.revision => {
                at.revision = poll.revision;
            }
            _ => {
                table.begin_listing();
                let by_hashes = !table.is_empty();
                self.listing = Some(Listing::new(poll.epoch, poll.revision, now_ms, by_hashes));
                return Ok(());
            }
        }
        let idle = !poll.more && poll.changed.is_empty() && poll.removed.is_empty();
        for key in &poll.removed {
            table.remove(key);
        }
        self.apply(table, poll.changed);
        if !poll.more {
            self.confirmed_at = Some(now_ms);
        }
        if idle && now_ms.saturating_sub(asked_at) < u64::from(self.settings.wait_ms) / EARLY {
            self.not_before = now_ms.saturating_add(IDLE_MS);
        }
        Ok(())
    }

    fn listed(
        &mut self,
        table: &mut dyn Records,
        mut listing: Listing,
        body: &[u8],
    ) -> Result<(), Malformed> {
        let Some(records) = listing.read(body, table)? else {
            // Another epoch answered: begin again.
            return Ok(());
        };
        if !records.is_empty() {
            self.position = None;
            self.apply(table, records);
        }
        if listing.is_done() {
            table.end_listing();
            self.counters.listings += 1;
            self.complete = true;
            self.confirmed_at = Some(listing.since);
            self.position = Some(Position { epoch: listing.epoch, revision: listing.revision });
        } else {
            self.listing = Some(listing);
        }
        Ok(())
    }

    fn apply(&mut self, table: &mut dyn Records, records: Vec<page::Record<'_>>) {
        for record in records {
            self.counters.records += 1;
            if !table.read(&record.key, page::digest(&record.hash), record.record) {
                self.counters.unreadable += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
