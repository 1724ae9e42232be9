//! Who an external system is: its client certificate's subject, and whether that subject is an Application's.
//!
//! The subject comes from `X-Forwarded-Client-Cert` ([`gateway_subject`]) or from the connection's own property
//! `subject_peer_certificate` ([`Subject::parse`]); both are RFC 2253 text as BoringSSL prints it ([`name`]). The
//! ingress pipeline asks [`matches()`] whether it is one of those that the feed's record for the Application allows.
//!
//! What is stricter than in Kyma (CV §10): only one element of the header counts, names are unescaped, a subject
//! with two common names is nobody's, and an empty client id matches nothing.

mod error;
pub mod name;
mod subject;
pub mod xfcc;

pub use error::IdentityError;
pub use subject::{Subject, matches};

/// The subject of the external system's certificate, from an `X-Forwarded-Client-Cert` value that the very gateway
/// that verified the certificate wrote anew (`SANITIZE_SET`). This is what an ingress gateway asks.
///
/// There, nothing can be left of the element that counts, unless a URI in the certificate imitates an element
/// (see [`xfcc`]): then the subject is that of nobody.
///
/// # Errors
/// As [`client_subject`], and [`IdentityError::Imitated`].
pub fn gateway_subject(xfcc: &[u8]) -> Result<Subject<'_>, IdentityError> {
    let client = xfcc::client(xfcc)?;
    if client.first { Subject::parse(client.subject) } else { Err(IdentityError::Imitated) }
}

/// The subject of the external system's certificate, from an `X-Forwarded-Client-Cert` value to which every hop
/// appends, the client's own header included. Where the gateway writes it anew, ask [`gateway_subject`].
///
/// Which element of the header counts: see [`xfcc::client`].
///
/// # Errors
/// Any [`IdentityError`]; [`IdentityError::Missing`] is CV's V1, every other one V4.
pub fn client_subject(xfcc: &[u8]) -> Result<Subject<'_>, IdentityError> {
    Subject::parse(xfcc::client(xfcc)?.subject)
}
