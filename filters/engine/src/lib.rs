//! Stages composed into state machines: pure, driven by the plugin, tested without a host.

pub mod connection;
pub mod egress;
pub mod headers;
pub mod ingress;
pub mod response;
pub mod snapshot;
pub mod step;
