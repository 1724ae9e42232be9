//! The control plane's heart: one task that owns the index, feeds it from the store and publishes what comes out.
//!
//! Everything that needs the index asks this task ([`Question`]), so that nothing is locked while it compiles.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use fairlead_model::{Changes, Explanation, Index};
use fairlead_resources::{Object, ObjectRef};
use tokio::sync::{mpsc, oneshot};

use crate::{
    publish::Publisher,
    state::{Shared, drained},
    status::{self, Status},
    store::{Batch, Event, StoreProblem},
};

/// How long the start waits for gateways to get the transport profiles of what is there already.
const FIRST: Duration = Duration::from_secs(10);

/// What the admin socket asks.
pub enum Question {
    /// How things are.
    Status(oneshot::Sender<Status>),
    /// How a call of this path would be answered.
    Explain(String, oneshot::Sender<Explanation>),
}

/// The task.
pub struct Control {
    index: Index,
    publisher: Publisher,
    state: Shared,
    /// Applications that are there, and where each is defined.
    origins: HashMap<String, Arc<str>>,
    /// How many objects there are.
    objects: usize,
    store_problems: Vec<StoreProblem>,
    /// Applications with problems, and how many.
    troubled: HashMap<String, usize>,
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
            origins: HashMap::new(),
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
                        self.origins.insert(application.metadata.name.clone(), origin);
                    }
                    self.index.apply(object);
                }
                Event::Delete(reference) => {
                    if let ObjectRef::Application(name) = &reference {
                        self.origins.remove(name);
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
        let changes = self.index.changes();
        self.report(&changes, batch.problems);
        // Even without changes the first batch has the gateways' files written.
        self.publisher.publish(&changes, batch.seen);
        if !std::mem::replace(&mut self.began, true) && !self.publisher.settled(Instant::now() + FIRST).await
        {
            tracing::warn!(
                "gateways do not have all transport profiles yet; the records that need them wait"
            );
        }
        let problems = self.troubled.values().sum::<usize>() + self.store_problems.len();
        self.state.metrics.resources(self.objects, problems, self.publisher.profiles());
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
            let file = self.origins.get(name).map(|file| &**file);
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
            if problems.is_empty() {
                if self.troubled.remove(name).is_some() {
                    tracing::info!(application = name, "an Application has no problem any longer");
                }
            } else {
                self.troubled.insert(name.clone(), problems.len());
            }
        }
    }

    /// Serves batches and questions until the store ends or the process drains.
    pub async fn run(mut self, mut batches: mpsc::Receiver<Batch>, mut questions: mpsc::Receiver<Question>) {
        let mut draining = self.state.draining.clone();
        loop {
            tokio::select! {
                () = drained(&mut draining) => return,
                batch = batches.recv() => match batch {
                    Some(batch) => self.take(batch).await,
                    None => return tracing::error!("the store has ended; what is published stays"),
                },
                Some(question) = questions.recv() => self.answer(question),
                () = self.publisher.due() => self.publisher.advance(),
            }
        }
    }

    fn answer(&self, question: Question) {
        // Whoever asked may have left.
        match question {
            Question::Status(answer) => {
                let _ = answer.send(status::gather(
                    &self.index,
                    &self.state,
                    &self.origins,
                    &self.store_problems,
                ));
            }
            Question::Explain(path, answer) => {
                let _ = answer.send(self.index.explain(&path));
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
