//! What the control plane and the plugin say to each other.
//!
//! The control plane compiles resources into [`feed`] records, the plugin fetches them, and asks for [`grant`]s.
//! [`config`] is what a gateway's `pluginConfig` carries, [`header`] the one table of headers, [`idle`] the classes
//! of idle time, [`reason`] the machine-readable causes, [`refusal`] an answer that is given instead of forwarding, [`json`] how the plugin reads and
//! writes all that.
//!
//! Every type here is contract version 1 (spec/decisions 31): fields are added with defaults, never renamed.

pub mod config;
pub mod feed;
pub mod grant;
pub mod header;
pub mod idle;
pub mod json;
pub mod metrics;
pub mod profile;
pub mod reason;
pub mod refusal;

pub use reason::Reason;
pub use refusal::Refusal;
