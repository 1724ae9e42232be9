//! Why no identity could be established.

use thiserror::Error;

/// Why there is no identity. Only [`Missing`](Self::Missing) is answered differently (CV §3: V1, the others V4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// There is no header, or it is empty.
    #[error("no client certificate was forwarded")]
    Missing,
    /// No element of the header has a subject that may count, or the subject is empty.
    #[error("the client certificate has no subject")]
    NoSubject,
    /// The header is not what Envoy writes.
    #[error("the header X-Forwarded-Client-Cert is malformed")]
    MalformedHeader,
    /// The header has an element left of the one that counts, where the gateway wrote it anew.
    #[error("a name in the client certificate imitates an element of X-Forwarded-Client-Cert")]
    Imitated,
    /// The subject is not an RFC 2253 name.
    #[error("the client certificate's subject is not an RFC 2253 name")]
    MalformedName,
    /// The subject has no common name, an empty one, or one that is not text.
    #[error("the client certificate's subject has no common name")]
    NoCommonName,
    /// The subject has more than one common name: which one was verified for what is unknown.
    #[error("the client certificate's subject has several common names")]
    SeveralCommonNames,
}
