//! What people see of an Application: conditions, call URLs, Events.
//!
//! [`Control`](crate::control) marks on the [`board`] what it looked at again, and answers with a [`report`]; [`finding`] judges it,
//! the same for `fairlead status` and for the resource; in Kubernetes mode the leader's [`writer`] brings it to the API server
//! (`apply`, server-side apply on the status subresource) and tells of changes by Events (`events`).
//!
//! A status is written only where it would differ from what is there (`ledger`), at most so many a second and at a time
//! (`kubernetes.statuses`), what changed lately before the bulk of a start. Rights that this needs, cluster-wide: `applications`
//! (get, list, watch: with the store), `applications/status` (patch), and `events` of `events.k8s.io` in the namespace
//! `default` (create, patch), where Events about cluster-scoped objects live.

mod apply;
pub mod board;
mod events;
pub mod finding;
mod ledger;
mod queue;
pub mod report;
pub mod writer;

pub use board::Board;
pub use finding::{Aspect, Finding};
pub use report::Report;
pub use writer::Writer;
