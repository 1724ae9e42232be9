//! The view in force: tables that requests look into. Filled by the [feed client](crate::feed) from records of the
//! control plane, read by the pipelines.

mod hash;
mod route;
mod table;

pub(crate) use hash::KeyHash;
pub use route::{Egress, Parameter, Route};
pub(crate) use table::Records;
pub use table::Table;

use fairlead_wire::feed::{EgressRecord, FeedRecord, IngressRecord, View};

/// What a table holds, compiled from a record when it arrives, so that a request only copies.
pub trait Entry: Sized {
    /// What the feed delivers.
    type Record: FeedRecord;
    /// The view that it belongs to.
    const VIEW: View = Self::Record::VIEW;
    /// Compiles a record.
    fn compile(record: Self::Record) -> Self;
    /// Stands for a record that this build cannot read (a newer control plane): refuses, and touches no other record.
    fn unreadable() -> Self;
    /// The key's first two segments lead here too.
    fn manual(_record: &Self::Record) -> bool {
        false
    }
    /// The grant that requests to this entry need.
    fn grant(&self) -> Option<&str> {
        None
    }
}

impl Entry for Egress {
    type Record = EgressRecord;

    fn compile(record: EgressRecord) -> Self {
        Self::from(record.outcome)
    }

    fn unreadable() -> Self {
        Self::not_understood()
    }

    fn manual(record: &EgressRecord) -> bool {
        record.manual
    }

    fn grant(&self) -> Option<&str> {
        match self {
            Self::Route(route) => route.grant(),
            Self::Refusal(_) => None,
        }
    }
}

/// An ingress record needs no compiling. One that cannot be read lets nobody in.
impl Entry for IngressRecord {
    type Record = Self;

    fn compile(record: Self) -> Self {
        record
    }

    fn unreadable() -> Self {
        Self { common_names: Vec::new(), organization: None, sink: None }
    }
}

/// A grant as a pipeline sees it.
#[derive(Clone, Copy)]
pub enum GrantState<'a> {
    /// The complete `Authorization` value.
    Ready(&'a [u8]),
    /// Not there: wait for it.
    Missing,
}

impl std::fmt::Debug for GrantState<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Ready([redacted])",
            Self::Missing => "Missing",
        })
    }
}

/// Where pipelines find grants.
pub trait Grants {
    /// The grant of this id now.
    fn grant(&self, id: &str) -> GrantState<'_>;
}
