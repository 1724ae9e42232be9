//! An answer, exactly as it came.

use serde::de::DeserializeOwned;

use crate::{Error, Result, error::Doing as _, external::record::Raw};

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Informational statuses that came ahead.
    pub early: Vec<u16>,
    /// Status.
    pub status: u16,
    /// Header lines in order and as spelt.
    pub headers: Vec<(Raw, Raw)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Trailer lines.
    pub trailers: Vec<(Raw, Raw)>,
    /// The body ended as announced.
    pub complete: bool,
}

impl Response {
    /// Values of all header lines of this name, in order; case does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<String> {
        let lines = self.headers.iter().filter(|(have, _)| have.0.eq_ignore_ascii_case(name.as_bytes()));
        lines.map(|(_, value)| value.text()).collect()
    }

    /// Lower-case names of all header lines, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.headers.iter().map(|(name, _)| name.text().to_ascii_lowercase()).collect();
        names.sort();
        names
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// It is none, or of another shape; with the answer.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).doing(format!("status {}, body {}", self.status, self.text()))
    }

    /// This answer, if it has the status.
    ///
    /// # Errors
    /// It has another; with the answer.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        Err(Error::new(format!("status {} instead of {status}: {}", self.status, self.text())))
    }
}
