//! Keys and certificates of the API server, of our own making.

use std::path::{Path, PathBuf};

use rcgen::KeyPair;

use super::HOST;
use crate::{
    Result,
    certs::{Attribute, Authority, Identity, Request},
    error::Doing as _,
};

/// Files for the API server, and the administrator's certificate.
pub(super) struct Pki {
    /// The authority's certificate, PEM.
    pub(super) authority: String,
    pub(super) authority_file: PathBuf,
    pub(super) server: (PathBuf, PathBuf),
    pub(super) admin: Identity,
    /// Key that service-account tokens are signed with, and the public half that proves them.
    pub(super) tokens: (PathBuf, PathBuf),
}

impl Pki {
    pub(super) fn new(directory: &Path) -> Result<Self> {
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let file = directory.join(name);
            std::fs::write(&file, text).doing(file.display())?;
            Ok(file)
        };
        let authority = Authority::new("mesh")?;
        let host = HOST.to_string();
        let names =
            ["kubernetes.default.svc", "kubernetes.default", "kubernetes", "localhost", &host, "127.0.0.1"];
        let server = authority.server(&names)?.write(directory, "api-server")?;
        let subject = [Attribute::Organization("system:masters"), Attribute::CommonName("admin")];
        let admin = authority.issue(&Request::client(&subject))?;
        let key = KeyPair::generate().doing("cannot make a key for tokens")?;
        Ok(Self {
            authority: authority.pem().to_owned(),
            authority_file: write("ca.pem", authority.pem())?,
            server,
            admin,
            tokens: (write("tokens.key", &key.serialize_pem())?, write("tokens.pub", &key.public_key_pem())?),
        })
    }
}
