//! Cores, CPU time and memory of processes.

use std::time::Duration;

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

/// CPU time of all threads of a process, to the nanosecond (proc_pid_schedstat(5): the first field).
pub(crate) fn cpu(process: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for thread in threads(process)? {
        let Ok(line) = std::fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat")) else {
            continue;
        };
        nanoseconds +=
            line.split_whitespace().next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory, MiB.
pub(crate) fn resident_mib(process: u32) -> Result<f64> {
    let bytes = process::usage(process)?.resident;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(bytes as f64 / f64::from(1024 * 1024))
}

fn threads(process: u32) -> Result<Vec<u32>> {
    let entries =
        std::fs::read_dir(format!("/proc/{process}/task")).doing(format!("no process {process}"))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}
