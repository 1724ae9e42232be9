//! The control plane: stores, feed, grants, status and the command line.
//!
//! Objects come from a [`store`], the model compiles them in [`control`], [`publish`] brings what changed first to Envoy's
//! files ([`gateways`]) and then to the [`feed`] and the [`grants`] broker. Gateways read feed and grants over [`mtls`].
//! [`conditions`] tell people of it. [`run`] starts all of it.

pub mod admin;
pub mod certificates;
pub mod cli;
pub mod conditions;
pub mod config;
pub mod control;
pub mod deliver;
pub mod dial;
pub mod feed;
pub mod files;
pub mod gateways;
pub mod grants;
pub mod health;
pub mod kubernetes;
pub mod module;
pub mod mtls;
pub mod publish;
pub mod replica;
pub mod run;
pub mod state;
pub mod status;
pub mod store;
pub mod telemetry;
