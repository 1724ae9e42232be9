//! The control plane's heart: one task that owns the index, feeds it from the store and publishes what comes out.
//!
//! Everything that needs the index asks this task ([`Question`]), so that nothing is locked while it compiles.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use fairlead_model::{Changes, Explanation, Index};
use fairlead_resources::{Object, ObjectRef};
use fairlead_wire::Reason;
use tokio::sync::{mpsc, oneshot};

use crate::{
    conditions::report::{self, Identity, Report},
    publish::Publisher,
    state::{Shared, drained},
    status::{self, Status},
    store::{Batch, Event, StoreProblem},
};

/// How long the start waits for gateways to get the transport profiles of what is there already.
const FIRST: Duration = Duration::from_secs(10);

/// A record may wait for its profile for so long before `fairlead status` says so.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the time is looked at, which ends certificates.
const CLOCK: Duration = Duration::from_secs(3_600);

/// What the admin socket asks, and who writes statuses.
pub enum Question {
    /// How things are.
    Status(oneshot::Sender<Status>),
    /// How a call of this path would be answered.
    Explain(String, oneshot::Sender<Explanation>),
    /// What there is to say about these Applications; nothing about one that is gone.
    Reports {
        /// Which.
        names: Vec<Arc<str>>,
        /// A record may wait for its profile for so long before that is worth telling.
        patience: Duration,
        /// With the names, in their order.
        answer: oneshot::Sender<Vec<(Arc<str>, Option<Report>)>>,
    },
    /// The names of all Applications, those included that cannot be read.
    Names(oneshot::Sender<Vec<Arc<str>>>),
    /// The names of the Applications that need any of these transport profiles.
    Users(Vec<String>, oneshot::Sender<Vec<Arc<str>>>),
    /// The names of the Applications whose records have waited for a profile for so long.
    Undelivered(Duration, oneshot::Sender<BTreeSet<Arc<str>>>),
}

/// What the index does not keep of an Application.
struct Known {
    /// Where it is defined.
    origin: Arc<str>,
    identity: Identity,
}

/// The task.
pub struct Control {
    index: Index,
    publisher: Publisher,
    state: Shared,
    /// Applications that are there.
    known: HashMap<String, Known>,
    /// How many objects there are.
    objects: usize,
    store_problems: Vec<StoreProblem>,
    /// Applications with problems, and of what kind each is.
    troubled: HashMap<String, Vec<Reason>>,
    /// Everything that was there at the start is compiled.
    began: bool,
}

impl Control {
    /// With nothing known yet.
    #[must_use]
    pub fn new(index: Index, publisher: Publisher, state: Shared) -> Self {
        Self {
            index,
            publisher,
            state,
            known: HashMap::new(),
            objects: 0,
            store_problems: Vec::new(),
            troubled: HashMap::new(),
            began: false,
        }
    }

    /// Takes one batch; when nothing more belongs to it, compiles and publishes.
    pub async fn take(&mut self, batch: Batch) {
        for event in latest(batch.events) {
            match event {
                Event::Apply { object, origin } => {
                    if let Object::Application(application) = &object {
                        let identity = Identity::of(application);
                        self.known.insert(application.metadata.name.clone(), Known { origin, identity });
                    }
                    self.index.apply(object);
                }
                Event::Delete(reference) => {
                    if let ObjectRef::Application(name) = &reference {
                        self.known.remove(name);
                    }
                    self.index.delete(&reference);
                }
                Event::Release(reference) => self.index.release(&reference),
            }
        }
        self.objects = batch.objects;
        if batch.more {
            return;
        }
        self.compile(batch.problems, batch.seen).await;
    }

    /// Says what became different of what was taken, and of what the time changes: certificates end.
    async fn compile(&mut self, problems: Option<Vec<StoreProblem>>, seen: Instant) {
        self.index.at(jiff::Timestamp::now().as_second());
        let changes = self.index.changes();
        self.mark(&changes, problems.as_deref());
        self.report(&changes, problems);
        // Even without changes the first batch has the gateways' files written.
        self.publisher.publish(&changes, seen);
        if !std::mem::replace(&mut self.began, true) && !self.publisher.settled(Instant::now() + FIRST).await
        {
            tracing::warn!(
                "gateways do not have all transport profiles yet; the records that need them wait"
            );
        }
        let problems = self.troubled.values().map(Vec::len).sum::<usize>() + self.store_problems.len();
        self.state.metrics.resources(self.objects, problems, self.publisher.profiles());
    }

    /// Has looked at the status of what is perhaps different; not at the beginning, when whoever writes statuses looks at all
    /// of them, in no hurry: what changes meanwhile must not wait behind ten thousand others.
    fn mark(&self, changes: &Changes, store: Option<&[StoreProblem]>) {
        if !self.began {
            return;
        }
        self.state.board.mark(changes.touched.iter().cloned());
        if let Some(problems) = store {
            let (before, after): (BTreeSet<_>, BTreeSet<_>) =
                (self.store_problems.iter().collect(), problems.iter().collect());
            let differ = before.symmetric_difference(&after).copied();
            self.state.board.mark(differ.filter_map(report::about));
        }
    }

    /// Has looked at the status of Applications that use any of these grants.
    fn mark_users(&self, grants: &BTreeSet<String>) {
        let uses = |name: &str| self.index.grants_of(name).any(|id| grants.contains(id));
        let users = self.index.applications().map(|overview| overview.name).filter(|name| uses(name));
        self.state.board.mark(users.map(Arc::from));
    }

    /// What there is to say about one Application.
    fn tell(&self, name: &str, patience: Duration) -> Option<Report> {
        let identity = self.known.get(name).map(|known| &known.identity);
        let unreadable = self.store_problems.iter().filter(|problem| report::is_about(problem, name));
        let mut told = Report::gather(&self.index, name, identity, unreadable)?;
        let waiting = self.publisher.undelivered(patience).filter(|(application, ..)| *application == name);
        let waiting: BTreeSet<_> = waiting.map(|(_, view, profile)| (view, profile.to_owned())).collect();
        told.undelivered = waiting.into_iter().collect();
        let grants: BTreeSet<_> = self.index.grants_of(name).collect();
        told.grants = grants.into_iter().filter_map(|id| self.state.broker.trouble(id)).collect();
        told.server_pair_missing.clone_from(&self.state.server_pair_missing.borrow());
        Some(told)
    }

    /// A line for each thing that is newly wrong, and one when it is over.
    fn report(&mut self, changes: &Changes, store: Option<Vec<StoreProblem>>) {
        if let Some(problems) = store {
            for problem in problems.iter().filter(|problem| !self.store_problems.contains(problem)) {
                let StoreProblem { file, document, field, reason } = problem;
                tracing::warn!(
                    file,
                    document,
                    field,
                    reason,
                    "something stored cannot be read or used; its last good state stays"
                );
            }
            if problems.is_empty() && !self.store_problems.is_empty() {
                tracing::info!("everything stored can be used again");
            }
            self.store_problems = problems;
        }
        for name in &changes.problems {
            let problems = self.index.problems(name);
            let file = self.known.get(name).map(|known| &*known.origin);
            for problem in problems {
                let (field, reason, effect) = (&problem.field, problem.reason.as_str(), problem.effect);
                let detail = &problem.message;
                tracing::warn!(
                    application = name,
                    file,
                    field,
                    reason,
                    ?effect,
                    detail,
                    "an Application has a problem"
                );
            }
            let reasons: Vec<Reason> = problems.iter().map(|problem| problem.reason).collect();
            reasons.iter().for_each(|reason| self.state.metrics.application_problems(*reason, 1));
            let before = self.troubled.remove(name).unwrap_or_default();
            before.iter().for_each(|reason| self.state.metrics.application_problems(*reason, -1));
            if !reasons.is_empty() {
                self.troubled.insert(name.clone(), reasons);
            } else if !before.is_empty() {
                tracing::info!(application = name, "an Application has no problem any longer");
            }
        }
    }

    /// Serves batches and questions until the store ends or the process drains.
    pub async fn run(mut self, mut batches: mpsc::Receiver<Batch>, mut questions: mpsc::Receiver<Question>) {
        let mut draining = self.state.draining.clone();
        let mut clock = tokio::time::interval_at((Instant::now() + CLOCK).into(), CLOCK);
        loop {
            tokio::select! {
                () = drained(&mut draining) => return,
                batch = batches.recv() => match batch {
                    Some(batch) => self.take(batch).await,
                    None => return tracing::error!("the store has ended; what is published stays"),
                },
                Some(question) = questions.recv() => self.answer(question),
                () = self.publisher.due() => self.publisher.advance(),
                grants = self.state.broker.troubled() => self.mark_users(&grants),
                _ = clock.tick(), if self.began => self.compile(None, Instant::now()).await,
            }
        }
    }

    fn answer(&self, question: Question) {
        let index = &self.index;
        // Whoever asked may have left.
        match question {
            Question::Status(answer) => {
                let file = |name: &str| self.known.get(name).map(|known| known.origin.to_string());
                let told = |name: &str| self.tell(name, PATIENCE);
                let _ = answer.send(status::gather(index, &self.state, file, told, &self.store_problems));
            }
            Question::Explain(path, answer) => {
                let _ = answer.send(index.explain(&path));
            }
            Question::Reports { names, patience, answer } => {
                let tell = |name: Arc<str>| {
                    let report = self.tell(&name, patience);
                    (name, report)
                };
                let _ = answer.send(names.into_iter().map(tell).collect());
            }
            Question::Names(answer) => {
                let unreadable = self.store_problems.iter().filter_map(report::about);
                let readable = index.applications().map(|overview| Arc::from(overview.name));
                let _ = answer.send(readable.chain(unreadable).collect());
            }
            Question::Users(profiles, answer) => {
                let uses = |name: &str| {
                    let mut needed = index.profiles_of(name).chain(index.sink_profile_of(name));
                    needed.any(|id| profiles.iter().any(|profile| profile == id))
                };
                let names = index.applications().map(|overview| overview.name).filter(|name| uses(name));
                let _ = answer.send(names.map(Arc::from).collect());
            }
            Question::Undelivered(patience, answer) => {
                let waiting = self.publisher.undelivered(patience);
                let _ = answer.send(waiting.map(|(application, ..)| Arc::from(application)).collect());
            }
        }
    }
}

/// The last event about each object: a file that was renamed is gone and there again, which is no deletion.
fn latest(events: Vec<Event>) -> Vec<Event> {
    let reference = |event: &Event| match event {
        Event::Apply { object, .. } => object.reference(),
        Event::Delete(reference) | Event::Release(reference) => reference.clone(),
    };
    let mut last = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        last.insert(reference(event), at);
    }
    let kept = |at: usize, event: &Event| last.get(&reference(event)) == Some(&at);
    events.into_iter().enumerate().filter(|(at, event)| kept(*at, event)).map(|(_, event)| event).collect()
}
