//! The task that turns what reflectors see, and the Secrets that are fetched for it, into batches.
//!
//! A batch waits a few milliseconds for more, and a little longer for Secrets that are on their way, so that a new Application
//! comes together with its Secrets. While nobody takes a batch it grows, up to a bound; then reflectors wait.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use kube::Client;
use tokio::{sync::mpsc, task::JoinSet, time::sleep_until};

use super::{
    api::Collection,
    catalog::{Catalog, Source, Update},
    decode::{ApplicationItem, SecretItem},
    fetch::{Fetched, Fetcher},
    reflect::{Change, Notice, Reflector, What},
};
use crate::store::{Batch, Event, StoreProblem};

/// How long a batch waits for Secrets that are on their way.
const HOLD: Duration = Duration::from_millis(500);
/// How many events of the beginning make a piece.
const PIECE: usize = 256;
/// How many events a batch may have before reflectors have to wait.
const MAX_EVENTS: usize = 1024;
/// How many Applications a page has.
const APPLICATIONS: u32 = 200;
/// How many Secrets' metadata a page has.
const METADATA: u32 = 500;
/// When nothing else happens, this long.
const IDLE: Duration = Duration::from_secs(3600);

/// The task.
pub(super) struct Follower {
    catalog: Catalog,
    fetcher: Fetcher,
    debounce: Duration,
    notices: mpsc::Receiver<Notice>,
    /// They end with this.
    _reflectors: JoinSet<()>,
    /// Collections that were never listed to the end.
    unlisted: BTreeSet<Source>,
    /// Everything that was there at the beginning was told.
    begun: bool,
    /// What is wrong with a collection.
    troubles: BTreeMap<Source, StoreProblem>,
    /// Problems may be others than those of the last batch.
    problems_changed: bool,
    /// Problems of the last batch.
    told: Vec<StoreProblem>,
    /// Gathered for the next batch.
    events: Vec<Event>,
    /// When the first of what is gathered, or on its way, was seen.
    seen: Option<Instant>,
}

impl Follower {
    /// Begins to list everything.
    pub(super) fn start(client: &Client, namespaces: &[Arc<str>], debounce: Duration) -> Self {
        // As many pages at most wait here, decoded.
        let (notify, notices) = mpsc::channel(4);
        let mut reflectors = JoinSet::new();
        let mut unlisted = BTreeSet::from([Source::Applications]);
        let applications = Collection::applications();
        reflectors.spawn(
            Reflector::<ApplicationItem>::new(
                client,
                applications,
                APPLICATIONS,
                Source::Applications,
                &notify,
            )
            .run(),
        );
        for (at, namespace) in namespaces.iter().enumerate() {
            let (source, secrets) = (Source::Secrets(at), Collection::secrets(namespace));
            reflectors.spawn(Reflector::<SecretItem>::new(client, secrets, METADATA, source, &notify).run());
            unlisted.insert(source);
        }
        Self {
            catalog: Catalog::new(namespaces),
            fetcher: Fetcher::new(client.clone(), namespaces),
            debounce,
            notices,
            _reflectors: reflectors,
            unlisted,
            begun: false,
            troubles: BTreeMap::new(),
            problems_changed: false,
            told: Vec::new(),
            events: Vec::new(),
            seen: None,
        }
    }

    /// Goes on until nobody takes batches any longer.
    pub(super) async fn run(mut self, batches: mpsc::Sender<Batch>) {
        loop {
            // Before, it is not known whether single Secrets are wanted or most of a namespace.
            if self.unlisted.is_empty() {
                self.fetcher.start(&self.catalog);
            }
            let now = Instant::now();
            let due = self.due(now);
            let ready = due.is_some_and(|due| due <= now);
            let wake = [due.filter(|_| !ready), self.fetcher.wake()].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = batches.closed() => return,
                permit = batches.reserve(), if ready => match permit {
                    Ok(permit) => {
                        if let Some(batch) = self.batch(now) {
                            permit.send(batch);
                        }
                    }
                    Err(_) => return,
                },
                fetched = self.fetcher.next() => self.fetched(fetched),
                notice = self.notices.recv(), if self.events.len() < MAX_EVENTS => match notice {
                    Some(notice) => self.notice(notice),
                    // Reflectors end only with this.
                    None => return,
                },
                () = sleep_until(wake.unwrap_or(now + IDLE).into()) => {}
            }
        }
    }

    /// Whether everything that was there at the beginning is known.
    fn is_complete(&self) -> bool {
        self.unlisted.is_empty() && self.fetcher.is_settled()
    }

    /// When the next batch is to go out, if there is anything for it.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        if !self.begun {
            return (self.is_complete() || self.events.len() >= PIECE).then_some(now);
        }
        self.problems_changed |= self.catalog.take_changed() | self.fetcher.take_changed();
        let wait = if self.fetcher.is_fresh() { HOLD } else { self.debounce };
        if self.events.is_empty() && !self.problems_changed {
            if !self.fetcher.is_fresh() {
                self.seen = None;
            }
            return None;
        }
        Some(*self.seen.get_or_insert(now) + wait)
    }

    /// What is gathered, if it says anything.
    fn batch(&mut self, now: Instant) -> Option<Batch> {
        let more = !self.begun && !self.is_complete();
        let problems = if more { None } else { self.problems() };
        let first = !self.begun;
        self.begun = !more;
        let events = std::mem::take(&mut self.events);
        let seen = self.seen.take().unwrap_or(now);
        self.fetcher.is_late();
        if events.is_empty() && problems.is_none() && !first {
            return None;
        }
        let objects = self.catalog.len();
        tracing::debug!(events = events.len(), objects, more, "resources changed");
        Some(Batch { events, more, objects, problems, seen })
    }

    /// All problems, if they are others than those of the last batch.
    fn problems(&mut self) -> Option<Vec<StoreProblem>> {
        self.problems_changed = false;
        let troubles = self.troubles.values().cloned();
        let problems: Vec<_> =
            troubles.chain(self.fetcher.problems()).chain(self.catalog.problems()).collect();
        if problems == self.told {
            return None;
        }
        self.told.clone_from(&problems);
        Some(problems)
    }

    fn notice(&mut self, notice: Notice) {
        let Notice { source, at, what } = notice;
        let mut update = Update::default();
        match what {
            What::Listing => self.catalog.listing(source),
            What::Changes(changes) => {
                for change in changes {
                    match change {
                        Change::Is(found) => self.catalog.found(source, found, &mut update),
                        Change::Gone(name) => self.catalog.gone(source, &name, &mut update),
                    }
                }
            }
            What::Listed => {
                self.catalog.listed(source, &mut update);
                self.unlisted.remove(&source);
            }
            What::Trouble(Some(problem)) => {
                if !self.begun {
                    // The first batch with problems may be far away.
                    tracing::warn!(reason = problem.reason, "the control plane waits for the Kubernetes API");
                }
                self.troubles.insert(source, problem);
                self.problems_changed = true;
            }
            What::Trouble(None) => {
                self.troubles.remove(&source);
                self.problems_changed = true;
            }
        }
        self.take(update, at);
    }

    fn fetched(&mut self, fetched: Vec<Fetched>) {
        let mut update = Update::default();
        for fetched in fetched {
            self.catalog.fetched(fetched, &mut update);
        }
        self.take(update, Instant::now());
    }

    fn take(&mut self, update: Update, at: Instant) {
        let Update { events, wanted } = update;
        if !events.is_empty() || !wanted.is_empty() {
            self.seen.get_or_insert(at);
        }
        self.events.extend(events);
        wanted.into_iter().for_each(|key| self.fetcher.want(key));
    }
}
