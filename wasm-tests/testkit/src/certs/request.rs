//! What a certificate shall say.

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType,
    date_time_ymd, string::Ia5String,
};

use super::der;
use crate::{Result, error::Doing as _};

/// One attribute of a subject, or several that share a relative distinguished name.
#[derive(Clone, Copy, Debug)]
pub enum Attribute<'a> {
    /// `CN`
    CommonName(&'a str),
    /// `C`
    Country(&'a str),
    /// `L`
    Locality(&'a str),
    /// `ST`
    State(&'a str),
    /// `O`
    Organization(&'a str),
    /// `OU`
    OrganizationalUnit(&'a str),
    /// A multi-valued relative distinguished name: `CN=a+OU=b`.
    Multi(&'a [Attribute<'a>]),
}

/// What a certificate shall say.
#[derive(Clone, Debug, Default)]
pub struct Request {
    subject: Option<Vec<u8>>,
    names: Vec<String>,
    uri: Option<String>,
    usages: Vec<ExtendedKeyUsagePurpose>,
    expired: bool,
}

impl Request {
    /// A TLS server for DNS names and IP addresses; its common name is the first.
    #[must_use]
    pub fn server(names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
            ..Self::default()
        }
    }

    /// A TLS client with this subject, attributes in the certificate's order.
    #[must_use]
    pub fn client(subject: &[Attribute<'_>]) -> Self {
        Self {
            subject: Some(der::name(subject)),
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            ..Self::default()
        }
    }

    /// A mesh identity: one URI, an empty subject, client and server.
    #[must_use]
    pub fn spiffe(uri: &str) -> Self {
        Self {
            uri: Some(uri.to_owned()),
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth],
            ..Self::default()
        }
    }

    /// The same with this URI as alternative name, whatever it looks like.
    #[must_use]
    pub fn uri(mut self, uri: &str) -> Self {
        self.uri = Some(uri.to_owned());
        self
    }

    /// The same, but its time is over.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.expired = true;
        self
    }

    /// DER of the subject, where rcgen cannot express it.
    pub(super) fn subject(&self) -> Option<&[u8]> {
        self.subject.as_deref()
    }

    pub(super) fn params(&self) -> Result<CertificateParams> {
        let mut params = CertificateParams::new(self.names.clone()).doing("cannot use a name")?;
        if let Some(uri) = &self.uri {
            params.subject_alt_names.push(SanType::URI(Ia5String::try_from(uri.as_str()).doing(uri)?));
        }
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = self.names.first() {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages.clone_from(&self.usages);
        params.use_authority_key_identifier_extension = true;
        lifetime(&mut params, self.expired);
        Ok(params)
    }
}

/// Fixed dates: a test's certificates live long enough, or ended long ago.
pub(super) fn lifetime(params: &mut CertificateParams, expired: bool) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(if expired { 2021 } else { 2049 }, 1, 1);
}
