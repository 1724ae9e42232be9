//! Moments of a token's life. Relative to its arrival, on a monotonic clock: a clock that jumps changes nothing.

use std::time::Duration;

/// Moments of a token's life, from its issue on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// The broker fetches the next one.
    pub(super) renew: Duration,
    /// Plugins ask for the next one.
    pub(super) refresh: Duration,
    /// It is not used any longer.
    pub(super) end: Duration,
}

/// AG §8.3: two seconds before its end a token is not used any longer.
const MARGIN: Duration = Duration::from_secs(2);

impl Life {
    /// Of a token that is good for `lifetime`. `luck` in 0..1 spreads the renewals of many.
    pub(super) fn of(lifetime: Duration, luck: f64) -> Self {
        // The margin must not eat up a token of one or two seconds.
        let end = lifetime.saturating_sub(MARGIN.min(lifetime / 2));
        Self { renew: end.mul_f64(0.7 + luck / 10.0), refresh: end.mul_f64(0.85), end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn life_is_two_seconds_shorter_than_the_token_but_never_none() {
        for (lifetime, end) in
            [(1_000, 500), (2_000, 1_000), (3_000, 1_500), (4_000, 2_000), (3_600_000, 3_598_000)]
        {
            let life = Life::of(Duration::from_millis(lifetime), 0.5);
            assert_eq!(life.end, Duration::from_millis(end));
            assert!(life.renew < life.refresh && life.refresh < life.end, "{life:?}");
        }
    }

    #[test]
    fn renewals_are_spread_and_come_before_anybody_asks() {
        let lifetime = Duration::from_secs(1_002);
        let [early, late] = [0.0, 1.0].map(|luck| Life::of(lifetime, luck));
        assert_eq!((early.renew, late.renew), (Duration::from_secs(700), Duration::from_secs(800)));
        assert!(late.renew < late.refresh);
    }
}
