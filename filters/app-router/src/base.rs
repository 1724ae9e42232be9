//! The path of a target's URL, prepared once when its record arrives, so that a request only copies.

use thiserror::Error;

use crate::bytes::{PERCENT, STRAY, classes_in, decoded, encode, escapes_are_valid, keep};

/// Base path of a target in the spellings that go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// As in `targetUrl`, only bytes that must not stand in a path escaped. Empty, or begins with a slash.
    spelt: Box<[u8]>,
    /// `enc` of the decoded path (AG §5.1) where that differs from `spelt`.
    encoded: Option<Box<[u8]>>,
    /// With `encodeUrl` and nothing behind it, the base goes out as spelt: it has no escape and no stray byte.
    alone_as_spelt: bool,
}

/// Why a string is no base path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BaseError {
    /// A `%` without two hexadecimal digits.
    #[error("invalid percent escape in the path of the target URL")]
    Escape,
    /// A control byte.
    #[error("control character in the path of the target URL")]
    Control,
}

impl Base {
    /// Prepares the path of a `targetUrl`, as spelt there; empty if it has none. A missing first slash is added.
    ///
    /// # Errors
    /// [`BaseError`]: what makes `targetUrl` unparseable in the reference too (AG §4, E11).
    pub fn new(path: &str) -> Result<Self, BaseError> {
        let given = path.as_bytes();
        if given.iter().any(u8::is_ascii_control) {
            return Err(BaseError::Control);
        }
        if !escapes_are_valid(given) {
            return Err(BaseError::Escape);
        }
        let (mut spelt, mut encoded) = (Vec::new(), Vec::new());
        if given.first().is_some_and(|first| *first != b'/') {
            spelt.push(b'/');
            encoded.push(b'/');
        }
        keep(&mut spelt, given);
        encode(&mut encoded, decoded(given));
        Ok(Self {
            encoded: (encoded != spelt).then(|| encoded.into()),
            spelt: spelt.into(),
            alone_as_spelt: classes_in(given) & (PERCENT | STRAY) == 0,
        })
    }

    /// What goes out before a sub-path, without the slash between them.
    pub(crate) fn stem(&self, encode: bool) -> &[u8] {
        let whole = if encode { self.encoded.as_deref().unwrap_or(&self.spelt) } else { &self.spelt };
        whole.strip_suffix(b"/").unwrap_or(whole)
    }

    /// What goes out when there is no sub-path.
    pub(crate) fn alone(&self, encode: bool) -> &[u8] {
        let whole = match &self.encoded {
            Some(encoded) if encode && !self.alone_as_spelt => encoded,
            _ => &self.spelt,
        };
        if whole.is_empty() { b"/" } else { whole }
    }
}
