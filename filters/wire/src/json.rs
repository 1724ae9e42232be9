//! Reading and writing the JSON of feed, grants and configuration in the plugin.
//!
//! The control plane uses serde, whose derived readers made a quarter of the module, float printing included, and took
//! 27 ns for each byte of a page, on a worker that has requests to serve. These do the same for the types of this crate by one
//! small `cursor`; tests hold the two equal. A field that is not known is ignored (contract versions N and N−1), except
//! in the configuration; of a field that comes twice the last one counts.

mod cursor;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::{read_config, read_egress, read_grant, read_hashes, read_ingress, read_poll, read_records};
pub use write::{write_grant_request, write_report, write_wanted};

/// A record's JSON as it came, complete in brackets and quotes: an envelope is read all or nothing, but each record by
/// itself.
pub type Raw<'a> = &'a [u8];

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was expected, or which field is missing or unknown.
    what: String,
    /// How many bytes were left; to say where.
    left: usize,
}

impl Error {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), left: 0 }
    }

    /// How many bytes before the end of the text it was seen.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        self.left
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        f.write_str(", ")?;
        std::fmt::Display::fmt(&self.left, f)?;
        f.write_str(" bytes before the end")
    }
}

impl std::error::Error for Error {}

/// What was read, or why not.
pub type Result<T> = std::result::Result<T, Error>;
