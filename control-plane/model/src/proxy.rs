//! An HTTP proxy in front of targets and token endpoints: from an installation or an Application, into transport profiles
//! and grants.

use std::fmt;

use serde::Serialize;

/// A proxy that takes `CONNECT` (RFC 9110 §9.3.6), spoken to without TLS and without credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Proxy {
    /// Host name in lower case, or IP address; IPv6 in brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// As the authority of a URL.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
