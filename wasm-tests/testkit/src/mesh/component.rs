//! A process of the mesh that can be taken away and brought back.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Error, Result,
    process::{self, Process},
};

/// Until it is ready on a busy machine.
const READY: Duration = Duration::from_secs(60);

/// How it is started and when it is ready.
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(&'static str, OsString)>,
    pub(super) ready: Box<dyn Fn() -> Result + Send + Sync>,
}

/// A process of the mesh.
pub struct Component {
    plan: Plan,
    running: Mutex<Running>,
}

struct Running {
    process: Process,
    /// What earlier runs wrote.
    earlier: Vec<u8>,
}

impl Component {
    pub(super) fn start(plan: Plan) -> Result<Self> {
        let running = Mutex::new(Running { process: run(&plan)?, earlier: Vec::new() });
        let component = Self { plan, running };
        component.wait_ready()?;
        Ok(component)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.plan.name
    }

    /// Ends it without warning.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill(&self) -> Result {
        self.running().process.kill()
    }

    /// Starts it again, where it was, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready; with the end of its log.
    pub fn start_again(&self) -> Result {
        let mut running = self.running();
        running.process.kill()?;
        running.earlier = log(&running);
        running.process = run(&self.plan)?;
        drop(running);
        self.wait_ready()
    }

    /// Everything that it wrote, over all restarts.
    #[must_use]
    pub fn log(&self) -> Vec<u8> {
        log(&self.running())
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running().process.id()
    }

    /// Its exit status, if it ended.
    #[must_use]
    pub fn ended(&self) -> Option<std::process::ExitStatus> {
        self.running().process.ended()
    }

    /// Resident memory, bytes.
    ///
    /// # Errors
    /// It does not run.
    pub fn memory(&self) -> Result<u64> {
        process::usage(self.id()).map(|usage| usage.resident)
    }

    fn wait_ready(&self) -> Result {
        self.running()
            .process
            .wait_until(self.plan.name, READY, || (self.plan.ready)())
            .map_err(|error| Error::new(format!("{} is not ready: {error}", self.plan.name)))
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(plan: &Plan) -> Result<Process> {
    let environment: Vec<(&str, &OsStr)> =
        plan.environment.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
    Process::start(&plan.program, &plan.arguments, &environment)
}

fn log(running: &Running) -> Vec<u8> {
    let process = &running.process;
    [&running.earlier[..], &process.stdout().bytes(), &process.stderr().bytes()].concat()
}
