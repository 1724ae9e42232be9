//! Prometheus metrics of the control plane. No label holds a name that callers choose.

use std::{sync::Arc, time::Duration};

use fairlead_wire::{Reason, feed::View};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::grants::metrics::GrantMetrics;

/// Buckets of times, seconds: the bar for a change is 100 ms.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViewLabel {
    view: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    view: &'static str,
    answer: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// All metrics; clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    records: Family<ViewLabel, Gauge>,
    revision: Family<ViewLabel, Gauge>,
    polls: Family<ViewLabel, Counter>,
    answers: Family<AnswerLabel, Counter>,
    answer_bytes: Family<AnswerLabel, Counter>,
    propagation: Family<ViewLabel, Histogram>,
    publishing: Histogram,
    grants: Family<OutcomeLabel, Counter>,
    /// Of the broker: see there.
    pub(crate) grant_details: GrantMetrics,
    problems: Gauge,
    application_problems: Family<ReasonLabel, Gauge>,
    statuses: Family<OutcomeLabel, Counter>,
    statuses_waiting: Gauge,
    profiles: Gauge,
    objects: Gauge,
    leading: Gauge,
    forwarded: Family<OutcomeLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("fairlead_control");
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let metrics = Self {
            registry: Arc::new(Registry::default()),
            records: Family::default(),
            revision: Family::default(),
            polls: Family::default(),
            answers: Family::default(),
            answer_bytes: Family::default(),
            propagation: Family::new_with_constructor(histogram),
            publishing: histogram(),
            grants: Family::default(),
            grant_details: GrantMetrics::default(),
            problems: Gauge::default(),
            application_problems: Family::default(),
            statuses: Family::default(),
            statuses_waiting: Gauge::default(),
            profiles: Gauge::default(),
            objects: Gauge::default(),
            leading: Gauge::default(),
            forwarded: Family::default(),
        };
        registry.register("records", "Records of a view", metrics.records.clone());
        registry.register("revision", "Revision of a view", metrics.revision.clone());
        registry.register("polls", "Polls of a view's feed", metrics.polls.clone());
        let help = "Answers of the feed: changes to polls, listings of records or hashes, wanted records";
        registry.register("feed_answers", help, metrics.answers.clone());
        registry.register("feed_bytes", "Bytes of these answers", metrics.answer_bytes.clone());
        let help = "Seconds from publishing a revision to the first poll that has it in force";
        registry.register("propagation_seconds", help, metrics.propagation.clone());
        let help = "Seconds from the store's notice of a change to its publishing";
        registry.register("publishing_seconds", help, metrics.publishing.clone());
        registry.register("grants", "Questions for grants and fetches, by outcome", metrics.grants.clone());
        metrics.grant_details.register(&mut registry);
        registry.register("problems", "Problems of resources", metrics.problems.clone());
        let help = "Problems of Applications, by reason";
        registry.register("application_problems", help, metrics.application_problems.clone());
        let help = "Statuses of Applications that were to be written, by outcome";
        registry.register("statuses", help, metrics.statuses.clone());
        let help = "Applications whose status is still to be looked at";
        registry.register("statuses_waiting", help, metrics.statuses_waiting.clone());
        registry.register("profiles", "Transport profiles in Envoy's files", metrics.profiles.clone());
        registry.register("objects", "Objects in the store", metrics.objects.clone());
        let help = "1 while this replica leads; without others it always does";
        registry.register("leading", help, metrics.leading.clone());
        let help = "Questions for grants that went to the leader, by outcome";
        registry.register("forwarded_grants", help, metrics.forwarded.clone());
        Self { registry: Arc::new(registry), ..metrics }
    }

    /// What `/metrics` answers: OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(crate) fn poll(&self, view: View) {
        self.polls.get_or_create(&label(view)).inc();
    }

    /// `answer`: `changes`, `records`, `hashes` or `wanted`.
    pub(crate) fn answered(&self, view: View, answer: &'static str, bytes: usize) {
        let label = AnswerLabel { view: view.as_str(), answer };
        self.answers.get_or_create(&label).inc();
        self.answer_bytes.get_or_create(&label).inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn propagation(&self, view: View, time: Duration) {
        self.propagation.get_or_create(&label(view)).observe(time.as_secs_f64());
    }

    pub(crate) fn published(&self, time: Duration) {
        self.publishing.observe(time.as_secs_f64());
    }

    pub(crate) fn view(&self, view: View, records: usize, revision: u64) {
        self.records.get_or_create(&label(view)).set(gauge(records));
        self.revision.get_or_create(&label(view)).set(i64::try_from(revision).unwrap_or(i64::MAX));
    }

    pub(crate) fn leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    /// `answered`, or `late` where no leader answered in time.
    pub(crate) fn forwarded(&self, outcome: &'static str) {
        self.forwarded.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// `fetched` and `failed` are token requests, `cached` and `limited` questions that led to none.
    pub(crate) fn grant(&self, outcome: &'static str) {
        self.grants.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Problems of this reason have become more or fewer.
    pub(crate) fn application_problems(&self, reason: Reason, more: i64) {
        let label = ReasonLabel { reason: reason.as_str() };
        self.application_problems.get_or_create(&label).inc_by(more);
    }

    /// `written`, `failed`, or `gone` with its Application.
    pub(crate) fn status_written(&self, outcome: &'static str) {
        self.statuses.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn statuses_waiting(&self, count: usize) {
        self.statuses_waiting.set(gauge(count));
    }

    pub(crate) fn resources(&self, objects: usize, problems: usize, profiles: usize) {
        self.objects.set(gauge(objects));
        self.problems.set(gauge(problems));
        self.profiles.set(gauge(profiles));
    }
}

fn label(view: View) -> ViewLabel {
    ViewLabel { view: view.as_str() }
}

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
