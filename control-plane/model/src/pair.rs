//! A client certificate with its key (AG §8.4, §8.5): from a Secret, to the broker (token endpoints) or, as part of a
//! transport profile, to Envoy (targets).

use std::fmt;

use secrecy::SecretString;

/// A client certificate with its key, both read, found to belong together and written anew. It prints without the key.
#[derive(Clone)]
pub struct ClientPair {
    /// The certificate and what follows it in the chain, PEM, nothing in between.
    pub certificate_pem: String,
    /// The key, PEM, PKCS#8.
    pub key_pem: SecretString,
    /// 128 bits of SHA-256 of the chain, hex. Says nothing about the key, and all about which one it is: a certificate
    /// has one.
    pub fingerprint: String,
    /// When the certificate ends, seconds since 1970. Nothing is refused for it: the server that is called decides.
    pub expires: i64,
}

/// Equal certificates have equal keys, since only whoever holds the key gets a pair.
impl PartialEq for ClientPair {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for ClientPair {}

impl fmt::Debug for ClientPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPair")
            .field("fingerprint", &self.fingerprint)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
