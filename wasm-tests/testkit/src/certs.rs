//! Certificates for tests: authorities, servers, clients with any subject, SPIFFE identities, expired ones.

mod der;
mod request;

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

pub use request::{Attribute, Request};

use crate::{Result, error::Doing as _};

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

impl Authority {
    /// A new P-256 authority with this common name.
    ///
    /// # Errors
    /// Key generation or signing fails.
    pub fn new(name: &str) -> Result<Self> {
        let key = KeyPair::generate().doing("cannot make a CA key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        request::lifetime(&mut params, false);
        let certificate_pem = params.self_signed(&key).doing("cannot make a CA certificate")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem })
    }

    /// Its certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Issues what `request` says, with a new key.
    ///
    /// # Errors
    /// A name that a certificate cannot hold, or signing fails.
    pub fn issue(&self, request: &Request) -> Result<Identity> {
        let key = KeyPair::generate().doing("cannot make a key")?;
        let params = request.params()?;
        let certificate = params.signed_by(&key, &self.issuer).doing("cannot issue a certificate")?;
        let der = match request.subject() {
            None => certificate.der().to_vec(),
            Some(subject) => der::with_subject(certificate.der(), subject, self.issuer.key())?,
        };
        Ok(Identity { certificate_pem: der::pem("CERTIFICATE", &der), key_pem: key.serialize_pem() })
    }

    /// A TLS server for these DNS names and IP addresses.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn server(&self, names: &[&str]) -> Result<Identity> {
        self.issue(&Request::server(names))
    }

    /// A TLS client whose subject is this common name alone.
    ///
    /// # Errors
    /// As [`issue`](Self::issue).
    pub fn client(&self, common_name: &str) -> Result<Identity> {
        self.issue(&Request::client(&[Attribute::CommonName(common_name)]))
    }
}

/// A certificate (chain) with its private key.
#[derive(Clone)]
pub struct Identity {
    /// PEM, the leaf first.
    pub certificate_pem: String,
    /// PKCS#8 PEM.
    pub key_pem: String,
}

impl Identity {
    /// A server certificate that nobody but itself vouches for.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn self_signed(names: &[&str]) -> Result<Self> {
        let key = KeyPair::generate().doing("cannot make a key")?;
        let certificate =
            Request::server(names).params()?.self_signed(&key).doing("cannot sign a certificate")?;
        Ok(Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// The chain as rustls takes it.
    ///
    /// # Errors
    /// The PEM cannot be read.
    pub fn chain(&self) -> Result<Vec<CertificateDer<'static>>> {
        certificates(&self.certificate_pem)
    }

    /// The key as rustls takes it.
    ///
    /// # Errors
    /// The PEM cannot be read.
    pub fn key(&self) -> Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).doing("cannot read a key")
    }

    /// Writes `{name}.pem` and `{name}.key` into `directory`; their paths.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&self, directory: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) =
            (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.certificate_pem).doing("cannot write a certificate")?;
        std::fs::write(&key, &self.key_pem).doing("cannot write a key")?;
        Ok((certificate, key))
    }
}

/// All certificates of a PEM text.
///
/// # Errors
/// One cannot be read.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<std::result::Result<_, _>>()
        .doing("cannot read certificates")
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    use super::*;

    #[test]
    fn subjects_are_as_asked_down_to_their_structure() {
        let authority = Authority::new("test CA").unwrap();
        let request = Request::client(&[
            Attribute::Country("DE"),
            Attribute::Multi(&[Attribute::CommonName("a"), Attribute::OrganizationalUnit("Ünit")]),
            Attribute::CommonName("b"),
            Attribute::CommonName("c, with=signs"),
        ]);
        let identity = authority.issue(&request).unwrap();
        let chain = identity.chain().unwrap();
        let (_, certificate) = X509Certificate::from_der(&chain[0]).unwrap();
        let sets: Vec<Vec<_>> = certificate
            .subject()
            .iter_rdn()
            .map(|set| set.iter().map(|one| one.as_str().unwrap().to_owned()).collect())
            .collect();
        assert_eq!(sets, [vec!["DE"], vec!["a", "Ünit"], vec!["b"], vec!["c, with=signs"]]);
        let ca = certificates(authority.pem()).unwrap();
        let (_, ca) = X509Certificate::from_der(&ca[0]).unwrap();
        certificate.verify_signature(Some(ca.public_key())).unwrap();
    }

    #[test]
    fn a_spiffe_identity_has_one_uri_and_an_expired_one_is_over() {
        let authority = Authority::new("test CA").unwrap();
        let request = Request::spiffe("spiffe://cluster.local/ns/a/sa/b").expired();
        let chain = authority.issue(&request).unwrap().chain().unwrap();
        let (_, certificate) = X509Certificate::from_der(&chain[0]).unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap().value.general_names.len();
        assert_eq!(names, 1);
        assert!(!certificate.validity().is_valid());
    }
}
