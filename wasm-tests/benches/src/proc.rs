//! Cores, CPU time and memory of processes.

use std::{path::PathBuf, time::Duration};

use fairlead_testkit::{Error, Result, error::Doing as _, process};
use rustix::{
    process::Pid,
    thread::{CpuSet, sched_setaffinity},
};

/// The core of the Envoy under test.
pub(crate) const ENVOY: usize = 0;
/// The core of load, targets and everything else, where there are two.
pub(crate) const OTHERS: usize = 1;

/// Binds all threads of a process, and those that they will start, to one core.
pub(crate) fn pin(process: u32, core: usize) -> Result {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut set = CpuSet::new();
    // This very process may be bound to one core already: two are there if this is asked for the second.
    set.set(if cores == 1 && core != OTHERS { 0 } else { core });
    for thread in threads(process)? {
        let id = i32::try_from(thread).ok().and_then(Pid::from_raw);
        let id = id.ok_or_else(|| Error::new("no thread id"))?;
        // A thread that has ended meanwhile needs no core.
        let _ = sched_setaffinity(Some(id), &set);
    }
    Ok(())
}

/// A thread whose CPU time is what counts: neither other threads nor the rest of the machine are in it.
#[derive(Clone, Debug)]
pub(crate) struct Thread(PathBuf);

impl Thread {
    /// The first worker of an Envoy.
    pub(crate) fn worker(process: u32) -> Result<Self> {
        Self::named(process, "wrk:worker_0")
    }

    /// The one that runs this.
    pub(crate) fn current() -> Self {
        Self(directory(std::process::id(), rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()))
    }

    /// The one of this name, of at most 15 letters.
    pub(crate) fn named(process: u32, name: &str) -> Result<Self> {
        let found = threads(process)?.into_iter().map(|thread| directory(process, thread)).find(|thread| {
            std::fs::read_to_string(thread.join("comm")).is_ok_and(|found| found.trim_end() == name)
        });
        found.map(Self).ok_or_else(|| Error::new(format!("no thread {name} in process {process}")))
    }

    /// The main thread of an Envoy: it resolves names, and makes clusters.
    pub(crate) fn main(process: u32) -> Result<Self> {
        let thread = directory(process, process);
        if thread.exists() { Ok(Self(thread)) } else { Err(Error::new(format!("no process {process}"))) }
    }

    /// Its CPU time so far, to the nanosecond (`schedstat`, first field). Waits until it sleeps: of a running thread
    /// the kernel knows the time of the last tick only.
    pub(crate) fn cpu(&self) -> Duration {
        loop {
            let read = |file: &str| std::fs::read_to_string(self.0.join(file)).unwrap_or_default();
            let stat = read("stat");
            // The state follows the name, which is in brackets; a thread that is gone has none.
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).unwrap_or('S');
            let time = read("schedstat").split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0);
            if state == 'S' {
                return Duration::from_nanos(time);
            }
            std::thread::yield_now();
        }
    }
}

/// Resident memory, MiB.
pub(crate) fn resident_mib(process: u32) -> Result<f64> {
    let bytes = process::usage(process)?.resident;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(bytes as f64 / f64::from(1024 * 1024))
}

fn directory(process: u32, thread: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{process}/task/{thread}"))
}

fn threads(process: u32) -> Result<Vec<u32>> {
    let entries =
        std::fs::read_dir(format!("/proc/{process}/task")).doing(format!("no process {process}"))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}
