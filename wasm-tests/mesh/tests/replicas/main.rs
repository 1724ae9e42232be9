//! Several replicas of the control plane at one API server, each fleet in a namespace of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod fleet;
mod modules;
#[path = "../replicas_fleet/mod.rs"]
mod replicas_fleet;
