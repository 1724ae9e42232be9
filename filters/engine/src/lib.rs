//! Stages composed into state machines: pure, driven by the plugin, tested without a host.

pub mod snapshot;
