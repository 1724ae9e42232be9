//! Who an external system is: its client certificate's subject, and whether that subject is an Application's.
//!
//! The subject comes from `X-Forwarded-Client-Cert` ([`xfcc::client`]) or from the connection's own property
//! `subject_peer_certificate` ([`Subject::parse`]); both are RFC 2253 text as BoringSSL prints it ([`name`]). The
//! ingress pipeline asks [`matches`] whether it is one of those that the feed's record for the Application allows.
//!
//! What is stricter than in Kyma (CV §10): only one element of the header counts, names are unescaped, a subject
//! with two common names is nobody's, and an empty client id matches nothing.

mod error;
pub mod name;
mod subject;
pub mod xfcc;

pub use error::IdentityError;
pub use subject::{Subject, matches};

/// The subject of the external system's certificate, from a complete `X-Forwarded-Client-Cert` value.
///
/// Which element of the header counts: see [`xfcc::client`].
///
/// # Errors
/// Any [`IdentityError`]; [`IdentityError::Missing`] is CV's V1, every other one V4.
pub fn client_subject(xfcc: &[u8]) -> Result<Subject<'_>, IdentityError> {
    Subject::parse(xfcc::client(xfcc)?.subject)
}
