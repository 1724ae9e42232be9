//! Certificates that Fairlead makes for itself: its own CA, and what that CA signs.
//!
//! Nothing here reads a clock or a file: the caller passes the time and stores what it gets
//! (`fairlead`'s `certificates` module does both).
//!
//! What is made: a CA for the traffic between gateways and control plane (design decision 8), leaf certificates
//! with exactly one SPIFFE URI for the gateways, a server certificate for the control plane, and a self-signed
//! server certificate for the ingress gateway where none is configured (decision 8 of spec/decisions).

pub mod authority;
pub mod leaf;
pub mod validity;

pub use authority::Authority;
pub use leaf::{Leaf, Pair, names, self_signed_server};
pub use validity::Validity;

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Key generation or signing failed, or a name has no place in a certificate.
    #[error("cannot make the certificate of {subject}: {source}")]
    Make {
        /// Whose certificate.
        subject: String,
        /// What the signer says.
        source: rcgen::Error,
    },
    /// A stored certificate or key cannot be read.
    #[error("the stored {what} cannot be read: {reason}")]
    Read {
        /// `CA certificate`, `CA key`, `certificate`.
        what: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// A time outside what a certificate can carry.
    #[error("{0} is no time for a certificate")]
    Time(i64),
}

/// The SPIFFE id of a service account: `spiffe://{trust domain}/ns/{namespace}/sa/{account}`.
#[must_use]
pub fn spiffe(trust_domain: &str, namespace: &str, account: &str) -> String {
    format!("spiffe://{trust_domain}/ns/{namespace}/sa/{account}")
}
