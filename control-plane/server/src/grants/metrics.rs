//! What there is to count about grants, all under `fairlead_control_`:
//!
//! | name | what |
//! | --- | --- |
//! | `grants_total{outcome}` | questions of gateways: `cached`, `limited` (too many rejections, or the last failure is given again for a while), and fetches: `fetched`, `failed` |
//! | `grant_fetches_total{kind,cause,outcome}` | requests to endpoints, redirects not counted; `kind`: `oauth`, `oauth_with_cert`, `csrf`; `cause`: `demand` (somebody waits), `refresh` (ahead of the end); `outcome`: `ok` or the reason |
//! | `grant_fetch_seconds{kind}` | how long these took, waiting for their turn included |
//! | `grant_fetches_in_flight` | those under way or waiting for their turn |
//! | `grants_known` | grants that resources name |
//! | `grant_endpoints_shut` | endpoints that are not asked for a while because they failed too often: open circuit breakers |

use std::time::Duration;

use fairlead_model::GrantKind;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Buckets of fetches, seconds; the longest is the default `grants.timeout`.
const BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabel {
    kind: &'static str,
    cause: &'static str,
    outcome: &'static str,
}

/// The broker's metrics; clones count together.
#[derive(Clone)]
pub struct GrantMetrics {
    fetches: Family<FetchLabel, Counter>,
    seconds: Family<KindLabel, Histogram>,
    in_flight: Gauge,
    known: Gauge,
    shut: Gauge,
}

impl Default for GrantMetrics {
    fn default() -> Self {
        Self {
            fetches: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
            known: Gauge::default(),
            shut: Gauge::default(),
        }
    }
}

impl GrantMetrics {
    /// Shows them in `/metrics`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Requests to token and CSRF endpoints, by kind of grant, cause and outcome";
        registry.register("grant_fetches", help, self.fetches.clone());
        let help = "Seconds that they took, waiting for their turn included";
        registry.register("grant_fetch_seconds", help, self.seconds.clone());
        let help = "Requests to token and CSRF endpoints that are under way or wait for their turn";
        registry.register("grant_fetches_in_flight", help, self.in_flight.clone());
        registry.register("grants_known", "Grants that resources name", self.known.clone());
        let help = "Token and CSRF endpoints that are not asked for a while because they failed too often";
        registry.register("grant_endpoints_shut", help, self.shut.clone());
    }

    pub(super) fn began(&self) {
        self.in_flight.inc();
    }

    /// `outcome`: `ok` or a reason.
    pub(super) fn ended(&self, kind: &GrantKind, demanded: bool, outcome: &'static str, took: Duration) {
        self.in_flight.dec();
        let kind = word(kind);
        let cause = if demanded { "demand" } else { "refresh" };
        self.fetches.get_or_create(&FetchLabel { kind, cause, outcome }).inc();
        self.seconds.get_or_create(&KindLabel { kind }).observe(took.as_secs_f64());
    }

    pub(super) fn known(&self, count: usize) {
        self.known.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A gate closed, or opened again.
    pub(super) fn breaker(&self, closed: bool) {
        self.shut.inc_by(if closed { 1 } else { -1 });
    }
}

/// The kind in one word.
pub(super) fn word(kind: &GrantKind) -> &'static str {
    match kind {
        GrantKind::ClientCredentials { .. } => "oauth",
        GrantKind::CertifiedClient { .. } => "oauth_with_cert",
        GrantKind::Csrf { .. } => "csrf",
    }
}
