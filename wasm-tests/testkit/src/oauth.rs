//! A real OAuth server beside the double: `oauth/server.py` (Authlib), run by the Python in `FAIRLEAD_OAUTH_PYTHON`.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    Error, Result,
    error::Doing as _,
    http,
    process::{self, Process},
    wait,
};

/// A running server. Dropping ends it.
pub struct OAuthServer {
    process: Process,
    address: SocketAddr,
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
        let program = process::program("FAIRLEAD_OAUTH_PYTHON", "tools/oauth/bin/python")?;
        let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("oauth/server.py");
        let (address, lifetime) = (address.to_string(), lifetime.to_string());
        let options = [
            "--bind",
            &address,
            "--client-id",
            client_id,
            "--client-secret",
            client_secret,
            "--lifetime",
            &lifetime,
        ];
        let arguments = std::iter::once(script.into_os_string()).chain(options.map(OsString::from));
        let process = Process::start(&program, arguments, &[])?;
        let line = process
            .stdout()
            .wait_for("ready line", wait::START, |text| {
                text.split_once('\n').map(|(line, _)| line.to_owned())
            })
            .map_err(|error| Error::new(format!("{error}{}", process.stderr().text())))?;
        let ready: Ready = serde_json::from_str(&line).doing("cannot read the OAuth server's address")?;
        Ok(Self { process, address: ready.address })
    }

    /// Its token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// Base URL; `/protected` below it demands a token that it issued.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many tokens it issued.
    ///
    /// # Errors
    /// It does not answer.
    pub fn issued(&self) -> Result<u64> {
        Ok(http::get(self.address, "/issued")?.json::<Issued>()?.tokens)
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }
}
