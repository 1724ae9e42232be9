//! Variants take turns under saturation; what counts is the ratio within a round.

use std::time::Duration;

use fairlead_testkit::{Error, Result, load::Load};

use crate::{options::Options, proc, row::say};

/// Connections of the load: enough that the worker always has a next request.
pub(crate) const CONNECTIONS: usize = 32;
/// Before a window counts.
const RUN_UP: Duration = Duration::from_millis(100);

/// Something that takes a turn.
pub(crate) struct Runner {
    pub(crate) name: String,
    pub(crate) load: Load,
    /// The Envoy that is asked.
    pub(crate) process: u32,
}

/// What a runner's turns gave, one value a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Laps {
    /// Microseconds of Envoy's CPU for a request.
    pub(crate) cost: Vec<f64>,
    /// Requests a second.
    pub(crate) rate: Vec<f64>,
}

impl Laps {
    /// Median cost, microseconds.
    pub(crate) fn cost(&self) -> f64 {
        median(&self.cost)
    }

    /// How many requests these runs do with the CPU that `other` needs for one: the median over rounds.
    pub(crate) fn against(&self, other: &Self) -> f64 {
        median(&other.cost.iter().zip(&self.cost).map(|(other, own)| other / own).collect::<Vec<_>>())
    }

    /// For the screen.
    pub(crate) fn shown(&self) -> String {
        format!("{:.1} µs, {:.0}/s", self.cost(), median(&self.rate))
    }
}

/// Lets all take turns, after one round that does not count; laps in the runners' order.
pub(crate) fn run(options: &Options, runners: &[Runner]) -> Result<Vec<Laps>> {
    let mut laps = vec![Laps::default(); runners.len()];
    for runner in runners {
        lap(runner, RUN_UP * 3)?;
    }
    for round in 0..options.rounds() {
        // Each round begins with another one, so that nobody always follows the same.
        let order = (0..runners.len()).cycle().skip(round).take(runners.len());
        for index in order {
            let (Some(runner), Some(laps)) = (runners.get(index), laps.get_mut(index)) else { continue };
            let (cost, rate) = lap(runner, options.window())?;
            laps.cost.push(cost);
            laps.rate.push(rate);
        }
    }
    for (runner, laps) in runners.iter().zip(&laps) {
        say(&format!("   {}: {}", runner.name, laps.shown()));
    }
    Ok(laps)
}

/// One turn: cost of a request in µs, and requests a second.
fn lap(runner: &Runner, window: Duration) -> Result<(f64, f64)> {
    let id = runner.process;
    let running = runner.load.background()?;
    std::thread::sleep(RUN_UP);
    let (begun, cpu, clock) = (running.begun(), proc::cpu(id)?, std::time::Instant::now());
    std::thread::sleep(window);
    let (requests, cpu, time) = (running.begun() - begun, proc::cpu(id)? - cpu, clock.elapsed());
    let report = running.stop()?;
    if report.failed() > 0 || report.statuses.keys().any(|status| *status != 200) {
        return Err(Error::new(format!(
            "{}: statuses {:?}, failures {:?}",
            runner.name, report.statuses, report.failures
        )));
    }
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let requests = requests.max(1) as f64;
    Ok((cpu.as_secs_f64() * 1e6 / requests, requests / time.as_secs_f64()))
}

/// The middle value; of an even number the mean of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(upper), 0) => sorted.get(middle - 1).map_or(*upper, |lower| f64::midpoint(*lower, *upper)),
        (Some(value), _) => *value,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_middle_values() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn half_the_cost_is_twice_as_good() {
        let laps = |cost: &[f64]| Laps { cost: cost.to_vec(), rate: vec![1.0] };
        assert!((laps(&[10.0, 11.0]).against(&laps(&[20.0, 22.0])) - 2.0).abs() < 1e-9);
    }
}
