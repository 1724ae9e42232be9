//! The feed: compiled records in, pages out to the gateways' plugins (design decisions 6–8; wire: `feed`).
//!
//! [`hub`] holds one view's records and history, [`page`] makes answers of them, [`serve`] is the HTTP side; `seen` keeps what
//! polls tell about gateways.

pub mod hub;
#[cfg(test)]
mod hub_tests;
pub mod page;
mod seen;
pub mod serve;
