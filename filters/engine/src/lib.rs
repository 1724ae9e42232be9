//! Stages composed into state machines: pure, driven by the plugin, tested without a host.

pub mod bulkhead;
pub mod call;
pub mod connection;
pub mod egress;
pub mod feed;
pub mod grants;
pub mod headers;
pub mod ingress;
mod ours;
pub mod replay;
pub mod response;
pub mod snapshot;
pub mod step;
mod strip;
#[cfg(test)]
mod testing;
pub mod vm;
