//! Tests on a real Envoy.
//!
//! What is asserted lives here as lists of [`case::Case`]s, so that every kind of installation can run the same list;
//! `tests/` brings an installation up and runs them. Whatever is more than one request and its answer is written out
//! in `tests/`.

pub mod case;
pub mod cases;
pub mod place;
pub mod standin;
pub mod target;
pub mod transcript;
pub mod worker;
