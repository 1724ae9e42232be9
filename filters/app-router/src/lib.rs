//! From the path a caller wrote to the path a target gets, and back for redirects.
//!
//! A request's `:path` comes in as bytes ([`split`]), its first segments are looked up elsewhere, and what is left is
//! joined to the target's base path ([`Base`], [`join`], [`join_query`]). A redirect of the target is turned into one
//! through the gateway ([`location`]). The names that path segments are compared with are made by [`normalise`] when
//! an Application is compiled. Everything is pure, takes any bytes and never panics.
//!
//! Sections (`AG §5.1`) are those of the application gateway's specification.

mod base;
mod bytes;
mod dots;
mod join;
mod location;
mod name;
mod query;
mod split;

pub use base::{Base, BaseError};
pub use join::{JoinError, join};
pub use location::{Sent, has_location, location};
pub use name::normalise;
pub use query::join_query;
pub use split::{PathError, Ports, Split, split};
