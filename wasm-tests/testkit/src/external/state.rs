//! What the double's connections share.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use super::{
    csrf::Sessions,
    gate::Gates,
    record::Recorded,
    running::{Ends, Running},
    settings::Settings,
    token::Tokens,
};

/// How often a guarded path let a request through, and how often not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Requests that were executed.
    pub executed: u64,
    /// Requests that were refused with 401 or 403.
    pub rejected: u64,
}

/// Shared by all listeners.
#[derive(Default)]
pub struct State {
    settings: RwLock<Arc<Settings>>,
    recorded: Mutex<VecDeque<Recorded>>,
    last_id: AtomicU64,
    connections: AtomicU64,
    /// Tokens that were issued.
    pub tokens: Tokens,
    /// CSRF sessions that were issued.
    pub csrf: Sessions,
    /// What answers wait at.
    pub gates: Gates,
    ends: Arc<Ends>,
    judged: Mutex<BTreeMap<String, Judged>>,
    queries: Mutex<BTreeMap<String, u64>>,
}

impl State {
    /// With these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self { settings: RwLock::new(Arc::new(settings)), ..Self::default() })
    }

    /// Settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other settings in force.
    pub fn set(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// The number of a new connection.
    pub fn connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Keeps a request, if recording is on, and gives it its id.
    pub fn record(&self, request: &mut Recorded) {
        let settings = self.settings();
        if !settings.record {
            return;
        }
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        request.id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        recorded.push_back(request.clone());
        while recorded.len() > settings.keep {
            recorded.pop_front();
        }
    }

    /// Recorded requests that `wanted` says yes to, oldest first.
    pub fn recorded(&self, wanted: impl Fn(&Recorded) -> bool) -> Vec<Recorded> {
        let recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.iter().filter(|request| wanted(request)).cloned().collect()
    }

    /// Forgets all recorded requests.
    pub fn clear(&self) {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Follows the answer to a recorded request.
    pub fn run(&self, request: &Recorded) -> Running {
        if request.id == 0 { Running::default() } else { self.ends.begin(request.id) }
    }

    /// How answers ended.
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Counts a request to a guarded path.
    pub fn judge(&self, request: &Recorded, let_through: bool) {
        let path = String::from_utf8_lossy(request.path()).into_owned();
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = judged.entry(path).or_default();
        *if let_through { &mut counts.executed } else { &mut counts.rejected } += 1;
    }

    /// Requests to guarded paths so far, by path.
    pub fn judged(&self) -> BTreeMap<String, Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a DNS question.
    pub fn asked(&self, name: &str) {
        *self.queries.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default() += 1;
    }

    /// DNS questions so far, by name.
    pub fn queries(&self) -> BTreeMap<String, u64> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
