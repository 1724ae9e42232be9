//! Reading and writing the JSON of feed, grants and configuration, in functions that are not generic.
//!
//! What a page or a record costs is no request's: these are compiled here, for size, while the crates that run with
//! each request are compiled for speed (root manifest, profile `module`). A generic function would be compiled where it
//! is called, and an inlined one as its caller is.

use serde_json::{Result, value::RawValue};

use crate::{
    config::PluginConfig,
    feed::{EgressRecord, Hashes, IngressRecord, Poll, Records, Report, Wanted},
    grant::{GrantAnswer, GrantRequest},
};

/// A record's JSON as it came: an envelope is read all or nothing, but each record by itself.
pub type Raw = Box<RawValue>;

/// Functions that read a type, each with the error of [`serde_json::from_slice`].
macro_rules! readers {
    ($($(#[$doc:meta])* $name:ident -> $type:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// When the bytes are not its JSON.
        #[inline(never)]
        pub fn $name(json: &[u8]) -> Result<$type> {
            serde_json::from_slice(json)
        }
    )*};
}

/// Functions that write a type, each with the error of [`serde_json::to_vec`].
macro_rules! writers {
    ($($(#[$doc:meta])* $name:ident <- $type:ty;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// None arises from these types.
        #[inline(never)]
        pub fn $name(value: &$type) -> Result<Vec<u8>> {
            serde_json::to_vec(value)
        }
    )*};
}

readers! {
    /// Reads the answer to a poll.
    read_poll -> Poll<Raw>;
    /// Reads a page of records.
    read_records -> Records<Raw>;
    /// Reads a page of hashes.
    read_hashes -> Hashes;
    /// Reads one record of the egress view.
    read_egress -> EgressRecord;
    /// Reads one record of the ingress view.
    read_ingress -> IngressRecord;
    /// Reads the answer to a grant's call.
    read_grant -> GrantAnswer;
    /// Reads a plugin's configuration.
    read_config -> PluginConfig;
}

writers! {
    /// Writes what a plugin says of itself.
    write_report <- Report;
    /// Writes the keys that are wanted.
    write_wanted <- Wanted;
    /// Writes the call for a grant.
    write_grant_request <- GrantRequest;
}
