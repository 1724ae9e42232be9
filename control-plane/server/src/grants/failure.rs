//! Why a grant was not fetched: what the waiting requests are told, what the log is, and whom it counts against.
//!
//! OAuth tells the cause to the caller (AG §14, E13–E16). OAuthWithCert hides it behind one text (E18: contract), so that
//! it is in the log, in the condition and, as a word, in `x-fairlead-reason`. No text has a URL's query or user
//! information, since these may be secrets.

use std::time::Duration;

use fairlead_model::GrantKind;
use fairlead_wire::{Reason, Refusal};
use http::StatusCode;

use crate::dial::DialError;

/// AG §14, E18.
const HIDDEN: &str = "Failed to get token: Failed to fetch token, possible certificate problem";

/// A fetch that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What those who wait are answered with.
    pub(super) refusal: Refusal,
    /// What happened; no secret in it.
    pub(super) cause: String,
    /// Whom it counts against.
    pub(super) blame: Blame,
    /// The endpoint answered 401 or 403.
    pub(super) unauthorized: bool,
    /// Its endpoint was asked, or cannot be: the next try may have to wait. What only waits for its turn has not failed.
    pub(super) asked: bool,
}

/// Whom a failure counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The endpoint: every grant from there would fail.
    Endpoint,
    /// This grant: the endpoint answers others.
    Grant,
    /// Unknown, or nobody there was asked.
    Nobody,
}

/// What went wrong, before it is put into the words of the grant's kind.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No answer.
    Unreachable { error: String, blame: Blame },
    /// Another status than 200.
    Status { status: StatusCode, retry_after: Option<Duration> },
    /// The body broke off or is too large.
    Body(String),
    /// The body says nothing that is understood.
    Content(String),
    /// The client certificate cannot be used.
    Pair(String),
    /// Nobody was asked, because it is not to be asked for so long.
    Limited { why: &'static str, wait: Duration },
}

impl Trouble {
    /// A call that got no answer; `shown` says that it was to show a client certificate, which may be the cause.
    pub(super) fn dial(error: &DialError, shown: bool) -> Self {
        let blame = match error {
            DialError::Pair(reason) => return Self::Pair(reason.clone()),
            DialError::Tls(_) | DialError::Exchange(_) if shown => Blame::Nobody,
            DialError::Scheme(_)
            | DialError::NoHost
            | DialError::Refused { .. }
            | DialError::RefusedName(_) => Blame::Nobody,
            _ => Blame::Endpoint,
        };
        Self::Unreachable { error: error.to_string(), blame }
    }

    /// In the words of AG §14; `shown` is the endpoint's URL without secrets.
    pub(super) fn failure(self, kind: &GrantKind, shown: &str) -> Failure {
        let csrf = matches!(kind, GrantKind::Csrf { .. });
        let unreachable =
            if csrf { Reason::CsrfEndpointUnreachable } else { Reason::TokenEndpointUnreachable };
        let unauthorized =
            matches!(self, Self::Status { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. });
        let (mut retry_after, mut asked) = (None, true);
        let (reason, cause, blame) = match self {
            Self::Unreachable { error, blame } => {
                (unreachable, format!("failed to make a request to '{shown}': {error}"), blame)
            }
            Self::Status { status, retry_after: wanted } => {
                retry_after = wanted;
                let reason = if csrf { Reason::CsrfEndpointStatus } else { Reason::TokenEndpointStatus };
                let down = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                let status = status.as_u16();
                let cause = format!("incorrect response code '{status}' while getting token from {shown}");
                (reason, cause, if down { Blame::Endpoint } else { Blame::Grant })
            }
            Self::Body(error) => {
                let cause = format!("failed to read token response body from '{shown}': {error}");
                (Reason::TokenEndpointAnswer, cause, Blame::Grant)
            }
            Self::Content(error) if csrf => {
                (unreachable, format!("failed to make a request to '{shown}': {error}"), Blame::Grant)
            }
            Self::Content(error) => {
                let cause = format!("failed to unmarshal token response body: {error}");
                (Reason::TokenEndpointAnswer, cause, Blame::Grant)
            }
            Self::Pair(error) => return bad_pair(kind, &error),
            Self::Limited { why, wait } => {
                (retry_after, asked) = (Some(wait), false);
                let cause = format!("failed to make a request to '{shown}': {why}");
                (Reason::TokenEndpointLimited, cause, Blame::Nobody)
            }
        };
        let mut refusal = match kind {
            GrantKind::CertifiedClient { .. } => Refusal::json(500, reason, HIDDEN),
            GrantKind::ClientCredentials { .. } | GrantKind::Csrf { .. } => {
                Refusal::json(502, reason, &cause)
            }
        };
        refusal.retry_after = retry_after.map(seconds);
        Failure { refusal, cause, blame, unauthorized, asked }
    }
}

/// E17 for a token, E19 for a CSRF endpoint that the certificate was to open.
fn bad_pair(kind: &GrantKind, error: &str) -> Failure {
    let mut cause = format!("Failed to prepare certificate, {error}");
    if matches!(kind, GrantKind::CertifiedClient { .. }) {
        cause.insert_str(0, "Failed to get token: ");
    }
    let refusal = Refusal::json(500, Reason::CertificateInvalid, &cause);
    Failure { refusal, cause, blame: Blame::Nobody, unauthorized: false, asked: true }
}

impl Failure {
    /// The grant that a CSRF grant names is not known: its record is being replaced.
    pub(super) fn unlinked() -> Self {
        let text = "the grant of the CSRF endpoint is being replaced";
        Self::elsewhere(Refusal::retry(Reason::GrantUnknown, 1, text))
    }

    /// Something that needs no words of its own.
    pub(super) fn of(refusal: Refusal) -> Self {
        let cause = refusal.body.trim_end().to_owned();
        Self { refusal, cause, blame: Blame::Nobody, unauthorized: false, asked: true }
    }

    /// The grant that is needed first could not be had: it has its own pace.
    pub(super) fn elsewhere(refusal: Refusal) -> Self {
        Self { asked: false, ..Self::of(refusal) }
    }
}

/// For `Retry-After`: rounded up, at least one.
pub(super) fn seconds(wait: Duration) -> u32 {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(whole).unwrap_or(u32::MAX).max(1)
}
