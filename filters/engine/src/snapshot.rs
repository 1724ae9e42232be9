//! The view in force: tables that requests look into. Filled by the [feed client](crate::feed) from records of the
//! control plane, read by the pipelines.

mod grant;
mod hash;
mod route;
mod table;

pub use grant::{Grant, GrantState, Grants};
pub(crate) use hash::KeyHash;
pub use route::{Egress, Parameter, Route};
pub(crate) use table::Records;
pub use table::Table;

use fairlead_wire::feed::{EgressRecord, FeedRecord, IngressRecord, View};

use crate::bulkhead::Calls;

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
    /// The grants that requests to this entry need.
    fn grants(&self) -> [Option<&str>; 2] {
        [None, None]
    }
    /// Where calls are counted, if they are: the table puts the Application's count there.
    fn calls(&mut self) -> Option<&mut Calls> {
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

    fn grants(&self) -> [Option<&str>; 2] {
        match self {
            Self::Route(route) => route.grants(),
            Self::Refusal(_) => [None, None],
        }
    }

    fn calls(&mut self) -> Option<&mut Calls> {
        match self {
            Self::Route(route) => Some(&mut route.calls),
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
