//! What the API server refuses or fails to do, sorted by what is to be done about it.
//!
//! No text here holds anything of an object: an answer about Secrets is never quoted, unless it is about permissions.

use serde::Deserialize;

/// Why a request did not give what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// 403, with the server's sentence.
    Denied(String),
    /// 401: our token or certificate is not believed.
    Unauthenticated,
    /// 404.
    Absent,
    /// 410: what we knew is too old to go on from.
    Gone,
    /// Another refusal; the status and the server's word for it.
    Refused(u16, String),
    /// The answer is larger than we read.
    TooLarge,
    /// The answer is not what the API promises.
    Unreadable,
    /// The server cannot be reached, does not answer, or has no time for us.
    Away(String),
}

/// `Status` of an answer that is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) code: u16,
    message: String,
    reason: String,
}

impl Failure {
    /// What an error status means; `body` is the answer.
    pub(super) fn from_answer(code: u16, body: &[u8]) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        Self::from_status(Status { code, ..status })
    }

    pub(super) fn from_status(status: Status) -> Self {
        let Status { code, message, reason } = status;
        match code {
            401 => Self::Unauthenticated,
            403 => Self::Denied(message),
            404 => Self::Absent,
            410 => Self::Gone,
            429 | 503 => Self::Away(format!("it answers {code} {reason}")),
            code => Self::Refused(code, reason),
        }
    }

    /// Connection trouble: the chain of causes, which has nothing of a body.
    pub(super) fn from_error(error: &kube::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            let part = error.to_string();
            if !text.contains(&part) {
                text = format!("{text}: {part}");
            }
            cause = error.source();
        }
        Self::Away(text)
    }

    /// Whether others who ask now fare the same.
    pub(super) fn concerns_all(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Unauthenticated | Self::Away(_) | Self::Refused(502 | 504, _))
    }

    /// A sentence for people. `verbs` is what was tried on `what` (as `secrets in namespace shop`), `remedy` how
    /// permission for it is given.
    pub(super) fn sentence(&self, verb: &str, what: &str, remedy: &str) -> String {
        match self {
            Self::Denied(says) => {
                format!("we may not {verb} {what}: {remedy}; it is tried again (the API server says: {says})")
            }
            Self::Unauthenticated => format!(
                "the API server does not believe who we are, so we cannot {verb} {what}: check the service account's \
                 token or the kubeconfig; it is tried again"
            ),
            Self::Absent => format!(
                "the API server does not know {what}: install the custom resource definitions; it is tried again"
            ),
            Self::Gone => {
                format!("cannot {verb} {what}: what was known is too old; everything is listed again")
            }
            Self::Refused(code, reason) => {
                format!("cannot {verb} {what}: the API server answers {code} {reason}; it is tried again")
            }
            Self::TooLarge => format!("cannot {verb} {what}: the answer is too large; it is tried again"),
            Self::Unreadable => {
                format!("cannot {verb} {what}: the answer is not what the API promises; it is tried again")
            }
            Self::Away(why) => format!(
                "cannot {verb} {what}: the API server cannot be reached ({why}); what is known stays, and it is tried again"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_sorted_by_what_is_to_be_done() {
        let body = |message: &str| {
            serde_json::json!({"kind": "Status", "message": message, "reason": "Word"}).to_string()
        };
        let of = |code| Failure::from_answer(code, body("canary").as_bytes());
        assert_eq!(of(403), Failure::Denied("canary".to_owned()));
        assert_eq!((of(401), of(404), of(410)), (Failure::Unauthenticated, Failure::Absent, Failure::Gone));
        assert_eq!(of(429), Failure::Away("it answers 429 Word".to_owned()));
        assert_eq!(of(500), Failure::Refused(500, "Word".to_owned()));
        assert_eq!(Failure::from_answer(500, b"canary"), Failure::Refused(500, String::new()));
    }

    #[test]
    fn only_a_denial_quotes_the_server() {
        for code in [401, 404, 410, 429, 500, 503, 504] {
            let body = br#"{"message": "canary", "reason": "Word"}"#;
            let text =
                Failure::from_answer(code, body).sentence("get", "secrets in namespace shop", "bind a Role");
            assert!(!text.contains("canary"), "{text}");
            assert!(text.contains("secrets in namespace shop"), "{text}");
        }
        let text = Failure::Denied("User x cannot".to_owned()).sentence("list", "secrets", "bind a Role");
        assert!(text.contains("may not list secrets: bind a Role"), "{text}");
        assert!(text.contains("User x cannot"), "{text}");
    }
}
