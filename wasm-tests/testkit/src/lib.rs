//! What tests share: a real Envoy, the external-system double, certificates, canary search.
//!
//! Everything that runs is a process of its own: [`double`] starts the external system (whose server side is
//! [`external`]), [`fairlead`] the control plane, [`envoy`] a gateway; [`bed`] brings all of them up in one call.
//! [`http`] sends exactly the bytes a test wants, [`load`] many of them, [`canary`] looks for secrets in whatever
//! the processes wrote. [`mesh`] is a real Istio of processes. The API blocks: a test is a plain `#[test]`.

pub mod bed;
pub mod canary;
pub mod certs;
pub mod double;
pub mod envoy;
pub mod error;
pub mod external;
pub mod fairlead;
pub mod http;
pub mod load;
pub mod mesh;
pub mod oauth;
pub mod process;
pub mod prometheus;
pub mod resources;
pub mod wait;
pub mod websocket;

pub use error::{Error, Result};
