//! CPU time and memory of a process, from /proc.

use std::time::Duration;

use crate::{Error, Result, error::Doing as _};

/// What a process used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// Resident memory, bytes.
    pub resident: u64,
}

/// Reads `/proc/{id}` (proc_pid_stat(5), proc_pid_status(5)).
///
/// # Errors
/// There is no such process.
pub fn usage(id: u32) -> Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).doing(format!("no process {id}"))?;
    // The second field is the name in brackets and may hold anything; fields 14 and 15 are user and system ticks.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).doing(format!("no process {id}"))?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .ok_or_else(|| Error::new(format!("process {id} has no VmRSS")))?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Usage { cpu: Duration::from_millis(ticks * 1000 / per_second), resident: resident * 1024 })
}
