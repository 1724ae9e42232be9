//! One error for the whole kit: a sentence that says what failed and with what.

use std::fmt;

/// What failed. Prints the same with `{}` and `{:?}`, so that `unwrap` in a test shows the sentence.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(String);

/// Result with [`Error`].
pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// An error with this text.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Adds what was being done to any error.
pub trait Doing<T> {
    /// `{what}: {error}`.
    ///
    /// # Errors
    /// The error of `self`, with the words in front.
    fn doing(self, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Error(format!("{what}: {error}")))
    }
}
