//! A process of the mesh that can be taken away and brought back.

use std::{
    process::ExitStatus,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{pod::Pod, process_tree};
use crate::{
    Error, Result,
    error::Doing as _,
    process::{self, Process},
    wait,
};

/// Until it is ready on a busy machine.
const READY: Duration = Duration::from_secs(60);

/// So much of a log goes into an error.
const LAST_LINES: usize = 20;

type Start = Box<dyn Fn() -> Result<Process> + Send + Sync>;
type Ready = Box<dyn Fn() -> Result + Send + Sync>;

/// A process of the mesh, alone or the first in a pod. Dropping ends it.
pub struct Component {
    name: String,
    start: Start,
    ready: Ready,
    /// What was started is only the shell around the program.
    in_pod: bool,
    running: Mutex<Running>,
}

struct Running {
    process: Process,
    /// What earlier runs wrote.
    earlier: Vec<u8>,
}

impl Component {
    /// Starts a process and waits until `ready` is content.
    ///
    /// # Errors
    /// It does not become ready; with the end of its log.
    pub(super) fn start(
        name: &str,
        start: impl Fn() -> Result<Process> + Send + Sync + 'static,
        ready: impl Fn() -> Result + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::new(name, false, Box::new(start), Box::new(ready))
    }

    /// Starts a program in a pod (`start` gives what [`Pod::start`] gives) and waits until `ready` is content.
    ///
    /// # Errors
    /// It does not become ready; with the end of its log.
    pub fn start_in_pod(
        pod: &Pod,
        start: impl Fn() -> Result<Process> + Send + Sync + 'static,
        ready: impl Fn() -> Result + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::new(pod.name(), true, Box::new(start), Box::new(ready))
    }

    fn new(name: &str, in_pod: bool, start: Start, ready: Ready) -> Result<Self> {
        let running = Mutex::new(Running { process: start()?, earlier: Vec::new() });
        let component = Self { name: name.to_owned(), start, ready, in_pod, running };
        component.wait_ready()?;
        Ok(component)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends it without warning.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill(&self) -> Result {
        self.running().process.kill()
    }

    /// Asks it to end (`SIGTERM`) and waits.
    ///
    /// # Errors
    /// It has not ended after `limit`.
    pub fn stop(&self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        wait::until(&format!("the end of {}", self.name), limit, || self.ended())
    }

    /// Stops it without ending it: its connections stay open, and it answers nobody until [`thaw`](Self::thaw).
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&self) -> Result {
        self.signal(Signal::STOP)
    }

    /// Lets it go on where it was.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&self) -> Result {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result {
        let id = i32::try_from(self.id()?).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| Error::new("no process id"))?;
        kill_process(id, signal).doing(format!("cannot signal {}", self.name))
    }

    /// Starts it again, where it was, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready; with the end of its log.
    pub fn start_again(&self) -> Result {
        self.start_unready()?;
        self.wait_ready()
    }

    /// Starts it again without waiting, for a process that cannot become ready yet.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_unready(&self) -> Result {
        let mut running = self.running();
        running.process.kill()?;
        running.earlier = log(&running);
        running.process = (self.start)()?;
        Ok(())
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready; with the end of its log.
    pub fn wait_ready(&self) -> Result {
        let mut running = self.running();
        let ready = running.process.wait_until("it to be ready", READY, || (self.ready)());
        ready.map_err(|error| {
            // Most of these programs log to their standard output, which the error does not have.
            let output = running.process.stdout().text();
            let lines: Vec<&str> = output.lines().rev().take(LAST_LINES).collect();
            let lines: Vec<&str> = lines.into_iter().rev().collect();
            Error::new(format!("{} is not ready: {error}\n{}", self.name, lines.join("\n")))
        })
    }

    /// Everything that it wrote, over all restarts.
    #[must_use]
    pub fn log(&self) -> Vec<u8> {
        log(&self.running())
    }

    /// Process id.
    ///
    /// # Errors
    /// It does not run.
    pub fn id(&self) -> Result<u32> {
        let shell = self.running().process.id();
        if !self.in_pod {
            return Ok(shell);
        }
        let first = process_tree::below(shell)?.into_iter().next();
        first.map(|(id, _)| id).ok_or_else(|| Error::new(format!("{} does not run", self.name)))
    }

    /// Ids and names of the process and of all below it.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn processes(&self) -> Result<Vec<(u32, String)>> {
        let shell = self.running().process.id();
        let mut all = process_tree::below(shell)?;
        if !self.in_pod {
            all.insert(0, (shell, self.name.clone()));
        }
        Ok(all)
    }

    /// Its exit status, if it ended.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        self.running().process.ended()
    }

    /// Resident memory, bytes.
    ///
    /// # Errors
    /// It does not run.
    pub fn memory(&self) -> Result<u64> {
        process::usage(self.id()?).map(|usage| usage.resident)
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(running: &Running) -> Vec<u8> {
    let process = &running.process;
    [&running.earlier[..], &process.stdout().bytes(), &process.stderr().bytes()].concat()
}
