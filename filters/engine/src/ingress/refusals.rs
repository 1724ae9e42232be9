//! Answers of the ingress pipeline, byte for byte (CV §3).

use fairlead_wire::{Reason, Refusal};

/// Seconds after which a view may be fresh again: the control plane was away, and comes back or not.
const STALE_RETRY_SECONDS: u32 = 10;

/// Step 1: the path names no application.
pub(super) fn not_found() -> Refusal {
    Refusal::text(404, Reason::UnknownPath, "404 page not found\n")
}

/// V1. A 500, since callers rely on it.
pub(super) fn certificate_missing() -> Refusal {
    Refusal::json(500, Reason::CertificateMissing, "X-Forwarded-Client-Cert header not found")
}

/// Decision 9: the certificate was verified for another of our names, or for none.
pub(super) fn server_name_mismatch() -> Refusal {
    let text =
        "the TLS server name and the Host header differ: repeat the request on a connection to that host";
    Refusal::json(421, Reason::ServerNameMismatch, text)
}

/// V2.
pub(super) fn application_missing() -> Refusal {
    Refusal::json(400, Reason::UnknownPath, "application name not specified")
}

/// Design decision 7: revocations could have been missed.
pub(super) fn stale() -> Refusal {
    let text = "the gateway has not heard of its control plane for too long, please retry";
    Refusal::retry(Reason::Stale, STALE_RETRY_SECONDS, text)
}

/// V3.
pub(super) fn unknown_application(name: &[u8]) -> Refusal {
    let name = String::from_utf8_lossy(name);
    let text = format!(
        "while getting application ClientIds: application data for name {name} is not found in the cache. Please retry"
    );
    Refusal::json(404, Reason::UnknownApplication, &text)
}

/// V4.
pub(super) fn subject_refused() -> Refusal {
    Refusal::json(403, Reason::SubjectRefused, "no valid subject found")
}

/// V5.
pub(super) fn unknown_path() -> Refusal {
    let text = "could not determine destination host, requested resource not found";
    Refusal::json(404, Reason::UnknownPath, text)
}
