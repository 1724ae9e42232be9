//! What a load saw.

use std::{collections::BTreeMap, time::Duration};

/// Results of a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Complete answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers that the judge refused.
    pub wrong: u64,
    /// The first refused answers, for messages.
    pub examples: Vec<String>,
    /// Requests without a complete answer: what happened, how often. A connection that ended between two answers
    /// without `Connection: close` counts too.
    pub failures: BTreeMap<String, u64>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Microseconds of each answer; sorted when finished.
    latencies: Vec<u32>,
}

/// How many refused answers are kept.
const EXAMPLES: usize = 5;

impl Report {
    /// Complete answers.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Requests without a complete answer.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Complete answers a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let answers = self.answers() as f64;
        answers / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The latency that `part` (0 to 1) of the answers did not exceed.
    #[must_use]
    pub fn percentile(&self, part: f64) -> Duration {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index between 0 and the count"
        )]
        let index = (self.latencies.len().saturating_sub(1) as f64 * part.clamp(0.0, 1.0)).round() as usize;
        Duration::from_micros(self.latencies.get(index).copied().unwrap_or(0).into())
    }

    pub(super) fn answer(&mut self, status: u16, latency: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    pub(super) fn wrong(&mut self, status: u16, body: &[u8]) {
        self.wrong += 1;
        if self.examples.len() < EXAMPLES {
            let shown = body.get(..body.len().min(200)).unwrap_or_default().escape_ascii();
            self.examples.push(format!("{status} {shown}"));
        }
    }

    pub(super) fn failure(&mut self, what: &str) {
        *self.failures.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (what, count) in other.failures {
            *self.failures.entry(what).or_default() += count;
        }
        self.wrong += other.wrong;
        self.examples.extend(other.examples);
        self.examples.truncate(EXAMPLES);
        self.latencies.extend(other.latencies);
    }

    pub(super) fn finish(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
        self.latencies.sort_unstable();
    }
}
