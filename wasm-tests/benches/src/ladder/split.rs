//! The table of a ladder's costs, and what to do next.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Kind, Ladder};
use crate::{race::Laps, spread::Spread};

/// Where the CPU of a request goes.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    title: String,
    /// Whether a bar of this job is missed: only then is it shown.
    pub(crate) missed: bool,
    without: Spread,
    steps: Vec<Step>,
    /// What is to be known of it.
    notes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Step {
    kind: Kind,
    label: String,
    cost: Spread,
    /// Above the step before, microseconds.
    more: Spread,
}

impl Kind {
    /// What can be done about it; none where the host alone decides what it costs.
    fn advice(self) -> Option<&'static str> {
        match self {
            Self::Filter => None,
            Self::Contexts => Some(
                "keep what a stream needs without its beginning and end: a slot that the request's callback fills and the response's frees",
            ),
            Self::Read => Some(
                "fewer headers to copy: let `early_header_mutation` drop what nobody needs; or read single values, if two are enough",
            ),
            Self::Property => Some(
                "let the listener decide what the property is read for (`filter_chain_match`), or find it in a header that is read anyway",
            ),
            Self::FirstWrite => Some(
                "the first write makes Envoy choose the route anew: nothing to gain while a header names the profile",
            ),
            Self::Writes => Some(
                "fewer writes: what is the same for all requests of a route can be written by the route, or before the plugin",
            ),
            Self::Response => Some(
                "a callback in every answer for the sake of few: move what the common answer needs into the route, or read the status with what else is read",
            ),
            Self::Metrics => Some(
                "the bytes sent are the only thing that the host must be asked for: count them natively where gateways' Envoy can",
            ),
            Self::Own => Some(
                "instructions of the module: count them with callgrind below `proxy_on_request_headers`, and begin with the largest",
            ),
        }
    }
}

impl Split {
    /// `laps` are of the ladder's rungs in order.
    pub(crate) fn new(title: String, ladder: &Ladder, none: &Laps, laps: &[&Laps], ours: &Laps) -> Self {
        let before = std::iter::once(none).chain(laps.iter().copied());
        let own = (Kind::Own, "our plugin: its own time".to_owned());
        let named = ladder.rungs.iter().map(|rung| (rung.kind, format!("+ {}", rung.label))).chain([own]);
        let steps = laps
            .iter()
            .copied()
            .chain([ours])
            .zip(before)
            .zip(named)
            .map(|((laps, before), (kind, label))| Step {
                kind,
                label,
                cost: laps.cost(),
                more: laps.above(before),
            })
            .collect();
        Self { title, missed: false, without: none.cost(), steps, notes: Vec::new() }
    }

    /// With something that is to be known of it.
    pub(crate) fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// All that the plugin adds, microseconds.
    fn total(&self) -> f64 {
        self.steps.iter().map(|step| step.more.median).sum()
    }

    /// The dearest step that is not the host's alone, and can be told from noise.
    fn largest(&self) -> Option<(&Step, &'static str)> {
        let certain = self.steps.iter().filter(|step| step.more.is_more_than_noise());
        let ours = certain.filter_map(|step| Some((step, step.kind.advice()?)));
        ours.max_by(|one, other| one.0.more.median.total_cmp(&other.0.more.median))
    }

    pub(crate) fn markdown(&self) -> String {
        let total = self.total();
        let mut text = format!(
            "### {}: where the CPU of a request goes\n\n| step | CPU a request, µs | this step, µs | of all that is added |\n| --- | --- | --- | --- |\n| no filter | {:.2} | | |\n",
            self.title, self.without
        );
        for Step { label, cost, more, .. } in &self.steps {
            let share = 100.0 * more.median / total;
            let _ = writeln!(text, "| {label} | {cost:.2} | {more:+.2} | {share:.0} % |");
        }
        let next = self.largest().map_or_else(
            || {
                "no step of ours stands out from the noise of this run: repeat it on a quiet machine"
                    .to_owned()
            },
            |(step, advice)| {
                let label = step.label.trim_start_matches("+ ");
                format!("{label} is the largest step of ours ({:.2} µs): {advice}", step.more.median)
            },
        );
        let _ = writeln!(text, "\nNext: {next}.");
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let step =
            |step: &Step| json!({ "step": step.label, "cost": step.cost.median, "more": step.more.median });
        let steps: Vec<_> = self.steps.iter().map(step).collect();
        json!({ "title": self.title, "none": self.without.median, "steps": steps })
    }
}
