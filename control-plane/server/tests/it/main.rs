//! The control plane without Envoy: real files, real sockets, real TLS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no users")]

mod directory;
mod feed;
mod grants;
mod running;
mod support;
