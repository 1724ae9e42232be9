//! What the CA signs, and the self-signed server certificate.

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType, string::Ia5String,
};

use x509_parser::{extensions::GeneralName, prelude::FromDer};

use crate::{Error, validity};

/// How long a leaf lives, days; it is renewed long before (see [`Validity::due`](crate::Validity::due)).
pub const LEAF_DAYS: u32 = 90;

/// A certificate to be made.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Common name: for people who read the certificate, nothing decides by it.
    pub name: String,
    /// URI names; a SPIFFE certificate has exactly one.
    pub uris: Vec<String>,
    /// DNS names.
    pub dns: Vec<String>,
    /// Usable as a TLS server.
    pub server: bool,
    /// Usable as a TLS client.
    pub client: bool,
}

impl Leaf {
    /// A client certificate with one SPIFFE id.
    #[must_use]
    pub fn client(name: &str, spiffe: &str) -> Self {
        Self {
            name: name.to_owned(),
            uris: vec![spiffe.to_owned()],
            dns: Vec::new(),
            server: false,
            client: true,
        }
    }

    /// A server certificate for DNS names.
    #[must_use]
    pub fn server(name: &str, dns: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            uris: Vec::new(),
            dns: dns.iter().map(|&n| n.to_owned()).collect(),
            server: true,
            client: false,
        }
    }
}

/// A certificate and its private key.
pub struct Pair {
    /// Certificate, PEM.
    pub certificate_pem: String,
    /// Private key, PKCS#8 PEM: to be stored with mode 0600.
    pub key_pem: String,
}

/// A self-signed server certificate for `leaf`'s names, valid from `now` (Unix seconds).
///
/// # Errors
/// [`Error::Make`] when a name has no place in a certificate, or key generation or signing fails.
pub fn self_signed_server(leaf: &Leaf, now: i64) -> Result<Pair, Error> {
    let failed = |source| Error::Make { subject: leaf.name.clone(), source };
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = params(leaf, now)?.self_signed(&key).map_err(failed)?;
    Ok(Pair { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
}

/// URI and DNS names of the first certificate of a PEM text, in its order.
///
/// # Errors
/// [`Error::Read`] when there is none.
pub fn names(pem: &str) -> Result<Vec<String>, Error> {
    let failed = |reason: String| Error::Read { what: "certificate", reason };
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|e| failed(e.to_string()))?;
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(&pem.contents)
        .map_err(|e| failed(e.to_string()))?;
    let names = certificate.subject_alternative_name().map_err(|e| failed(e.to_string()))?;
    let names = names.map(|names| {
        names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(name) | GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
    });
    Ok(names.into_iter().flatten().collect())
}

pub(crate) fn params(leaf: &Leaf, now: i64) -> Result<CertificateParams, Error> {
    let failed = |source| Error::Make { subject: leaf.name.clone(), source };
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, leaf.name.as_str());
    for uri in &leaf.uris {
        params.subject_alt_names.push(SanType::URI(Ia5String::try_from(uri.as_str()).map_err(failed)?));
    }
    for name in &leaf.dns {
        params.subject_alt_names.push(SanType::DnsName(Ia5String::try_from(name.as_str()).map_err(failed)?));
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if leaf.server {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if leaf.client {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    params.use_authority_key_identifier_extension = true;
    validity::set(&mut params, now, LEAF_DAYS)?;
    Ok(params)
}
