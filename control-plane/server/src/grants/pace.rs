//! How often one grant is tried: the first few failures in a row cost nothing, then each doubles the wait until the next
//! try, so that callers cannot make the broker hammer an endpoint. Who asks meanwhile gets the last failure again.

use std::time::Duration;

use fairlead_wire::Refusal;
use rand::RngExt;
use tokio::time::Instant;

use super::failure::seconds;
use crate::config::GrantsConfig;

/// Failures of one grant.
#[derive(Default)]
pub(super) struct Pace {
    failures: u32,
    last: Option<(Instant, Refusal)>,
}

impl Pace {
    /// A try failed. An endpoint may ask for a longer wait in `refusal`, within the bounds.
    pub(super) fn failed(&mut self, config: &GrantsConfig, refusal: &Refusal, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let longest = config.max_back_off.get();
        let asked = refusal.retry_after.map(|seconds| Duration::from_secs(u64::from(seconds)));
        let own = self.failures.checked_sub(config.failures_before_back_off.max(1));
        let own = own.map(|beyond| doubled(config.back_off.get(), beyond, longest));
        let wait = match (own, asked) {
            (None, None) => return self.last = None,
            (own, asked) => own.unwrap_or_default().max(asked.unwrap_or_default()).min(longest),
        };
        self.last = Some((now + wait, refusal.clone()));
    }

    /// A try succeeded.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// How many tries have failed in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// What to answer while there is to be no try; `None`: there may be one.
    pub(super) fn refusal(&self, now: Instant) -> Option<Refusal> {
        let (until, refusal) = self.last.as_ref().filter(|(until, _)| *until > now)?;
        let retry_after = Some(seconds(until.duration_since(now)));
        Some(Refusal { retry_after, ..refusal.clone() })
    }
}

/// `first` doubled so often, spread by a tenth so that many do not meet, at most `longest`.
pub(super) fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    let factor = 2_u32.saturating_pow(times.min(31));
    let spread: f64 = rand::rng().random_range(0.9..1.1);
    first.saturating_mul(factor).min(longest).mul_f64(spread).min(longest)
}

#[cfg(test)]
mod tests {
    use fairlead_wire::Reason;

    use super::*;

    fn refusal(retry_after: Option<u32>) -> Refusal {
        Refusal { retry_after, ..Refusal::json(502, Reason::TokenEndpointStatus, "x") }
    }

    #[test]
    fn a_few_failures_are_free_and_then_each_doubles_the_wait() {
        let (config, now, mut pace) = (GrantsConfig::default(), Instant::now(), Pace::default());
        let mut waits = Vec::new();
        for _ in 0..10 {
            pace.failed(&config, &refusal(None), now);
            waits.push(pace.refusal(now).and_then(|refusal| refusal.retry_after).unwrap_or(0));
        }
        assert_eq!(waits[..2], [0, 0]);
        // A second doubled, rounded up after the spread.
        for (wait, nominal) in waits[2..].iter().zip([1, 2, 4, 8, 16, 30, 30, 30]) {
            assert!((nominal * 9 / 10..=nominal * 11 / 10 + 1).contains(wait), "{waits:?}");
        }
        assert!(waits.iter().all(|wait| *wait <= 30));
        assert!(pace.refusal(now + Duration::from_secs(31)).is_none(), "then there may be a try");
        pace.succeeded();
        assert!(pace.refusal(now).is_none() && pace.failures() == 0);
    }

    #[test]
    fn an_endpoint_may_ask_for_more_time_but_not_for_any() {
        let (config, now, mut pace) = (GrantsConfig::default(), Instant::now(), Pace::default());
        for (asked, wait) in [(7, 7), (4_000_000_000, 30)] {
            pace.failed(&config, &refusal(Some(asked)), now);
            assert_eq!(pace.refusal(now).and_then(|refusal| refusal.retry_after), Some(wait));
        }
    }
}
