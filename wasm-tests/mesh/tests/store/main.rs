//! The Kubernetes store against a real API server: what it tells, what it leaves alone, what it says when it may not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod cluster;
mod objects;
mod rights;
mod silence;
mod way;
