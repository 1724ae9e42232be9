//! A relay between plugins and their control plane that lets one page pass at a time.
//!
//! A page is over when the VM that got it asks again; requests say which VM they are of ([`crate::feed::vm`]). Other
//! answers pass at once.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fairlead_testkit::{Result, wait};

use crate::{feed, proc::Thread};

/// Until the next request follows a page; a VM that is gone does not ask again.
const TURN: Duration = Duration::from_secs(5);
/// Until all VMs have listed everything, page by page, on a machine that does something else too.
const LIMIT: Duration = Duration::from_secs(120);

/// An answer that is a page, and what it cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Hashes to compare; records otherwise.
    pub(super) hashes: bool,
    pub(super) bytes: usize,
    /// What the watched thread took.
    pub(super) cpu: Duration,
}

/// The running relay. It ends with the process.
pub(super) struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    watched: Option<Thread>,
    passing: Option<Passing>,
    pages: Vec<Page>,
    /// Listings that ended: a poll came where a page had gone.
    synced: usize,
}

/// A page that is on its way, or being worked on.
struct Passing {
    vm: String,
    /// Without its cost.
    page: Page,
    before: Duration,
}

impl Relay {
    /// Begins to relay to `port`.
    pub(super) fn start(upstream: u16) -> Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = socket.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let shared = Arc::clone(&for_thread);
                std::thread::spawn(move || relay(stream, upstream, &shared));
            }
        });
        Ok(Self { port, shared })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Counts the CPU time of this thread from now on.
    pub(super) fn watch(&self, thread: Thread) {
        self.shared.lock().watched = Some(thread);
    }

    /// Waits until so many listings have ended since the start; the pages since the last call.
    pub(super) fn until_synced(&self, count: usize) -> Result<Vec<Page>> {
        wait::until("all VMs to have their views", LIMIT, || {
            let mut state = self.shared.lock();
            (state.synced >= count).then(|| std::mem::take(&mut state.pages))
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come: its VM is done with the page before.
    fn request(&self, vm: &str, poll: bool) {
        let watched = {
            let state = self.lock();
            if state.passing.as_ref().is_none_or(|passing| passing.vm != vm) {
                return;
            }
            state.watched.clone()
        };
        let now = watched.as_ref().map(Thread::cpu).unwrap_or_default();
        let mut state = self.lock();
        if let Some(Passing { page, before, .. }) = state.passing.take_if(|passing| passing.vm == vm) {
            state.pages.push(Page { cpu: now.saturating_sub(before), ..page });
            state.synced += usize::from(poll);
        }
        self.changed.notify_all();
    }

    /// Waits for its turn to let a page pass.
    fn page(&self, vm: String, page: Page) {
        let state = self.lock();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, TURN, |state| state.passing.is_some())
            .unwrap_or_else(PoisonError::into_inner);
        let before = state.watched.as_ref().map(Thread::cpu).unwrap_or_default();
        state.passing = Some(Passing { vm, page, before });
    }
}

/// One connection, until one side ends it.
fn relay(mut plugin: TcpStream, upstream: u16, shared: &Shared) {
    let Ok(mut control) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)) else { return };
    let (mut from_plugin, mut from_control) = (Vec::new(), Vec::new());
    while let Some(request) = message(&mut plugin, &mut from_plugin) {
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        let hashes = line.contains("/hashes");
        let page = hashes || line.contains("/records");
        let vm = feed::vm(&line);
        if let Some(vm) = &vm {
            shared.request(vm, !page);
        }
        if control.write_all(&request).is_err() {
            return;
        }
        let Some(answer) = message(&mut control, &mut from_control) else { return };
        if let Some(vm) = vm.filter(|_| page) {
            shared.page(vm, Page { hashes, bytes: answer.len(), cpu: Duration::ZERO });
        }
        if plugin.write_all(&answer).is_err() {
            return;
        }
    }
}

/// The next message: head, and a body if a length is given.
fn message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(buffer.get(..end)?).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let all = end + 4 + length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if buffer.len() >= all {
                return Some(buffer.drain(..all).collect());
            }
        }
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(chunk.get(..read)?);
    }
}
