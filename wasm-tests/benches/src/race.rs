//! Variants take turns under saturation; what counts is the ratio within a round.
//!
//! Each variant keeps its connections open and sends in its turns only. CPU time is the worker thread's own (and that of
//! a service that it asks for each request), read while it sleeps before and after a turn: whatever else runs on the machine is not in it, and the requests counted
//! are exactly those that it worked on. What remains of a disturbed machine (caches, the clock of the core) changes
//! slowly against a turn, and hits neighbours alike.

use std::time::Duration;

use fairlead_testkit::{
    Error, Result,
    load::{Load, Running},
    wait,
};

use crate::{
    options::Options,
    proc::Thread,
    row::say,
    spread::{Spread, median},
};

/// Connections of the load: enough that the worker always has a next request.
pub(crate) const CONNECTIONS: usize = 32;

/// Something that takes a turn.
pub(crate) struct Runner {
    pub(crate) name: String,
    pub(crate) load: Load,
    /// How many requests it sends by turns.
    pub(crate) different: u64,
    /// Whose CPU a request costs: the worker that is asked, and what it asks in turn.
    pub(crate) threads: Vec<Thread>,
}

/// What a runner's turns gave, one value a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Laps {
    /// Microseconds of CPU for a request.
    cost: Vec<f64>,
    /// Requests a second.
    rate: Vec<f64>,
}

impl Laps {
    /// Cost of a request, microseconds.
    pub(crate) fn cost(&self) -> Spread {
        Spread::of(self.cost.iter().copied())
    }

    /// How many requests these runs do with the CPU that `other` needs for one; compared round by round.
    pub(crate) fn against(&self, other: &Self) -> Spread {
        Spread::of(other.cost.iter().zip(&self.cost).map(|(other, own)| other / own))
    }

    /// How many microseconds more than `other`'s a request of these costs; compared round by round.
    pub(crate) fn above(&self, other: &Self) -> Spread {
        Spread::of(self.cost.iter().zip(&other.cost).map(|(own, other)| own - other))
    }

    /// Cost of a request against that of one of each of the others together; compared round by round.
    pub(crate) fn of_both(&self, one: &Self, other: &Self) -> Spread {
        let sums = one.cost.iter().zip(&other.cost).map(|(one, other)| one + other);
        Spread::of(self.cost.iter().zip(sums).map(|(own, sum)| own / sum))
    }

    /// For the screen.
    pub(crate) fn shown(&self) -> String {
        format!("{:.1} µs, {:.0}/s", self.cost(), median(self.rate.iter().copied()))
    }
}

/// Lets all take turns, after one round that does not count; laps in the runners' order.
pub(crate) fn run(options: &Options, runners: &[Runner]) -> Result<Vec<Laps>> {
    let mut started = Vec::new();
    for runner in runners {
        let load = runner.load.background()?;
        std::thread::sleep(options.window());
        // The first request to each Application is another matter (`first-call`), however slow the machine.
        let all = || (load.ended() >= runner.different).then_some(());
        wait::until(&format!("a first turn of {}", runner.name), wait::START, all)?;
        load.pause()?;
        started.push(load);
    }
    let mut laps = vec![Laps::default(); runners.len()];
    for round in 0..options.rounds() {
        // Each round begins with another one, so that nobody always follows the same.
        let order = (0..runners.len()).cycle().skip(round).take(runners.len());
        for index in order {
            let (Some(runner), Some(load)) = (runners.get(index), started.get(index)) else { continue };
            let (cost, rate) = lap(&runner.threads, load, options)?;
            if let Some(laps) = laps.get_mut(index) {
                laps.cost.push(cost);
                laps.rate.push(rate);
            }
        }
    }
    for (runner, load) in runners.iter().zip(started) {
        let report = load.stop()?;
        if report.failed() > 0 || report.statuses.keys().any(|status| *status != 200) {
            return Err(Error::new(format!(
                "{}: statuses {:?}, failures {:?}",
                runner.name, report.statuses, report.failures
            )));
        }
    }
    for (runner, laps) in runners.iter().zip(&laps) {
        say(&format!("   {}: {}", runner.name, laps.shown()));
    }
    Ok(laps)
}

/// One turn: cost of a request in µs, and requests a second.
fn lap(threads: &[Thread], load: &Running, options: &Options) -> Result<(f64, f64)> {
    let cpu = || threads.iter().map(Thread::cpu).sum::<Duration>();
    let (ended, before, clock) = (load.ended(), cpu(), std::time::Instant::now());
    load.resume();
    std::thread::sleep(options.window());
    load.pause()?;
    let (time, cpu) = (clock.elapsed(), cpu().saturating_sub(before));
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let requests = load.ended().saturating_sub(ended).max(1) as f64;
    Ok((cpu.as_secs_f64() * 1e6 / requests, requests / time.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laps(cost: &[f64]) -> Laps {
        Laps { cost: cost.to_vec(), rate: vec![1.0] }
    }

    #[test]
    fn half_the_cost_is_twice_as_good() {
        let (cheap, dear) = (laps(&[10.0, 11.0]), laps(&[20.0, 22.0]));
        assert!((cheap.against(&dear).median - 2.0).abs() < 1e-9);
        assert!((dear.above(&cheap).median - 10.5).abs() < 1e-9);
    }
}
