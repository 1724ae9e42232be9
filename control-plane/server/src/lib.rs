//! The control plane: stores, feed, grants, status and the command line.
//!
//! Objects come from a [`store`], the model compiles them, [`publish`] brings what changed first to Envoy's files and
//! then to the [`feed`], and to the [`grants`] broker. Gateways read feed and grants over [`mtls`].

pub mod config;
pub mod dial;
pub mod feed;
pub mod grants;
pub mod health;
pub mod mtls;
pub mod state;
pub mod store;
pub mod telemetry;
