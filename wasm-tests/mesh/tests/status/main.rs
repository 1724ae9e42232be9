//! What people see of an Application, in one installation: conditions, call URLs, Events; what becomes of nonsense.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod bad_input;
mod conditions;
