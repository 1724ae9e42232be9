//! A real OAuth server beside the double: `oauth/server.py` (Authlib), run by the Python in `FAIRLEAD_OAUTH_PYTHON`.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tempfile::TempDir;

use crate::{
    Error, Result,
    certs::Identity,
    error::Doing as _,
    http,
    process::{self, Process},
    wait,
};

/// A running server. Dropping ends it.
pub struct OAuthServer {
    process: Process,
    address: SocketAddr,
    /// Where its certificates are, if it speaks TLS.
    tls: Option<TempDir>,
}

#[derive(Deserialize)]
struct Ready {
    address: SocketAddr,
}

#[derive(Deserialize)]
struct Issued {
    tokens: u64,
}

impl OAuthServer {
    /// Starts one on 127.0.0.2 that knows one client; its tokens live `lifetime` seconds.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(client_id: &str, client_secret: &str, lifetime: u32) -> Result<Self> {
        Self::start_at(Ipv4Addr::new(127, 0, 0, 2), client_id, client_secret, lifetime)
    }

    /// [`start`](Self::start) at another address.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_at(address: Ipv4Addr, client_id: &str, client_secret: &str, lifetime: u32) -> Result<Self> {
        let (address, lifetime) = (address.to_string(), lifetime.to_string());
        let options = [
            ["--bind", &address],
            ["--client-id", client_id],
            ["--client-secret", client_secret],
            ["--lifetime", &lifetime],
        ];
        Self::run(options.as_flattened().iter().map(OsString::from).collect(), None)
    }

    /// Starts one that speaks TLS with a self-signed certificate, and whose client authenticates by this certificate
    /// (RFC 8705, `tls_client_auth`).
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_mutual(client_id: &str, client: &Identity, lifetime: u32) -> Result<Self> {
        let directory = tempfile::tempdir().doing("cannot make a directory")?;
        let (certificate, key) =
            Identity::self_signed(&["127.0.0.2", "localhost"])?.write(directory.path(), "server")?;
        let (client, _) = client.write(directory.path(), "client")?;
        let mut options: Vec<OsString> =
            ["--client-id", client_id, "--lifetime", &lifetime.to_string()].map(OsString::from).into();
        for (name, file) in [("--certificate", certificate), ("--key", key), ("--client-certificate", client)]
        {
            options.extend([name.into(), file.into()]);
        }
        Self::run(options, Some(directory))
    }

    fn run(options: Vec<OsString>, tls: Option<TempDir>) -> Result<Self> {
        let program = process::program("FAIRLEAD_OAUTH_PYTHON", "tools/oauth/bin/python")?;
        let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("oauth/server.py");
        let arguments = std::iter::once(script.into_os_string()).chain(options);
        let process = Process::start(&program, arguments, &[])?;
        let line = process
            .stdout()
            .wait_for("ready line", wait::START, |text| {
                text.split_once('\n').map(|(line, _)| line.to_owned())
            })
            .map_err(|error| Error::new(format!("{error}{}", process.stderr().text())))?;
        let ready: Ready = serde_json::from_str(&line).doing("cannot read the OAuth server's address")?;
        Ok(Self { process, address: ready.address, tls })
    }

    /// Its token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("{}/token", self.url())
    }

    /// Base URL; `/protected` below it demands a token that it issued.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// How many tokens it issued.
    ///
    /// # Errors
    /// It does not answer.
    pub fn issued(&self) -> Result<u64> {
        let request = http::Request::new("GET", "/issued");
        let answer = match self.tls {
            None => http::call(self.address, &request)?,
            Some(_) => http::call_tls(self.address, &http::Tls::new(), &request)?,
        };
        Ok(answer.json::<Issued>()?.tokens)
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }
}
