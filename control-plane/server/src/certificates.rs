//! Fairlead's own certificates as files in the state directory: made when absent, renewed in their last third.
//!
//! `pki/ca.{crt,key}` sign the others: `control` (the gateways' port), `egress` and `ingress` (the gateways, one SPIFFE
//! id each). `ingress-server` is self-signed, where the configuration names no pair. Keys have mode 0600. Envoy
//! watches the directory and takes renewed pairs; a CA that has to be replaced replaces all it signed.

use std::path::{Path, PathBuf};

use fairlead_pki::{Authority, Leaf, Pair, Validity, names, self_signed_server};
use fairlead_wire::feed::View;

use crate::{
    config::Config,
    files::{self, FileError},
    mtls,
};

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate.
    #[error(transparent)]
    Pki(#[from] fairlead_pki::Error),
}

/// Where the certificates are.
#[derive(Clone, Debug)]
pub struct Certificates {
    directory: PathBuf,
}

/// What [`Certificates::ensure`] found or made.
pub struct Ensured {
    /// Names of pairs that are new.
    pub renewed: Vec<&'static str>,
    /// The CA, PEM.
    pub ca_pem: String,
    /// The control plane's certificate, PEM.
    pub control_pem: String,
    /// Its key, PEM.
    pub control_key_pem: String,
}

impl Certificates {
    /// Below the state directory, which is an absolute path.
    #[must_use]
    pub fn new(state: &Path) -> Self {
        Self { directory: state.join("pki") }
    }

    /// Path of a certificate: `ca`, `control`, `egress`, `ingress` or `ingress-server`.
    #[must_use]
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.crt"))
    }

    /// Path of its key.
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.key"))
    }

    /// Makes what is absent, out of date at `now` (Unix seconds), or made for other names.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn ensure(&self, config: &Config, now: i64) -> Result<Ensured, CertificateError> {
        files::make_private(&self.directory)?;
        let mut renewed = Vec::new();
        let authority = match self.authority(now)? {
            Some(authority) => authority,
            None => {
                let made = Authority::generate("Fairlead control plane", now)?;
                self.write("ca", made.certificate_pem(), made.key_pem())?;
                renewed.push("ca");
                made
            }
        };
        let own = &config.control.server_name;
        let egress = mtls::id(&config.trust_domain, View::Egress);
        let ingress = mtls::id(&config.trust_domain, View::Ingress);
        for (name, leaf) in [
            ("control", Leaf::server("fairlead-control", &[own])),
            ("egress", Leaf::client("fairlead-egress", &egress)),
            ("ingress", Leaf::client("fairlead-ingress", &ingress)),
        ] {
            if renewed.first() == Some(&"ca") || self.due(name, &leaf, now)? {
                let Pair { certificate_pem, key_pem } = authority.issue(&leaf, now)?;
                self.write(name, &certificate_pem, &key_pem)?;
                renewed.push(name);
            }
        }
        if let Some(ingress) =
            config.gateways.ingress.as_ref().filter(|ingress| ingress.certificate.is_none())
        {
            let hosts: Vec<&str> =
                ingress.hosts.iter().map(String::as_str).filter(|host| *host != "*").collect();
            let leaf = Leaf::server("fairlead-ingress", &hosts);
            if self.due("ingress-server", &leaf, now)? {
                let Pair { certificate_pem, key_pem } = self_signed_server(&leaf, now)?;
                self.write("ingress-server", &certificate_pem, &key_pem)?;
                renewed.push("ingress-server");
            }
        }
        Ok(Ensured {
            renewed,
            ca_pem: authority.certificate_pem().to_owned(),
            control_pem: files::read_optional(&self.certificate("control"))?.unwrap_or_default(),
            control_key_pem: files::read_optional(&self.key("control"))?.unwrap_or_default(),
        })
    }

    fn authority(&self, now: i64) -> Result<Option<Authority>, CertificateError> {
        let certificate = files::read_optional(&self.certificate("ca"))?;
        let key = files::read_optional(&self.key("ca"))?;
        let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
        let authority = Authority::from_pem(&certificate, &key)?;
        Ok((!Validity::of_pem(&certificate)?.due(now)).then_some(authority))
    }

    fn due(&self, name: &str, leaf: &Leaf, now: i64) -> Result<bool, CertificateError> {
        let certificate = files::read_optional(&self.certificate(name))?;
        let key = files::read_optional(&self.key(name))?;
        let (Some(certificate), Some(_)) = (certificate, key) else { return Ok(true) };
        let wanted = leaf.uris.iter().chain(&leaf.dns);
        // One that cannot be read is made anew: nobody else depends on it.
        let (Ok(validity), Ok(names)) = (Validity::of_pem(&certificate), names(&certificate)) else {
            return Ok(true);
        };
        Ok(validity.due(now) || !names.iter().eq(wanted))
    }

    /// The key first: whoever notices the certificate finds its key.
    fn write(&self, name: &str, certificate: &str, key: &str) -> Result<(), FileError> {
        files::replace(&self.key(name), key.as_bytes(), 0o600)?;
        files::replace(&self.certificate(name), certificate.as_bytes(), 0o644)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    const NOW: i64 = 1_790_000_000;
    const DAY: i64 = 86_400;

    #[test]
    fn certificates_are_made_once_kept_and_renewed() {
        let state = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(state.path());
        let config = Config::default();
        let first = certificates.ensure(&config, NOW).unwrap();
        assert_eq!(first.renewed, ["ca", "control", "egress", "ingress", "ingress-server"]);
        for name in first.renewed {
            let mode = fs::metadata(certificates.key(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert!(certificates.ensure(&config, NOW + DAY).unwrap().renewed.is_empty());
        let later = certificates.ensure(&config, NOW + 61 * DAY).unwrap();
        assert_eq!(later.renewed, ["control", "egress", "ingress", "ingress-server"]);
        assert_eq!(later.ca_pem, first.ca_pem);
        let end = certificates.ensure(&config, NOW + 3000 * DAY).unwrap();
        assert_eq!(end.renewed.first(), Some(&"ca"));
    }

    #[test]
    fn other_names_and_lost_keys_make_new_certificates() {
        let state = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(state.path());
        certificates.ensure(&Config::default(), NOW).unwrap();
        let other = Config { trust_domain: "other.example".to_owned(), ..Config::default() };
        assert_eq!(certificates.ensure(&other, NOW).unwrap().renewed, ["egress", "ingress"]);
        fs::remove_file(certificates.key("control")).unwrap();
        assert_eq!(certificates.ensure(&other, NOW).unwrap().renewed, ["control"]);
    }
}
