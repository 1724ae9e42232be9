//! Calls from the plugin to the control plane, and what comes back: made by the [feed client](crate::feed) and the
//! [grant table](crate::grants), sent by the shell from the root context.

/// A call to the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// Value of the header [`REPORT`](fairlead_wire::feed::REPORT), if there is one.
    pub report: Option<String>,
    /// JSON, or empty.
    pub body: Vec<u8>,
    /// How long to wait for the answer, milliseconds.
    pub timeout_ms: u32,
}

/// What came back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The control plane itself answered: the answer carries [`MARKER`](fairlead_wire::feed::MARKER).
    Served {
        /// HTTP status.
        status: u16,
        /// The body. May hold secrets.
        body: &'a [u8],
    },
    /// The call was not sent, or Envoy answered in the control plane's stead.
    Lost,
}

/// How long to wait after failures: doubling from 250 ms to 8 s, spread by a quarter to both sides, so that the
/// workers of a fleet do not come back in step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    failures: u32,
    seed: u64,
}

impl Backoff {
    const FIRST_MS: u64 = 250;
    const DOUBLINGS: u32 = 5;

    pub(crate) fn new(seed: u64) -> Self {
        Self { failures: 0, seed }
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// One more failure at `now_ms`: when to try again.
    pub(crate) fn failed(&mut self, now_ms: u64) -> u64 {
        self.failed_soon(now_ms, Self::DOUBLINGS)
    }

    /// The same with fewer doublings, for what somebody waits for.
    pub(crate) fn failed_soon(&mut self, now_ms: u64, doublings: u32) -> u64 {
        let delay = Self::FIRST_MS << self.failures.min(doublings);
        self.failures = self.failures.saturating_add(1);
        // SplitMix64's finisher: enough to tell two workers apart.
        let mut spread = self.seed ^ now_ms.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        spread = (spread ^ (spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        spread ^= spread >> 27;
        now_ms.saturating_add(delay * 3 / 4 + spread % (delay / 2))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::Backoff;

    #[test]
    fn backoff_grows_to_a_bound_and_spreads() {
        let mut one = Backoff::new(1);
        let mut two = Backoff::new(2);
        let mut apart = 0;
        for n in 0..100 {
            let (a, b) = (one.failed(1000) - 1000, two.failed(1000) - 1000);
            let delay = 250 << n.min(5);
            assert!((delay * 3 / 4..delay * 5 / 4).contains(&a), "{a} after {n} failures");
            apart += u32::from(a != b);
        }
        assert!(apart > 90);
        one.succeeded();
        assert!(one.failed(0) < 313);
    }
}
