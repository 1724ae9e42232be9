//! The API server away, or there and silent. One case at a time: it is taken away from all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../store/cluster.rs"]
mod cluster;
mod replicas;
#[path = "../replicas_fleet/mod.rs"]
mod replicas_fleet;
mod store;
#[path = "../store/way.rs"]
mod way;

/// Who holds it may take the API server away.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
