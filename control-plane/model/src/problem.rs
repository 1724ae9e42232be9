//! What is wrong with an Application, for its status, `fairlead status` and the log.

use std::fmt;

use fairlead_wire::Reason;
use serde::Serialize;

/// One thing that is wrong. Holds no Secret's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Path of the field, as `spec.services[0].entries[1].credentials.secretName`.
    pub field: String,
    /// The word that also stands in answers and metrics.
    #[serde(serialize_with = "reason")]
    pub reason: Reason,
    /// What is wrong and what to do.
    pub message: String,
    /// What becomes of calls.
    pub effect: Effect,
}

/// What becomes of calls while a problem lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// They are answered with an error.
    Refused,
    /// They go as before the change that brought the problem.
    LastGood,
    /// They go; what the message says does not take effect.
    Warning,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn reason<S: serde::Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.as_str())
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Refused => "calls are refused",
            Effect::LastGood => "the last good state stays in force",
            Effect::Warning => "calls go on",
        };
        write!(f, "{}: {} ({}; {effect})", self.field, self.message, self.reason)
    }
}
