//! Machine-readable causes. The same word is in the answer (`x-fairlead-reason`), the log line and the metric.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a request was answered by us, or a resource is not effective.
///
/// On the wire it is its [name](Reason::as_str). A name that this build does not know reads as [`Reason::Other`],
/// so that a newer control plane never breaks an older plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "&'static str")]
pub enum Reason {
    /// Fewer path segments than the port demands (AG E1).
    PathTooShort,
    /// A segment that names application, service or entry has an escape or dot segment that is not allowed there.
    PathRefused,
    /// The remainder of the path would leave the service's base path (decision 20).
    PathLeavesBase,
    /// No such application, service or entry (AG E2, E3).
    UnknownService,
    /// More than one API entry answers to the name (AG E4, E5).
    Ambiguous,
    /// The credential's or parameters' Secret does not exist (AG E8).
    SecretMissing,
    /// The Secret exists but cannot be used (AG E9, E10).
    SecretInvalid,
    /// The Secret's client certificate and key cannot be used (AG E17, E19).
    CertificateInvalid,
    /// The outbound proxy cannot be used as it is named.
    ProxyInvalid,
    /// `targetUrl` is not a URL (AG E11).
    TargetInvalid,
    /// `targetUrl` is empty or has a scheme other than http and https.
    TargetUnsupported,
    /// The target's address is not allowed (design decision 13).
    TargetRefused,
    /// The target did not answer: connect, name resolution, TLS or reset.
    TargetUnreachable,
    /// The target sent no response headers in time.
    TargetTimeout,
    /// The caller did not send its request in time (AG §13).
    CallerTimeout,
    /// The token endpoint's URL is not a URL (AG E12).
    TokenEndpointInvalid,
    /// The token endpoint did not answer (AG E13).
    TokenEndpointUnreachable,
    /// The token endpoint answered with another status than 200 (AG E14).
    TokenEndpointStatus,
    /// The token endpoint's answer cannot be read (AG E15, E16).
    TokenEndpointAnswer,
    /// The token endpoint failed too often: it is not asked for a while.
    TokenEndpointLimited,
    /// The CSRF endpoint did not answer (AG E21).
    CsrfEndpointUnreachable,
    /// The CSRF endpoint answered with another status than 200 (AG E20).
    CsrfEndpointStatus,
    /// The control plane does not know the grant that the plugin asked for; the record is being replaced.
    GrantUnknown,
    /// The grant was not there in time.
    GrantTimeout,
    /// Targets rejected this grant too often; no new one is fetched for a while.
    GrantLimited,
    /// The credential kind is recognised, but this build cannot serve it yet.
    CredentialUnsupported,
    /// The plugin has no complete view yet.
    Cold,
    /// The view is older than `maxStaleness` (design decision 7).
    Stale,
    /// Too many requests are held already.
    TooManyHeld,
    /// As many calls of the Application as it may have at a time are in progress.
    ConcurrencyLimited,
    /// The target rejected the grant, and no newer one or no second answer could be had (AG §11).
    ReplayFailed,
    /// The second answer, after the target rejected the first attempt's grant, is too large to be held.
    ReplayAnswerTooLarge,
    /// Envoy does not know the transport profile yet (design decision 12).
    ProfileMissing,
    /// The request did not pass the plugin.
    NotRouted,
    /// No client certificate was presented or forwarded (CV V1).
    CertificateMissing,
    /// The certificate's subject is not one of the Application's (CV V4).
    SubjectRefused,
    /// The certificate was revoked.
    Revoked,
    /// The TLS server name and the authority differ (decision 9).
    ServerNameMismatch,
    /// No such Application (CV V3).
    UnknownApplication,
    /// The path is none that an Application may call (CV V5).
    UnknownPath,
    /// A field of a resource has a value that cannot be used; only what the field is for does not take effect.
    FieldInvalid,
    /// Anything that this build has no word for.
    Other,
}

/// Every reason with its name; the reference page and the metric labels are made of it.
pub const REASONS: &[(Reason, &str)] = &[
    (Reason::PathTooShort, "path_too_short"),
    (Reason::PathRefused, "path_refused"),
    (Reason::PathLeavesBase, "path_leaves_base"),
    (Reason::UnknownService, "unknown_service"),
    (Reason::Ambiguous, "ambiguous"),
    (Reason::SecretMissing, "secret_missing"),
    (Reason::SecretInvalid, "secret_invalid"),
    (Reason::CertificateInvalid, "certificate_invalid"),
    (Reason::ProxyInvalid, "proxy_invalid"),
    (Reason::TargetInvalid, "target_invalid"),
    (Reason::TargetUnsupported, "target_unsupported"),
    (Reason::TargetRefused, "target_refused"),
    (Reason::TargetUnreachable, "target_unreachable"),
    (Reason::TargetTimeout, "target_timeout"),
    (Reason::CallerTimeout, "caller_timeout"),
    (Reason::TokenEndpointInvalid, "token_endpoint_invalid"),
    (Reason::TokenEndpointUnreachable, "token_endpoint_unreachable"),
    (Reason::TokenEndpointStatus, "token_endpoint_status"),
    (Reason::TokenEndpointAnswer, "token_endpoint_answer"),
    (Reason::TokenEndpointLimited, "token_endpoint_limited"),
    (Reason::CsrfEndpointUnreachable, "csrf_endpoint_unreachable"),
    (Reason::CsrfEndpointStatus, "csrf_endpoint_status"),
    (Reason::GrantUnknown, "grant_unknown"),
    (Reason::GrantTimeout, "grant_timeout"),
    (Reason::GrantLimited, "grant_limited"),
    (Reason::CredentialUnsupported, "credential_unsupported"),
    (Reason::Cold, "cold"),
    (Reason::Stale, "stale"),
    (Reason::TooManyHeld, "too_many_held"),
    (Reason::ConcurrencyLimited, "concurrency_limited"),
    (Reason::ReplayFailed, "replay_failed"),
    (Reason::ReplayAnswerTooLarge, "replay_answer_too_large"),
    (Reason::ProfileMissing, "profile_missing"),
    (Reason::NotRouted, "not_routed"),
    (Reason::CertificateMissing, "certificate_missing"),
    (Reason::SubjectRefused, "subject_refused"),
    (Reason::Revoked, "revoked"),
    (Reason::ServerNameMismatch, "server_name_mismatch"),
    (Reason::UnknownApplication, "unknown_application"),
    (Reason::UnknownPath, "unknown_path"),
    (Reason::FieldInvalid, "field_invalid"),
    (Reason::Other, "other"),
];

impl Reason {
    /// The name on the wire, in answers, logs and metrics: lower-case words joined by `_`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        REASONS.iter().find(|(reason, _)| *reason == self).map_or("other", |(_, name)| name)
    }
}

impl From<String> for Reason {
    fn from(name: String) -> Self {
        REASONS.iter().find(|(_, known)| *known == name).map_or(Self::Other, |(reason, _)| *reason)
    }
}

impl From<Reason> for &'static str {
    fn from(reason: Reason) -> Self {
        reason.as_str()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for (index, (reason, name)) in REASONS.iter().enumerate() {
            assert_eq!(reason.as_str(), *name);
            assert_eq!(Reason::from((*name).to_owned()), *reason);
            assert!(
                REASONS.iter().skip(index + 1).all(|(other, word)| other != reason && word != name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_newer_control_planes_reason_reads_as_other() {
        let read: Reason = serde_json::from_str("\"invented_later\"").unwrap();
        assert_eq!(read, Reason::Other);
    }
}
