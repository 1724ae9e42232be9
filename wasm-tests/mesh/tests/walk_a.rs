//! Acceptance walk A (spec/acceptance.md): register a service and call it, with the tools of the tutorial.

#![allow(clippy::unwrap_used, reason = "tests")]
