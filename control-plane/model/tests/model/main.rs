//! Objects in, views out: what a store would say, and what comes of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests; helpers included")]
#![allow(clippy::needless_pass_by_value, reason = "json!(…) is written where it is used")]

mod certificates;
mod csrf;
mod entries;
mod explain;
mod ingress;
mod last_good;
mod limits;
mod names;
mod oauth;
mod redaction;
mod samples;
mod scale;
mod support;
mod targets;
mod transport;
