//! How long to wait before the next try.

use std::time::Duration;

use rand::RngExt;

/// The first wait.
const SHORTEST: Duration = Duration::from_millis(200);
/// Waits grow to this. Short enough to be back soon, long enough that many replicas are no load.
const LONGEST: Duration = Duration::from_secs(15);

/// Waits that double; each is shortened by up to a half at random, so that replicas do not come all at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let wait = SHORTEST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        wait.mul_f64(rand::rng().random_range(0.5..1.0))
    }

    /// How many failures there were in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_success() {
        let mut backoff = Backoff::default();
        assert!(backoff.next() <= SHORTEST);
        let waits: Vec<Duration> = (0..100).map(|_| backoff.next()).collect();
        assert!(waits.iter().all(|wait| *wait >= SHORTEST && *wait <= LONGEST), "{waits:?}");
        assert!(waits[50..].iter().all(|wait| *wait >= LONGEST / 2), "{waits:?}");
        assert!(waits[50..].iter().any(|wait| *wait != waits[50]), "they differ");
        assert_eq!(backoff.failures(), 101);
        backoff.reset();
        assert!(backoff.next() <= SHORTEST);
    }
}
