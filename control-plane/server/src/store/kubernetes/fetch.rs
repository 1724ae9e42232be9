//! Fetches Secrets whole: one by one, or page by page where most of a namespace is wanted. A bounded number at a time.
//!
//! What is wanted is a set, so that nothing is fetched twice; what fails is tried again after a growing wait, together
//! with its namespace where the reason concerns all of it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use fairlead_resources::{ObjectError, Secret};
use kube::Client;
use tokio::task::JoinSet;

use super::{
    api::{self, Collection},
    backoff::Backoff,
    catalog::{Catalog, Key},
    decode::{Page, WholeSecret},
    failure::Failure,
};
use crate::store::StoreProblem;

/// How many requests at a time.
const AT_A_TIME: usize = 16;
/// Largest answer to one GET, bytes: the API server takes no object above 3 MiB.
const MAX_SECRET: usize = 4 * 1024 * 1024;
/// How often a Secret may fail by itself before the beginning no longer waits for it.
const TRIES: u32 = 3;
/// From this many wanted Secrets of a namespace on, pages are considered.
const MANY: usize = 200;
/// How many Secrets a page has.
const PAGE: u32 = 200;
/// Largest page, bytes: a namespace of large Secrets is read one by one.
const MAX_PAGE: usize = 8 * 1024 * 1024;

/// A Secret that was read, or why it cannot be used.
pub(super) struct Fetched {
    pub(super) key: Key,
    pub(super) version: Box<str>,
    pub(super) content: Result<Secret, ObjectError>,
    /// Asked for after everything that was told of it.
    pub(super) current: bool,
}

/// Fetches what is wanted.
pub(super) struct Fetcher {
    client: Client,
    lanes: Vec<Lane>,
    tasks: JoinSet<Done>,
    /// Problems came or went.
    changed: bool,
}

/// One namespace.
struct Lane {
    namespace: Arc<str>,
    collection: Collection,
    waiting: BTreeSet<Arc<str>>,
    /// Asked for; `true`: it changed meanwhile, ask again.
    running: HashMap<Arc<str>, bool>,
    /// Wanted for the first time since the last [`Fetcher::is_late`].
    fresh: HashSet<Arc<str>>,
    /// Failed by themselves, and when they are asked for again.
    later: HashMap<Arc<str>, Instant>,
    /// Failed by themselves the last time.
    failing: HashMap<Arc<str>, (Failure, Backoff)>,
    paged: Paged,
    /// Nothing is asked for until then.
    pause: Option<Instant>,
    backoff: Backoff,
    trouble: Option<String>,
}

/// Whether pages are read.
#[derive(PartialEq)]
enum Paged {
    No,
    Running,
    /// Not possible here.
    Never,
}

/// How a request ended.
enum Done {
    One(usize, Arc<str>, Result<WholeSecret, Failure>),
    Page(usize, Result<Page<WholeSecret>, Failure>),
}

impl Fetcher {
    /// Nothing is wanted yet.
    pub(super) fn new(client: Client, namespaces: &[Arc<str>]) -> Self {
        let lane = |namespace: &Arc<str>| Lane {
            namespace: namespace.clone(),
            collection: Collection::secrets(namespace),
            waiting: BTreeSet::new(),
            running: HashMap::new(),
            fresh: HashSet::new(),
            later: HashMap::new(),
            failing: HashMap::new(),
            paged: Paged::No,
            pause: None,
            backoff: Backoff::default(),
            trouble: None,
        };
        Self { client, lanes: namespaces.iter().map(lane).collect(), tasks: JoinSet::new(), changed: false }
    }

    /// Wants a Secret, or wants it again because it changed.
    pub(super) fn want(&mut self, (at, name): Key) {
        let Some(lane) = self.lanes.get_mut(at) else { return };
        lane.later.remove(&name);
        lane.fresh.insert(name.clone());
        match lane.running.get_mut(&name) {
            Some(again) => *again = true,
            None => drop(lane.waiting.insert(name)),
        }
    }

    /// Whether everything that is wanted was brought, or has failed by itself several times.
    pub(super) fn is_settled(&self) -> bool {
        let hopeless = |lane: &Lane| lane.failing.values().all(|(_, backoff)| backoff.failures() >= TRIES);
        let settled = |lane: &Lane| lane.waiting.is_empty() && lane.running.is_empty() && hopeless(lane);
        self.lanes.iter().all(settled)
    }

    /// Whether something is on its way of which nobody knows yet that it is late or fails.
    pub(super) fn is_fresh(&self) -> bool {
        self.lanes.iter().any(|lane| lane.pause.is_none() && !lane.fresh.is_empty())
    }

    /// What is on its way now is late: nobody waits for it any longer.
    pub(super) fn is_late(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.fresh.clear());
    }

    /// What does not work: which Secret, or a namespace as a whole, and a sentence.
    pub(super) fn problems(&self) -> impl Iterator<Item = StoreProblem> {
        let problem = |file: String, reason: String| StoreProblem {
            file,
            document: None,
            field: String::new(),
            reason,
        };
        self.lanes.iter().flat_map(move |lane| {
            let all = lane.trouble.clone().map(|text| problem(lane.collection.what.clone(), text));
            let one = move |(name, (failure, _)): (&Arc<str>, &(Failure, Backoff))| {
                problem(format!("Secret/{}/{name}", lane.namespace), lane.sentence(failure))
            };
            all.into_iter().chain(lane.failing.iter().map(one))
        })
    }

    /// Whether [`Fetcher::problems`] are others than at the last call.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// When something that failed is to be tried again.
    pub(super) fn wake(&self) -> Option<Instant> {
        let of = |lane: &Lane| lane.later.values().copied().chain(lane.pause).min();
        self.lanes.iter().filter_map(of).min()
    }

    /// Asks for what is still wanted, as far as the bound allows.
    pub(super) fn start(&mut self, catalog: &Catalog) {
        let now = Instant::now();
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            lane.wake(now);
            while self.tasks.len() < AT_A_TIME && lane.pause.is_none() && lane.paged != Paged::Running {
                let most = lane.waiting.len() >= MANY && lane.waiting.len() * 2 >= catalog.secrets(at);
                if most && lane.paged == Paged::No {
                    lane.paged = Paged::Running;
                    page(&mut self.tasks, &self.client, at, &lane.collection, "");
                } else if let Some(name) = lane.waiting.pop_first() {
                    let key = (at, name.clone());
                    if !catalog.wants(&key) {
                        lane.fresh.remove(&name);
                        self.changed |= lane.failing.remove(&name).is_some();
                        continue;
                    }
                    lane.running.insert(name.clone(), false);
                    let (client, request) = (self.client.clone(), lane.collection.get(&name));
                    self.tasks.spawn(async move {
                        Done::One(at, name, api::ask(&client, request, MAX_SECRET).await)
                    });
                } else {
                    break;
                }
            }
        }
    }

    /// Waits until a request ends, and gives what it brought. Waits for ever when none is on its way. Cancelling loses
    /// nothing.
    pub(super) async fn next(&mut self) -> Vec<Fetched> {
        match self.tasks.join_next().await {
            Some(Ok(Done::One(at, name, answer))) => self.one(at, name, answer).into_iter().collect(),
            Some(Ok(Done::Page(at, answer))) => self.page(at, answer),
            // No task is cancelled or panics.
            Some(Err(_)) => Vec::new(),
            None => std::future::pending().await,
        }
    }

    fn one(&mut self, at: usize, name: Arc<str>, answer: Result<WholeSecret, Failure>) -> Option<Fetched> {
        let lane = self.lanes.get_mut(at)?;
        let again = lane.running.remove(&name) == Some(true);
        if again {
            lane.waiting.insert(name.clone());
        }
        match answer {
            Ok(secret) => {
                self.changed |= lane.works() | lane.failing.remove(&name).is_some();
                if again {
                    return None;
                }
                lane.fresh.remove(&name);
                return Some(lane.fetched(at, name, secret, true));
            }
            // It was deleted: the watch tells, or has told.
            Err(Failure::Absent) if !again => {
                lane.fresh.remove(&name);
                self.changed |= lane.failing.remove(&name).is_some();
            }
            Err(failure) if failure.concerns_all() => {
                lane.waiting.insert(name);
                self.changed |= lane.pause(&failure);
            }
            Err(failure) if !again => {
                lane.fresh.remove(&name);
                self.changed |= lane.fails(name, failure);
            }
            Err(_) => {}
        }
        None
    }

    fn page(&mut self, at: usize, answer: Result<Page<WholeSecret>, Failure>) -> Vec<Fetched> {
        let Some(lane) = self.lanes.get_mut(at) else { return Vec::new() };
        let Page { metadata, items } = match answer {
            Ok(page) => page,
            Err(failure) => {
                lane.paged = Paged::No;
                if failure.concerns_all() {
                    self.changed |= lane.pause(&failure);
                } else if failure != Failure::Gone {
                    lane.paged = Paged::Never;
                }
                return Vec::new();
            }
        };
        self.changed |= lane.works();
        let mut fetched = Vec::new();
        for secret in items.into_iter().flatten() {
            // What nobody wants is dropped here.
            if let Some(name) = lane.waiting.take(&*secret.metadata.name) {
                lane.fresh.remove(&name);
                self.changed |= lane.failing.remove(&name).is_some();
                fetched.push(lane.fetched(at, name, secret, false));
            }
        }
        if metadata.next.is_empty() || lane.waiting.is_empty() {
            lane.paged = Paged::No;
        } else {
            page(&mut self.tasks, &self.client, at, &lane.collection, &metadata.next);
        }
        fetched
    }
}

fn page(tasks: &mut JoinSet<Done>, client: &Client, at: usize, collection: &Collection, next: &str) {
    let (client, request) = (client.clone(), collection.whole_page(PAGE, next));
    tasks.spawn(async move { Done::Page(at, api::ask(&client, request, MAX_PAGE).await) });
}

impl Lane {
    fn fetched(&self, at: usize, name: Arc<str>, secret: WholeSecret, current: bool) -> Fetched {
        let version = secret.metadata.resource_version;
        let data = secret.data.unwrap_or_default();
        let data = data.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect();
        let content = Secret::from_base64(self.namespace.clone(), name.clone(), version.to_string(), data);
        Fetched { key: (at, name), version, content, current }
    }

    /// The namespace as a whole works; says whether it did not before.
    fn works(&mut self) -> bool {
        self.backoff.reset();
        self.trouble.take().is_some()
    }

    /// One Secret fails; says whether it did not, or not so, before.
    fn fails(&mut self, name: Arc<str>, failure: Failure) -> bool {
        let before = self.failing.remove(&name);
        let same = before.as_ref().is_some_and(|(before, _)| *before == failure);
        let mut backoff = before.map(|(_, backoff)| backoff).unwrap_or_default();
        self.later.insert(name.clone(), Instant::now() + backoff.next());
        self.failing.insert(name, (failure, backoff));
        !same
    }

    /// Nothing works for now; says whether that is to be told.
    fn pause(&mut self, failure: &Failure) -> bool {
        // Several requests fail together; they are one failure.
        if self.pause.is_some() {
            return false;
        }
        self.pause = Some(Instant::now() + self.backoff.next());
        // One lost connection is nothing to talk about.
        if matches!(failure, Failure::Away(_)) && self.backoff.failures() < 2 {
            return false;
        }
        let text = self.sentence(failure);
        let changed = self.trouble.as_ref() != Some(&text);
        self.trouble = Some(text);
        changed
    }

    fn sentence(&self, failure: &Failure) -> String {
        failure.sentence("get", &self.collection.what, &self.collection.remedy)
    }

    /// Lets those wait no longer whose time has come.
    fn wake(&mut self, now: Instant) {
        self.pause = self.pause.filter(|until| *until > now);
        let due = |at: &Instant| *at <= now;
        let names: Vec<Arc<str>> =
            self.later.iter().filter(|(_, at)| due(at)).map(|(name, _)| name.clone()).collect();
        self.later.retain(|_, at| !due(at));
        self.waiting.extend(names);
    }
}
