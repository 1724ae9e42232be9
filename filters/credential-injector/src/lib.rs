//! What goes on top of a request: credentials, custom headers and query parameters (AG §8, §10).
//!
//! The control plane reads a Secret's fields with [`parameters`] and makes the value of a Basic credential with
//! [`basic`]; the feed carries the results; the egress pipeline applies them with [`absent`] and [`query`].
//!
//! Grants need nothing here yet: the pipeline copies an `Authorization` value that the broker made. What comes with
//! #6 takes its place beside these modules, as states without I/O that the pipeline drives: `csrf` (token and cookies of an
//! entry's session, merged into `X-csrf-token` and `Cookie`, AG §9) and `replay` (which answers reject *our* grant,
//! what may be sent again, and within which budget; design decision 10).

mod basic;
mod headers;
pub mod parameters;
pub mod query;

pub use basic::basic;
pub use headers::{absent, applies};
