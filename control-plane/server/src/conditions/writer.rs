//! The leader's task that keeps statuses as they should be.
//!
//! When it begins to lead it lists what all statuses say, then looks at every Application once; from then on at those that are
//! marked on the [`Board`](super::Board), that need a profile which a gateway lacks or has again, and, now and then, at all. What changed lately
//! goes before the rest, so that a start with ten thousand Applications delays nobody's new one. While the API server is away,
//! names wait; each is looked at when it is back, so nothing stale is written.

use std::{collections::BTreeSet, future, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use super::{
    apply::{Statuses, Written},
    events::Events,
    finding,
    ledger::{self, Due, Ledger, Seen},
    queue::Queue,
};
use crate::{
    config::StatusesConfig,
    control::Question,
    kubernetes::{Cluster, KubernetesError, Missing, Signals},
    state::{Shared, drained},
};

/// So many are looked at in one go; then what changed meanwhile has its turn.
const CHUNK: usize = 32;
/// After a failed call the next comes after this time, doubled with each failure up to [`LATEST`].
const AGAIN: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(30);

/// Writes statuses and Events while this replica leads.
pub struct Writer {
    signals: Signals,
    state: Shared,
    questions: mpsc::Sender<Question>,
    config: StatusesConfig,
    resync: Duration,
    statuses: Statuses,
    events: Events,
}

impl Writer {
    /// One that has not begun; from now on the [`Board`](super::Board) takes marks. `questions` go to [`Control`](crate::control::Control).
    #[must_use]
    pub fn new(
        cluster: &Cluster,
        signals: Signals,
        state: Shared,
        questions: mpsc::Sender<Question>,
    ) -> Self {
        state.board.open();
        Self {
            signals,
            state,
            questions,
            config: cluster.config.statuses.clone(),
            resync: cluster.config.resync.get(),
            statuses: Statuses::new(cluster.client.clone()),
            events: Events::new(cluster.client.clone(), &cluster.identity),
        }
    }

    /// Works until the process drains.
    pub async fn run(self, mut draining: watch::Receiver<bool>) {
        let mut leadership = self.signals.leadership.clone();
        loop {
            let term = async {
                // Both wait for ever when nobody can lead any longer.
                if leadership.wait_for(|leadership| leadership.leading).await.is_err() {
                    future::pending::<()>().await;
                }
                let mut lost = leadership.clone();
                tokio::select! {
                    _ = lost.wait_for(|leadership| !leadership.leading) => {}
                    () = Term::new(&self).run() => {}
                }
            };
            tokio::select! {
                () = drained(&mut draining) => return,
                () = term => {}
            }
        }
    }

    /// Writes one, then tells what is new.
    async fn write(&self, name: Arc<str>, due: Due) -> (Arc<str>, Outcome) {
        let Due { uid, status, news, seen } = due;
        let outcome = self.statuses.write(&name, uid.as_deref(), status).await;
        if let Ok(Written::Yes(uid)) = &outcome {
            for news in news {
                if let Err(error) = self.events.send(&name, uid.as_deref(), &news).await {
                    tracing::debug!(application = &*name, %error, "an Event was not sent");
                }
            }
        }
        (name, outcome.map(|written| (written, seen)))
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (ask, answer) = oneshot::channel();
        self.questions.send(question(ask)).await.ok()?;
        answer.await.ok()
    }
}

/// What became of one status, and what is known of it if it was written.
type Outcome = Result<(Written, Seen), KubernetesError>;

/// One time of leading.
struct Term<'a> {
    writer: &'a Writer,
    /// `None` before the first listing: nothing is written then.
    ledger: Option<Ledger>,
    queue: Queue,
    /// Profiles that gateways have lacked for too long.
    missing: Vec<Missing>,
    /// Applications whose records have waited for a profile for too long.
    undelivered: BTreeSet<Arc<str>>,
    /// How long to wait after a failure; zero: there was none.
    patience: Duration,
}

impl<'a> Term<'a> {
    fn new(writer: &'a Writer) -> Self {
        Self {
            writer,
            ledger: None,
            queue: Queue::default(),
            missing: Vec::new(),
            undelivered: BTreeSet::new(),
            patience: Duration::ZERO,
        }
    }

    /// Returns when there is nobody to ask any longer.
    async fn run(mut self) {
        let writer = self.writer;
        let mut told = writer.signals.missing.clone();
        let mut pair = writer.state.server_pair_missing.subscribe();
        let mut looks = interval(writer.config.profile_missing_after.get().max(AGAIN) / 4);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut listing = Instant::now();
        let mut gathered: Option<Instant> = None;
        loop {
            let busy = self.ledger.is_some() && self.queue.len() > 0;
            // What is begun here is ended, and then what changed meanwhile has its turn.
            tokio::select! {
                biased;
                () = at(gathered) => {
                    gathered = None;
                    self.mark(writer.state.board.take());
                }
                () = writer.state.board.marked(), if gathered.is_none() => {
                    gathered = Some(Instant::now() + writer.config.every.get());
                }
                Ok(()) = told.changed() => self.look().await,
                Ok(()) = pair.changed() => drop(self.look_at_all().await),
                _ = looks.tick() => self.look().await,
                () = sleep_until(listing) => {
                    listing = Instant::now() + match self.list().await {
                        Some(()) => writer.resync,
                        None => self.patience.max(AGAIN),
                    };
                }
                () = future::ready(()), if busy => if self.write().await.is_none() { return },
            }
            writer.state.metrics.statuses_waiting(self.queue.len());
        }
    }

    /// Learns what all statuses say, and has all looked at.
    async fn list(&mut self) -> Option<()> {
        match self.writer.statuses.list().await {
            Ok(ledger) => self.ledger = Some(ledger),
            Err(error) => {
                self.patience = longer(self.patience);
                tracing::warn!(%error, "statuses cannot be listed; it is tried again");
                return None;
            }
        }
        self.patience = Duration::ZERO;
        self.look_at_all().await
    }

    /// Has all looked at, after what is marked.
    async fn look_at_all(&mut self) -> Option<()> {
        self.queue.push_rest(self.writer.ask(Question::Names).await?);
        Some(())
    }

    /// Has these looked at: soon, unless more come at a time than can be written, and single changes would wait behind them.
    fn mark(&mut self, names: BTreeSet<Arc<str>>) {
        let StatusesConfig { every, per_second, .. } = &self.writer.config;
        let soon = every.get().saturating_mul(*per_second).as_secs();
        if u64::try_from(names.len()).is_ok_and(|count| count <= soon.max(CHUNK as u64)) {
            self.queue.push(names);
        } else {
            self.queue.push_rest(names);
        }
    }

    /// Looks for profiles that gateways have lacked for too long by now, or have again.
    async fn look(&mut self) {
        let after = self.writer.config.profile_missing_after.get();
        let now = Timestamp::now().as_second();
        let late = |missing: &&Missing| {
            u64::try_from(now.saturating_sub(missing.since)).is_ok_and(|time| time >= after.as_secs())
        };
        let mut missing: Vec<Missing> =
            self.writer.signals.missing.borrow().iter().filter(late).cloned().collect();
        missing.sort_by(|a, b| {
            (a.view, &a.profile, a.gateway, a.since).cmp(&(b.view, &b.profile, b.gateway, b.since))
        });
        if missing != self.missing {
            let differs = |of: &[Missing], than: &[Missing]| -> Vec<String> {
                of.iter().filter(|one| !than.contains(one)).map(|one| one.profile.clone()).collect()
            };
            let mut profiles = differs(&missing, &self.missing);
            profiles.extend(differs(&self.missing, &missing));
            self.missing = missing;
            if let Some(names) = self.writer.ask(|answer| Question::Users(profiles, answer)).await {
                self.queue.push(names);
            }
        }
        if let Some(undelivered) = self.writer.ask(|answer| Question::Undelivered(after, answer)).await
            && undelivered != self.undelivered
        {
            let changed: Vec<_> = undelivered.symmetric_difference(&self.undelivered).cloned().collect();
            self.undelivered = undelivered;
            self.queue.push(changed);
        }
    }

    /// Looks at some, and writes what differs; `None` when there is nobody to ask any longer.
    async fn write(&mut self) -> Option<()> {
        sleep(self.patience).await;
        let names = self.queue.take(CHUNK);
        let patience = self.writer.config.profile_missing_after.get();
        let reports = self.writer.ask(|answer| Question::Reports { names, patience, answer }).await?;
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default().to_string();
        let ledger = self.ledger.get_or_insert_default();
        let mut due = Vec::new();
        for (name, report) in reports {
            let Some(report) = report else {
                ledger.remove(&name);
                continue;
            };
            let findings = finding::judge(&report, &self.missing);
            due.extend(ledger::due(&report, findings, ledger.get(&name), &now).map(|due| (name, due)));
        }
        self.send(due).await;
        Some(())
    }

    /// Writes these, so many at a time and a second. Those that fail wait again, if another try may help.
    async fn send(&mut self, due: Vec<(Arc<str>, Due)>) {
        let config = &self.writer.config;
        let mut pace = interval(Duration::from_secs(1) / config.per_second.max(1));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = due.into_iter();
        let mut running = FuturesUnordered::new();
        let mut failed = Vec::new();
        loop {
            let more = due.len() > 0 && running.len() < config.concurrency.max(1);
            tokio::select! {
                _ = pace.tick(), if more => {
                    running.extend(due.next().map(|(name, due)| self.writer.write(name, due)));
                }
                Some((name, outcome)) = running.next() => failed.extend(self.settle(name, outcome)),
                else => break,
            }
        }
        if failed.is_empty() {
            self.patience = Duration::ZERO;
        } else {
            self.patience = longer(self.patience);
            tracing::warn!(count = failed.len(), "statuses were not written; they are tried again");
        }
        self.queue.push(failed);
    }

    /// Notes what became of one; gives it back if it has to be tried again.
    fn settle(&mut self, name: Arc<str>, outcome: Outcome) -> Option<Arc<str>> {
        let ledger = self.ledger.get_or_insert_default();
        let (word, again) = match outcome {
            Ok((Written::Yes(_), seen)) => {
                ledger.insert(name, seen);
                ("written", None)
            }
            // The store tells what came instead.
            Ok((Written::Gone, _)) => {
                ledger.remove(&name);
                ("gone", None)
            }
            Ok((Written::NoSubresource, _)) => {
                tracing::warn!(
                    "Applications have no status subresource here: apply Fairlead's definition (istio/crds) to see conditions"
                );
                ("gone", None)
            }
            Err(error) if refused(&error) => {
                tracing::warn!(application = &*name, %error, "the API server refuses a status; it stays as it is");
                ("failed", None)
            }
            Err(error) => {
                tracing::debug!(application = &*name, %error, "a status was not written; it is tried again");
                ("failed", Some(name))
            }
        };
        self.writer.state.metrics.status_written(word);
        again
    }
}

fn longer(patience: Duration) -> Duration {
    (patience * 2).clamp(AGAIN, LATEST)
}

/// The API server takes the status itself for wrong: another try would not help.
fn refused(error: &KubernetesError) -> bool {
    let KubernetesError::Call { source, .. } = error else { return false };
    matches!(&**source, kube::Error::Api(status) if matches!(status.code, 400 | 413 | 422))
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => future::pending().await,
    }
}
