//! Fairlead's own CA: signs the two gateways' and the control plane's certificates, nothing else.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::{Error, Leaf, Pair, Validity, leaf, validity};

/// How long a new CA lives, days: ten years.
pub const CA_DAYS: u32 = 3650;

/// A CA that can sign.
pub struct Authority {
    certificate_pem: String,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new P-256 CA with common name `name`, valid from `now` (Unix seconds) for [`CA_DAYS`].
    ///
    /// # Errors
    /// [`Error::Make`] when key generation or signing fails, [`Error::Time`] for a time outside the calendar.
    pub fn generate(name: &str, now: i64) -> Result<Self, Error> {
        let failed = |source| Error::Make { subject: name.to_owned(), source };
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity::set(&mut params, now, CA_DAYS)?;
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let certificate_pem = params.self_signed(&key).map_err(failed)?.pem();
        let key_pem = key.serialize_pem();
        Ok(Self { certificate_pem, key_pem, issuer: Issuer::new(params, key) })
    }

    /// Reads a stored CA.
    ///
    /// # Errors
    /// [`Error::Read`] when certificate or key is not what was stored.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, Error> {
        let key =
            KeyPair::from_pem(key_pem).map_err(|e| Error::Read { what: "CA key", reason: e.to_string() })?;
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key)
            .map_err(|e| Error::Read { what: "CA certificate", reason: e.to_string() })?;
        Ok(Self { certificate_pem: certificate_pem.to_owned(), key_pem: key_pem.to_owned(), issuer })
    }

    /// Signs a leaf with a new P-256 key, valid from `now` (Unix seconds), never past the CA.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn issue(&self, leaf: &Leaf, now: i64) -> Result<Pair, Error> {
        let failed = |source| Error::Make { subject: leaf.name.clone(), source };
        let mut params = leaf::params(leaf, now)?;
        let end = Validity::of_pem(&self.certificate_pem)?.not_after;
        params.not_after = params.not_after.min(validity::time(end)?);
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Pair { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// The CA certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's private key, PKCS#8 PEM: to be stored with mode 0600.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::{extensions::GeneralName, prelude::FromDer};

    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn der(pem: &str) -> Vec<u8> {
        x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap().1.contents
    }

    #[test]
    fn a_leaf_has_one_spiffe_uri_and_is_signed_by_the_ca() {
        let ca = Authority::generate("fairlead control", NOW).unwrap();
        let leaf =
            Leaf::client("fairlead-egress", &crate::spiffe("td", "fairlead-egress", "fairlead-egress"));
        let pair = ca.issue(&leaf, NOW).unwrap();
        let (ca_der, leaf_der) = (der(ca.certificate_pem()), der(&pair.certificate_pem));
        let (_, ca_cert) = x509_parser::certificate::X509Certificate::from_der(&ca_der).unwrap();
        let (_, cert) = x509_parser::certificate::X509Certificate::from_der(&leaf_der).unwrap();
        cert.verify_signature(Some(ca_cert.public_key())).unwrap();
        let names = cert.subject_alternative_name().unwrap().unwrap().value.general_names.clone();
        assert_eq!(names, [GeneralName::URI("spiffe://td/ns/fairlead-egress/sa/fairlead-egress")]);
        assert!(ca_cert.is_ca() && !cert.is_ca());
    }

    #[test]
    fn a_stored_ca_signs_what_the_same_ca_verifies() {
        let ca = Authority::generate("fairlead control", NOW).unwrap();
        let again = Authority::from_pem(ca.certificate_pem(), ca.key_pem()).unwrap();
        let pair = again.issue(&Leaf::server("control", &["fairlead-control"]), NOW).unwrap();
        let (ca_der, leaf_der) = (der(ca.certificate_pem()), der(&pair.certificate_pem));
        let (_, ca_cert) = x509_parser::certificate::X509Certificate::from_der(&ca_der).unwrap();
        let (_, cert) = x509_parser::certificate::X509Certificate::from_der(&leaf_der).unwrap();
        cert.verify_signature(Some(ca_cert.public_key())).unwrap();
        assert_eq!(cert.issuer(), ca_cert.subject());
    }

    #[test]
    fn a_leaf_never_outlives_its_ca() {
        let ca = Authority::generate("fairlead control", NOW).unwrap();
        let end = Validity::of_pem(ca.certificate_pem()).unwrap().not_after;
        let late = ca.issue(&Leaf::server("control", &["c"]), end - 86_400).unwrap();
        assert_eq!(Validity::of_pem(&late.certificate_pem).unwrap().not_after, end);
    }

    #[test]
    fn a_damaged_store_is_an_error_that_names_the_part() {
        let ca = Authority::generate("x", NOW).unwrap();
        let Err(error) = Authority::from_pem("nonsense", ca.key_pem()) else { panic!("accepted") };
        assert!(error.to_string().starts_with("the stored CA certificate cannot be read"), "{error}");
        let Err(error) = Authority::from_pem(ca.certificate_pem(), "nonsense") else { panic!("accepted") };
        assert!(error.to_string().starts_with("the stored CA key cannot be read"), "{error}");
    }
}
