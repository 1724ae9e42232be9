//! The directory store: a tree of YAML manifests, followed by file events.
//!
//! A file counts when it is closed after writing, moved here, or removed; never while somebody writes to it. To be sure
//! of that, what was read is used only after a barrier (see `watch`) has shown that no write began before the reading.
//! Changes are gathered for a few milliseconds. One thread does all of this; `catalog` decides what became different.

mod catalog;
mod document;
mod reader;
mod scan;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::mpsc::{self as notices, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use fairlead_resources::ObjectRef;
use tokio::sync::mpsc;

use self::{
    catalog::{Catalog, Update},
    scan::Read,
    watch::{Notice, Watch},
};
use super::{Batch, Event, Store, StoreError, StoreProblem};
use crate::config::StoreConfig;

/// How long a barrier may take before what was read is used all the same: events are late then, not lost.
const BARRIER: Duration = Duration::from_secs(1);
/// An emptied file is looked at again after this time: an editor may be between truncating and writing.
const EMPTY: Duration = Duration::from_millis(100);
/// How many files are read at a time, so that not all texts are in memory at once.
const PIECE: usize = 256;
/// How often the thread looks whether anybody still listens.
const IDLE: Duration = Duration::from_secs(1);

/// A directory of manifests.
pub struct DirectoryStore {
    directory: PathBuf,
    barriers: PathBuf,
    limits: StoreConfig,
}

impl DirectoryStore {
    /// Reads `directory`; `barriers` is a directory of our own outside of it, made when absent.
    #[must_use]
    pub fn new(directory: PathBuf, barriers: PathBuf, limits: StoreConfig) -> Self {
        Self { directory, barriers, limits }
    }
}

impl Store for DirectoryStore {
    fn watch(self) -> Result<mpsc::Receiver<Batch>, StoreError> {
        let failed = |path: &Path, reason: String| StoreError {
            what: format!("cannot read {}", path.display()),
            reason,
        };
        if !self.directory.is_dir() {
            let reason = "it is no directory; make it, or name another in `resources`".to_owned();
            return Err(failed(&self.directory, reason));
        }
        std::fs::create_dir_all(&self.barriers).map_err(|e| failed(&self.barriers, e.to_string()))?;
        // Events carry absolute paths without links.
        let directory = self.directory.canonicalize().map_err(|e| failed(&self.directory, e.to_string()))?;
        let barriers = self.barriers.canonicalize().map_err(|e| failed(&self.barriers, e.to_string()))?;
        let (announce, noticed) = notices::channel();
        let watch = Watch::start(&directory, &barriers, announce)?;
        // One that is taken and one that waits: more would only keep memory.
        let (batches, receiver) = mpsc::channel(1);
        let max = usize::try_from(self.limits.max_documents).unwrap_or(usize::MAX);
        let follower = Follower {
            directory,
            limits: self.limits,
            catalog: Catalog::new(max),
            watch,
            noticed,
            writing: HashSet::new(),
            pending: BTreeSet::new(),
            touched: HashSet::new(),
            again: BTreeMap::new(),
            told: Vec::new(),
            left_out: 0,
        };
        thread::Builder::new()
            .name("directory".to_owned())
            .spawn(move || follower.run(&batches))
            .map_err(|e| failed(&self.directory, e.to_string()))?;
        Ok(receiver)
    }
}

struct Follower {
    directory: PathBuf,
    limits: StoreConfig,
    catalog: Catalog,
    watch: Watch,
    noticed: notices::Receiver<Notice>,
    /// Files that somebody has not closed yet.
    writing: HashSet<PathBuf>,
    /// Files and directories to look at.
    pending: BTreeSet<PathBuf>,
    /// Files about which a notice came since the last look began: what was read of them may be half of it.
    touched: HashSet<PathBuf>,
    /// Files that took objects over from others, and have to tell them although their text is known.
    again: BTreeMap<PathBuf, HashSet<ObjectRef>>,
    /// Problems of the last batch.
    told: Vec<StoreProblem>,
    /// Files that the bounds leave out.
    left_out: usize,
}

impl Follower {
    fn run(mut self, batches: &mpsc::Sender<Batch>) {
        self.pending.insert(self.directory.clone());
        let mut first = true;
        while !batches.is_closed() {
            if !first && !self.wait() {
                continue;
            }
            let seen = Instant::now();
            if !first {
                self.gather(self.limits.debounce.get());
            }
            let mut events = Vec::new();
            self.look(&mut |follower, found| {
                events.extend(found);
                // Nothing is in force yet, so that the pieces of the first look need not come together.
                if first {
                    let (events, objects) = (std::mem::take(&mut events), follower.catalog.len());
                    // If nobody listens, the last piece tells.
                    let _ =
                        batches.blocking_send(Batch { events, more: true, objects, problems: None, seen });
                }
            });
            while !self.again.is_empty() && self.ready() {
                self.look(&mut |_, found| events.extend(found));
            }
            let problems = self.problems();
            if first || !events.is_empty() || problems.is_some() {
                let objects = self.catalog.len();
                tracing::debug!(events = events.len(), objects, "files changed");
                if batches.blocking_send(Batch { events, more: false, objects, problems, seen }).is_err() {
                    return;
                }
            }
            first = false;
        }
    }

    /// Waits for something to look at; false: nothing came for a while.
    fn wait(&mut self) -> bool {
        while !self.ready() {
            match self.noticed.recv_timeout(IDLE) {
                Ok(notice) => self.note(notice),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    fn ready(&self) -> bool {
        self.pending.iter().any(|path| !self.writing.contains(path))
    }

    /// Takes notices for as long as `time`.
    fn gather(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Ok(notice) = self.noticed.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.note(notice);
        }
    }

    /// Takes notices until one is about `path`, for at most `time`. The kernel tells of a truncation only after readers
    /// can see it.
    fn await_notice(&mut self, path: &Path, time: Duration) {
        let until = Instant::now() + time;
        while !self.touched.contains(path)
            && let Ok(notice) = self.noticed.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.note(notice);
        }
    }

    /// Notes what a notice says for later.
    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::Writing(path) => {
                self.touched.insert(path.clone());
                self.writing.insert(path);
            }
            Notice::Written(path) | Notice::Gone(path) => {
                self.touched.insert(path.clone());
                self.writing.remove(&path);
                self.pending.insert(path);
            }
            Notice::Look(path) => {
                self.pending.insert(path);
            }
            Notice::Lost => {
                // Which files are being written is unknown now; the barrier still catches writes that begin.
                self.writing.clear();
                self.pending.insert(self.directory.clone());
            }
            Notice::Barrier(_) => {}
        }
    }

    /// Takes notices until everything that happened before this call has been noticed.
    fn barrier(&mut self) {
        let Ok(number) = self.watch.barrier() else { return };
        let until = Instant::now() + BARRIER;
        while let Ok(notice) = self.noticed.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if matches!(notice, Notice::Barrier(reached) if reached == number) {
                return;
            }
            self.note(notice);
        }
    }

    /// Looks at all that is pending and not being written, and tells what that means piece by piece.
    fn look(&mut self, tell: &mut dyn FnMut(&Self, Vec<Event>)) {
        let (now, later) =
            std::mem::take(&mut self.pending).into_iter().partition(|p| !self.writing.contains(p));
        self.pending = later;
        let mut files = self.files(now).into_iter().peekable();
        while files.peek().is_some() {
            let events = self.piece(files.by_ref().take(PIECE));
            tell(self, events);
        }
    }

    /// Reads some files.
    fn piece(&mut self, files: impl Iterator<Item = PathBuf>) -> Vec<Event> {
        self.touched.clear();
        let mut read = BTreeMap::new();
        for path in files {
            let mut got = scan::read(&path, self.limits.max_file_bytes);
            let empty = matches!(&got, Read::Content(content) if content.text.trim().is_empty());
            if empty && self.catalog.defines(&self.relative(&path)) {
                self.await_notice(&path, EMPTY);
                got = scan::read(&path, self.limits.max_file_bytes);
            }
            read.insert(path, got);
        }
        self.barrier();
        let mut events = Vec::new();
        for (path, got) in read {
            // Whoever touched it will close it, or has closed it: then it is pending.
            if !self.touched.contains(&path) && !self.writing.contains(&path) {
                self.take(&path, got, &mut events);
            }
        }
        events
    }

    /// The files that `paths` mean: themselves, what is below, and what was below and is gone.
    fn files(&mut self, paths: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        for path in paths {
            // A link in the manner of `..data` stands for what other links point to.
            let link = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
            let path = if link { self.directory.clone() } else { path };
            if self.relative(&path).split('/').any(|part| part.starts_with('.')) {
                continue;
            }
            if scan::is_manifest(&path) && !path.is_dir() {
                files.insert(path);
                continue;
            }
            if path.is_dir() {
                // Only now the watcher certainly follows a new directory.
                self.barrier();
            }
            let below = self.relative(&path);
            let known = self.catalog.paths().filter(|known| {
                below.is_empty() || known.strip_prefix(&*below).is_some_and(|rest| rest.starts_with('/'))
            });
            files.extend(known.map(|known| self.directory.join(known)));
            let (found, left_out) = scan::find(&path, &self.limits);
            files.extend(found);
            if path == self.directory {
                self.left_out = left_out;
            }
        }
        files
    }

    fn take(&mut self, path: &Path, got: Read, events: &mut Vec<Event>) {
        let name = self.relative(path);
        let update = match got {
            Read::Content(content) => {
                let again = self.again.remove(path).unwrap_or_default();
                self.catalog.set(&name, &content, &again)
            }
            Read::Gone => {
                self.again.remove(path);
                self.catalog.remove(&name)
            }
            Read::Moving => {
                self.pending.insert(path.to_owned());
                return;
            }
            Read::Failed(reason) => {
                self.again.remove(path);
                self.catalog.unreadable(&name, &reason);
                return;
            }
        };
        let Update { events: new, handed_over } = update;
        events.extend(new);
        for (other, objects) in handed_over {
            let path = self.directory.join(&*other);
            self.pending.insert(path.clone());
            self.again.entry(path).or_default().extend(objects);
        }
    }

    /// Path below the directory, with `/`; empty for the directory itself.
    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.directory).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// All problems, if they are others than those of the last batch.
    fn problems(&mut self) -> Option<Vec<StoreProblem>> {
        let mut problems = self.catalog.problems();
        if self.left_out > 0 {
            problems.push(StoreProblem {
                file: self.directory.display().to_string(),
                document: None,
                field: String::new(),
                reason: format!(
                    "{} files or directories are not read (store.maxFiles, store.maxDepth)",
                    self.left_out
                ),
            });
        }
        if problems == self.told {
            return None;
        }
        self.told.clone_from(&problems);
        Some(problems)
    }
}
