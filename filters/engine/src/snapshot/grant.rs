//! Grants as pipelines see them.

use std::fmt;

use fairlead_credential_injector::csrf::Session;

/// What a grant puts on a request.
pub struct Grant {
    /// The complete `Authorization` value; empty where it is the session that was granted.
    pub authorization: Box<[u8]>,
    /// A CSRF token and its cookies.
    pub csrf: Option<Session>,
    /// Rises with every new one.
    pub serial: u64,
    /// Grants from this serial on had the same content: a token endpoint may give one token twice.
    pub same_since: u64,
}

impl Grant {
    /// Whether a request with this one differs from a request with the grant of `serial`.
    #[must_use]
    pub fn differs_from(&self, serial: u64) -> bool {
        self.same_since > serial
    }

    /// Whether a request cannot tell the two apart.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.authorization == other.authorization && self.csrf == other.csrf
    }
}

/// Values are secrets.
impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("serial", &self.serial).finish_non_exhaustive()
    }
}

/// A grant at one moment.
#[derive(Clone, Copy, Debug)]
pub enum GrantState<'a> {
    /// It can be used.
    Ready(&'a Grant),
    /// Not there: wait for it.
    Missing,
}

/// Where pipelines find grants.
pub trait Grants {
    /// The grant of this id now.
    fn grant(&self, id: &str) -> GrantState<'_>;
}
