//! Answers of the egress pipeline, byte for byte (AG §14). What hangs on resources comes precomputed with the feed.

use fairlead_app_router::{JoinError, PathError, Split};
use fairlead_wire::{Reason, Refusal};

/// E1, or a segment that could be read in two ways (decision 20).
pub(super) fn path(error: PathError) -> Refusal {
    let reason = match error {
        PathError::TooShort => Reason::PathTooShort,
        PathError::Refused => Reason::PathRefused,
    };
    Refusal::json(400, reason, "failed to extract API Identifier from path")
}

/// The Application's bulkhead is full.
pub(super) fn concurrency() -> Refusal {
    let text = "too many calls of this application are in progress";
    Refusal::retry(Reason::ConcurrencyLimited, 1, text)
}

/// The rest of the path cannot be sent (decision 20).
pub(super) fn rest(error: JoinError) -> Refusal {
    let reason = match error {
        JoinError::LeavesBase => Reason::PathLeavesBase,
        JoinError::Escape => Reason::PathRefused,
    };
    Refusal::json(400, reason, &error.to_string())
}

/// E2 and E3; an Application that does not exist is answered as a service that does not.
pub(super) fn unknown(split: &Split<'_>) -> Refusal {
    let service = String::from_utf8_lossy(split.service);
    let text = match split.entry {
        None => format!("service with name {service} not found"),
        Some(entry) => {
            let entry = String::from_utf8_lossy(entry);
            format!("service with name {service} and entry name {entry} not found")
        }
    };
    Refusal::json(404, Reason::UnknownService, &text)
}
