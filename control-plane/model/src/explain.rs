//! How a call would be answered, for people (`fairlead explain`). Secrets are left out.

use serde::Serialize;

use crate::Problem;

/// How a call is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What was asked, `app/service` or `app/service/entry`.
    pub path: String,
    /// What happens.
    pub verdict: Verdict,
    /// What is wrong with the Application, if it exists.
    pub problems: Vec<Problem>,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is answered with an error.
    #[serde(rename_all = "camelCase")]
    Refuse {
        /// HTTP status.
        status: u16,
        /// The word that also stands in `x-fairlead-reason`.
        reason: String,
        /// The body, byte for byte.
        body: String,
    },
}
impl Explanation {
    pub(crate) fn of(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            verdict: Verdict::Refuse { status: 404, reason: String::new(), body: String::new() },
            problems: Vec::new(),
        }
    }
}
impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)
    }
}
