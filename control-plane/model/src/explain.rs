//! How a call would be answered, for people (`fairlead explain`). Nothing of a Secret is in it.

mod forward;

use std::fmt;

use fairlead_app_router::normalise;
use fairlead_wire::{Reason, Refusal, feed::EgressOutcome};
use serde::Serialize;

use crate::{
    Problem,
    compile::{Compiled, Way, text},
};
pub use forward::Forward;

/// How a call is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What was asked, `app/service` or `app/service/entry`.
    pub path: String,
    /// The key of the record that answers, `app/service/entry` (or `app/service` where that is ambiguous); none: no record does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// What happens.
    pub verdict: Verdict,
    /// A path that would have matched: names in paths are lower case, with `-` for everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
    /// What is wrong with the Application, if it exists.
    pub problems: Vec<Problem>,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It goes to a target.
    Forward(Box<Forward>),
    /// It is answered with an error.
    #[serde(rename_all = "camelCase")]
    Refuse {
        /// HTTP status.
        status: u16,
        /// The word that also stands in `x-fairlead-reason`.
        reason: &'static str,
        /// The body, byte for byte.
        body: String,
    },
}

/// Explains `path` with what `find` knows of an Application.
pub(crate) fn explain<'a>(path: &str, find: impl Fn(&str) -> Option<&'a Compiled>) -> Explanation {
    let path = path.trim_matches('/');
    let mut segments = path.splitn(4, '/');
    let (application, service, entry) =
        (segments.next().unwrap_or_default(), segments.next(), segments.next());
    let Some(service) = service else {
        let refusal = Refusal::json(400, Reason::PathTooShort, "failed to extract API Identifier from path");
        return Explanation::new(path, None, Verdict::refuse(&refusal));
    };
    let compiled = find(application);
    let mut explanation = match compiled.and_then(|compiled| look_up(compiled, application, service, entry)) {
        Some((key, way)) => Explanation::new(path, Some(key), Verdict::of(way)),
        None => {
            let refusal =
                entry.map_or_else(|| text::no_service(service), |entry| text::no_entry(service, entry));
            Explanation::new(path, None, Verdict::refuse(&refusal))
        }
    };
    if let (None, Some(compiled)) = (&explanation.matched, compiled) {
        let (service, entry) = (normalise(service), entry.map(normalise));
        if look_up(compiled, application, &service, entry.as_deref()).is_some() {
            explanation.did_you_mean = Some(key(application, &service, entry.as_deref()));
        }
    }
    explanation.problems = compiled.map(|compiled| compiled.problems.to_vec()).unwrap_or_default();
    explanation
}

fn key(application: &str, service: &str, entry: Option<&str>) -> String {
    match entry {
        Some(entry) => format!("{application}/{service}/{entry}"),
        None => format!("{application}/{service}"),
    }
}

/// As the plugin does: an exact key, or the one record of `app/service` that is `manual`.
fn look_up<'a>(
    compiled: &'a Compiled,
    application: &str,
    service: &str,
    entry: Option<&str>,
) -> Option<(&'a str, &'a Way)> {
    let exact = key(application, service, entry);
    let found = compiled.find(&exact).or_else(|| {
        let below = |key: &str| key.strip_prefix(&exact).is_some_and(|rest| rest.starts_with('/'));
        compiled.egress.iter().find(|(key, way)| entry.is_none() && way.manual && below(key))
    });
    found.map(|(key, way)| (&**key, way))
}

impl Explanation {
    fn new(path: &str, matched: Option<&str>, verdict: Verdict) -> Self {
        Self {
            path: path.to_owned(),
            matched: matched.map(str::to_owned),
            verdict,
            did_you_mean: None,
            problems: Vec::new(),
        }
    }
}

impl Verdict {
    fn refuse(refusal: &Refusal) -> Self {
        Self::Refuse { status: refusal.status, reason: refusal.reason.as_str(), body: refusal.body.clone() }
    }

    fn of(way: &Way) -> Self {
        match (way.record.read().map(|record| record.outcome), &way.needs) {
            (Some(EgressOutcome::Refusal(refusal)), _) => Self::refuse(&refusal),
            (Some(EgressOutcome::Route(route)), Some(needs)) => {
                Self::Forward(Box::new(Forward::new(&route, needs)))
            }
            // Neither a route without needs is ever made, nor a record that cannot be read.
            _ => Self::refuse(&Refusal::empty(503, Reason::ProfileMissing)),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path)?;
        match &self.matched {
            Some(key) => writeln!(f, "  match        {key}")?,
            None => writeln!(f, "  match        none")?,
        }
        if let Some(path) = &self.did_you_mean {
            writeln!(f, "  did you mean {path}")?;
        }
        match &self.verdict {
            Verdict::Forward(forward) => forward.fmt(f)?,
            Verdict::Refuse { status, reason, body } => {
                writeln!(f, "  answer       {status} ({reason})")?;
                let body = if body.is_empty() { "empty" } else { body.trim_end() };
                writeln!(f, "  body         {body}")?;
            }
        }
        for problem in &self.problems {
            writeln!(f, "  problem      {problem}")?;
        }
        Ok(())
    }
}
