//! What goes on top of a request: credentials, custom headers and query parameters (AG §8, §10).
//!
//! The control plane reads a Secret's fields with [`parameters`] and makes the value of a Basic credential with
//! [`basic`]; the feed carries the results; the egress pipeline applies them with [`absent`] and [`query`].
//!
//! [`csrf`] merges a session's token and cookies into a request (AG §9); [`rejection`] says which answers reject our
//! grant, and which requests may be sent again (AG §11). Both are without state: the engine keeps grants and requests.

mod basic;
pub mod csrf;
mod headers;
pub mod parameters;
pub mod query;
pub mod rejection;

pub use basic::basic;
pub use headers::{absent, applies};
