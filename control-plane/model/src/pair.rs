//! A client certificate with its key (AG §8.4, §8.5): from a Secret, to the broker (token endpoints) or, as part of a
//! transport profile, to Envoy (targets).

mod certificate;
mod der;
mod key;
mod product;

use std::fmt;

use fairlead_wire::feed::short_sha256;
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use crate::pem;
use certificate::Certificate;
use key::Key;

/// How many certificates a chain may have; more are a bundle of CAs by mistake.
const LONGEST_CHAIN: usize = 16;
/// How long before the end at most it is told, seconds.
const WARNING: i64 = 30 * 24 * 3_600;

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
    /// From when on its end is worth a word: 30 days before, or when a third of its life is left.
    pub ending: i64,
}

/// Why there is no pair. The texts hold nothing of what was read; they follow "Failed to prepare certificate," (AG E17, E19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairError {
    /// No certificate, or what stands in its place is none.
    NoCertificate,
    /// The chain has more certificates than any needs.
    LongChain,
    /// No key, or what stands in its place is none.
    NoKey,
    /// The key needs a passphrase.
    EncryptedKey,
    /// The key's algorithm is none that Envoy takes.
    KeyKind,
    /// The RSA key is too short or too long.
    KeyLength,
    /// The parts of the key contradict each other.
    BrokenKey,
    /// The key is not the certificate's.
    Mismatch,
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => {
                "'crt' holds no certificate: it must be PEM, the client's own certificate first"
            }
            Self::LongChain => {
                "'crt' holds more than 16 certificates: leave in it the client's own and its chain"
            }
            Self::NoKey => "'key' holds no private key: it must be PEM, as PKCS#8, PKCS#1 or SEC 1",
            Self::EncryptedKey => "'key' is encrypted: store it without a passphrase",
            Self::KeyKind => "'key' is of an unsupported kind: use RSA, or ECDSA with P-256, P-384 or P-521",
            Self::KeyLength => "'key' is an RSA key of unsupported length: use 2048 to 8192 bits",
            Self::BrokenKey => "'key' is damaged: its parts contradict each other",
            Self::Mismatch => "'key' does not belong to the first certificate of 'crt'",
        })
    }
}

impl std::error::Error for PairError {}

impl ClientPair {
    /// Reads PEM as Secrets hold it: text around the blocks, a chain behind the certificate, keys in any usual form (AG §8.4).
    ///
    /// # Errors
    /// See [`PairError`].
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let mut ders = Vec::new();
        for block in pem::blocks(&String::from_utf8_lossy(certificate)) {
            let block = block.map_err(|_| PairError::NoCertificate)?;
            if block.label == "CERTIFICATE" {
                ders.push(block.decode().ok_or(PairError::NoCertificate)?);
            }
        }
        if ders.len() > LONGEST_CHAIN {
            return Err(PairError::LongChain);
        }
        let chain = ders.iter().map(|der| Certificate::read(der)).collect::<Result<Vec<_>, _>>()?;
        let leaf = chain.first().ok_or(PairError::NoCertificate)?;
        let (label, der) = private_key(key)?;
        let key = Key::read(&label, &der)?;
        if leaf.key.as_ref() != Some(&key.public) {
            return Err(PairError::Mismatch);
        }
        let mut certificate_pem = String::new();
        ders.iter().for_each(|der| pem::encode(&mut certificate_pem, "CERTIFICATE", der));
        let mut key_pem = String::new();
        pem::encode(&mut key_pem, "PRIVATE KEY", &key.pkcs8);
        let fingerprint = short_sha256(certificate_pem.as_bytes());
        let ending = leaf.expires - WARNING.min((leaf.expires - leaf.begins) / 3);
        Ok(Self { certificate_pem, key_pem: key_pem.into(), fingerprint, expires: leaf.expires, ending })
    }
}

/// Label and content of the first block that is a key; `openssl` writes others in front, the parameters of a curve for instance.
fn private_key(pem: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>), PairError> {
    let text = SecretString::from(String::from_utf8_lossy(pem).into_owned());
    for block in pem::blocks(text.expose_secret()) {
        let block = block.map_err(|_| PairError::NoKey)?;
        match block.label {
            "ENCRYPTED PRIVATE KEY" => return Err(PairError::EncryptedKey),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
                // RFC 1421 §4.6.1.1, which `openssl` still writes for PKCS#1 and SEC 1.
                let encrypted = block.body.contains("Proc-Type") && block.body.contains("ENCRYPTED");
                let unreadable = if encrypted { PairError::EncryptedKey } else { PairError::NoKey };
                let der = block.decode().ok_or(unreadable)?;
                return Ok((block.label.to_owned(), Zeroizing::new(der)));
            }
            _ => {}
        }
    }
    Err(PairError::NoKey)
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

#[cfg(test)]
mod tests;
