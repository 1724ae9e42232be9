//! Closed-loop load: each connection sends its next request when the last answer is complete.

mod client;
mod report;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub use report::Report;
use tokio::sync::watch;

use crate::{
    Error, Result,
    http::{Request, Tls},
    wait,
};

/// Judges an answer: status and body. A `false` is counted as a wrong answer.
pub type Judge = Arc<dyn Fn(u16, &[u8]) -> bool + Send + Sync>;

/// What to send, and how.
#[derive(Clone)]
pub struct Load {
    address: std::net::SocketAddr,
    tls: Option<Tls>,
    connections: usize,
    requests: Vec<Vec<u8>>,
    judge: Judge,
    rate: Option<u32>,
}

/// What all connections of a load share.
struct Shared {
    load: Load,
    stop: AtomicBool,
    next: AtomicU64,
    ended: AtomicU64,
    limit: u64,
    begin: Instant,
    /// Whether next requests are sent; false while paused.
    sends: watch::Sender<bool>,
}

impl Load {
    /// Load by `connections` keep-alive connections; each sends these requests in turn.
    #[must_use]
    pub fn new(address: std::net::SocketAddr, connections: usize, requests: &[Request]) -> Self {
        Self {
            address,
            tls: None,
            connections,
            requests: requests.iter().map(Request::bytes).collect(),
            judge: Arc::new(|_, _| true),
            rate: None,
        }
    }

    /// The same over TLS.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The same with every answer judged.
    #[must_use]
    pub fn judge(mut self, judge: impl Fn(u16, &[u8]) -> bool + Send + Sync + 'static) -> Self {
        self.judge = Arc::new(judge);
        self
    }

    /// The same with at most so many requests a second, evenly spread: load that leaves the machine some air.
    #[must_use]
    pub fn rate(mut self, per_second: u32) -> Self {
        self.rate = Some(per_second.max(1));
        self
    }

    /// Sends `count` requests.
    ///
    /// # Errors
    /// The generator itself cannot run; failed requests are in the report.
    pub fn run(&self, count: u64) -> Result<Report> {
        self.start(count)?.join()
    }

    /// Sends requests for `time`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_for(&self, time: Duration) -> Result<Report> {
        let running = self.start(u64::MAX)?;
        std::thread::sleep(time);
        running.stop()
    }

    /// Starts sending until [`Running::stop`].
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn background(&self) -> Result<Running> {
        self.start(u64::MAX)
    }

    fn start(&self, limit: u64) -> Result<Running> {
        if self.requests.is_empty() {
            return Err(Error::new("a load needs a request"));
        }
        let shared = Arc::new(Shared {
            load: self.clone(),
            stop: AtomicBool::new(false),
            next: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            limit,
            begin: Instant::now(),
            sends: watch::Sender::new(true),
        });
        let connector = self.tls.as_ref().map(|tls| client::connector(tls, self.address)).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || runtime.block_on(all(for_thread, connector)));
        Ok(Running { shared, thread })
    }
}

async fn all(shared: Arc<Shared>, connector: Option<client::Connector>) -> Report {
    let tasks: Vec<_> = (0..shared.load.connections)
        .map(|_| tokio::spawn(client::drive(Arc::clone(&shared), connector.clone())))
        .collect();
    let mut report = Report::default();
    for task in tasks {
        if let Ok(part) = task.await {
            report.add(part);
        }
    }
    report.finish(shared.begin.elapsed());
    report
}

impl Shared {
    /// The next request's bytes, when it is time for it; none when it is time to end.
    async fn request(&self) -> Option<&[u8]> {
        if !*self.sends.borrow() {
            let _ = self.sends.subscribe().wait_for(|sends| *sends).await;
        }
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.limit {
            return None;
        }
        if let Some(rate) = self.load.rate {
            let due = Duration::from_micros(number * 1_000_000 / u64::from(rate));
            tokio::time::sleep(due.saturating_sub(self.begin.elapsed())).await;
        }
        let index = usize::try_from(number % self.load.requests.len().max(1) as u64).unwrap_or(0);
        self.load.requests.get(index).map(Vec::as_slice)
    }

    /// What [`request`](Self::request) gave was answered, or failed.
    fn request_ended(&self) {
        self.ended.fetch_add(1, Ordering::Release);
    }
}

/// A load that is running.
pub struct Running {
    shared: Arc<Shared>,
    thread: JoinHandle<Report>,
}

impl Running {
    /// Requests begun so far.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.shared.next.load(Ordering::Relaxed)
    }

    /// Requests that ended so far, with an answer or without.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Sends nothing more until [`resume`](Self::resume), and waits for the answers that are under way. Connections
    /// stay open.
    ///
    /// # Errors
    /// They do not come within [`wait::START`].
    pub fn pause(&self) -> Result {
        self.shared.sends.send_replace(false);
        let all = || (self.ended() == self.begun()).then_some(());
        wait::until("the answers under way", wait::START, all)
    }

    /// Goes on sending.
    pub fn resume(&self) {
        self.shared.sends.send_replace(true);
    }

    /// Ends it after the answers that are under way.
    ///
    /// # Errors
    /// The generator itself failed.
    pub fn stop(self) -> Result<Report> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.resume();
        self.join()
    }

    fn join(self) -> Result<Report> {
        self.thread.join().map_err(|_| Error::new("the load generator failed"))
    }
}
