//! The external system's double as tests use it: starts `fairlead-double` and asks its admin interface.

use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;

use crate::{
    Error, Result,
    canary::Canary,
    error::Doing as _,
    external::{admin::Counts, options::Ready, record::Recorded, running::Ended, settings::Settings},
    http::{self, Request},
    process::{self, Process},
    wait,
};

/// How a double is to be.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Addresses of its target listeners.
    pub binds: Vec<IpAddr>,
    /// DNS names in its certificates.
    pub names: Vec<String>,
    /// What its DNS server answers.
    pub dns: Vec<(String, IpAddr)>,
    /// Authorities (PEM file) of the clients that listener `mtls` takes; any client without it.
    pub client_ca: Option<PathBuf>,
}

impl Default for Setup {
    /// Targets on 127.0.0.2 (spec/decisions 43) and, to show that nothing gets there, on 127.0.0.1.
    fn default() -> Self {
        let address = |last| IpAddr::from([127, 0, 0, last]);
        let dns = [
            ("example.test", address(2)),
            ("*.example.test", address(2)),
            ("loopback.example.test", address(1)),
            ("metadata.example.test", IpAddr::from([169, 254, 169, 254])),
        ];
        Self {
            binds: vec![address(2), address(1)],
            names: ["example.test", "*.example.test", "localhost"].map(str::to_owned).to_vec(),
            dns: dns.map(|(name, address)| (name.to_owned(), address)).to_vec(),
            client_ca: None,
        }
    }
}

/// A running double. Dropping ends it.
pub struct Double {
    process: Process,
    directory: TempDir,
    ready: Ready,
}

impl Double {
    /// Starts one (`FAIRLEAD_DOUBLE`) and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(setup: &Setup) -> Result<Self> {
        let directory = tempfile::tempdir().doing("cannot make a directory")?;
        let mut arguments: Vec<OsString> = vec!["--directory".into(), directory.path().into()];
        let mut add = |name: &str, value: String| arguments.extend([name.into(), value.into()]);
        setup.binds.iter().for_each(|address| add("--bind", address.to_string()));
        setup.names.iter().for_each(|name| add("--name", name.clone()));
        setup.dns.iter().for_each(|(name, address)| add("--dns", format!("{name}={address}")));
        if let Some(file) = &setup.client_ca {
            arguments.extend(["--client-ca".into(), file.into()]);
        }
        let program = process::program("FAIRLEAD_DOUBLE", "debug/fairlead-double")?;
        let process = Process::start(&program, arguments, &[])?;
        let line = process
            .stdout()
            .wait_for("ready line", wait::START, |text| {
                text.split_once('\n').map(|(line, _)| line.to_owned())
            })
            .map_err(|error| Error::new(format!("{error}{}", process.stderr().text())))?;
        let ready = serde_json::from_str(&line).doing("cannot read the double's addresses")?;
        Ok(Self { process, directory, ready })
    }

    /// Lets whatever it issues (tokens, CSRF tokens, session cookies) begin with a new secret of `canary`.
    ///
    /// # Errors
    /// The double does not answer, or the machine has no randomness.
    pub fn plant(&self, canary: &mut Canary) -> Result {
        let (token, csrf, cookie) =
            (canary.make("token")?, canary.make("csrf-token")?, canary.make("csrf-cookie")?);
        self.change(|settings| {
            settings.token.prefix = token;
            settings.csrf.token_prefix = csrf;
            settings.csrf.cookie_prefix = cookie;
        })
    }

    /// The address of a listener ([`external::listen`](crate::external::listen)) on the first bind address.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn address(&self, listener: &str) -> Result<SocketAddr> {
        let found = self.ready.listeners.get(listener).copied();
        found.ok_or_else(|| Error::new(format!("the double has no listener {listener}")))
    }

    /// `http://` or `https://` with the address of a listener.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn url(&self, listener: &str) -> Result<String> {
        let scheme = if matches!(listener, "http" | "sink" | "proxy") { "http" } else { "https" };
        Ok(format!("{scheme}://{}", self.address(listener)?))
    }

    /// As [`url`](Self::url), with a DNS name in place of the address.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn url_by_name(&self, listener: &str, name: &str) -> Result<String> {
        let address = self.address(listener)?;
        Ok(self.url(listener)?.replace(&address.to_string(), &format!("{name}:{}", address.port())))
    }

    /// The DNS server.
    #[must_use]
    pub fn dns(&self) -> SocketAddr {
        self.ready.dns
    }

    /// The authority of its certificates, PEM file.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The authority of listener `other`, PEM file.
    #[must_use]
    pub fn other_ca(&self) -> PathBuf {
        self.directory.path().join("other-ca.pem")
    }

    /// A directory that lives as long as the double.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Recorded requests, oldest first. Filters: see [`external::admin`](crate::external::admin).
    ///
    /// # Errors
    /// The double does not answer.
    pub fn recorded(&self, filters: &[(&str, &str)]) -> Result<Vec<Recorded>> {
        let escape = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query: Vec<_> = filters.iter().map(|(key, value)| format!("{key}={}", escape(value))).collect();
        self.admin(&Request::new("GET", format!("/recorded?{}", query.join("&"))))?.json()
    }

    /// Waits until at least `count` requests match, and gives them.
    ///
    /// # Errors
    /// There are fewer after `limit`.
    pub fn wait_recorded(
        &self,
        filters: &[(&str, &str)],
        count: usize,
        limit: Duration,
    ) -> Result<Vec<Recorded>> {
        wait::attempt("recorded requests", limit, || {
            let recorded = self.recorded(filters)?;
            if recorded.len() >= count {
                return Ok(recorded);
            }
            Err(Error::new(format!("{} instead of {count} for {filters:?}", recorded.len())))
        })
    }

    /// The id of the newest recorded request: filter `after` with it to see only what comes now.
    ///
    /// # Errors
    /// The double does not answer.
    pub fn last_id(&self) -> Result<u64> {
        Ok(self.recorded(&[])?.last().map_or(0, |request| request.id))
    }

    /// Forgets recorded requests.
    ///
    /// # Errors
    /// The double does not answer.
    pub fn clear(&self) -> Result {
        self.admin(&Request::new("DELETE", "/recorded")).map(|_| ())
    }

    /// Changes settings. Not atomic against another caller.
    ///
    /// # Errors
    /// The double does not answer.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) -> Result {
        let mut settings = self.admin(&Request::new("GET", "/settings"))?.json()?;
        change(&mut settings);
        let body = serde_json::to_vec(&settings).doing("cannot write settings")?;
        self.admin(&Request::new("PUT", "/settings").body(body)).map(|_| ())
    }

    /// What it counted.
    ///
    /// # Errors
    /// The double does not answer.
    pub fn counts(&self) -> Result<Counts> {
        self.admin(&Request::new("GET", "/counts"))?.json()
    }

    /// Lets every issued token end: `/protected/bearer` refuses it from now on.
    ///
    /// # Errors
    /// The double does not answer.
    pub fn revoke_tokens(&self) -> Result {
        self.admin(&Request::new("POST", "/token/revoke")).map(|_| ())
    }

    /// Lets one token end.
    ///
    /// # Errors
    /// The double does not answer.
    pub fn revoke_token(&self, token: &str) -> Result {
        let token = utf8_percent_encode(token, NON_ALPHANUMERIC);
        self.admin(&Request::new("POST", format!("/token/revoke?token={token}"))).map(|_| ())
    }

    /// Lets every CSRF session end.
    ///
    /// # Errors
    /// The double does not answer.
    pub fn revoke_sessions(&self) -> Result {
        self.admin(&Request::new("POST", "/csrf/revoke")).map(|_| ())
    }

    /// Lets the answer that waits at this gate (`/gate/{name}/{n}`) go on with its next event.
    ///
    /// # Errors
    /// The double does not answer.
    pub fn open_gate(&self, name: &str) -> Result {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        self.admin(&Request::new("POST", format!("/gate?name={name}"))).map(|_| ())
    }

    /// Waits until the answer to a recorded request has ended; whether it was sent to its end. False: the peer went
    /// away.
    ///
    /// # Errors
    /// It is still on its way after `limit`.
    pub fn wait_ended(&self, id: u64, limit: Duration) -> Result<bool> {
        wait::attempt("the end of an answer", limit, || {
            let ended: Vec<Ended> = self.admin(&Request::new("GET", "/ended"))?.json()?;
            let found = ended.iter().find(|ended| ended.id == id).map(|ended| ended.complete);
            found.ok_or_else(|| Error::new(format!("request {id} is still being answered")))
        })
    }

    fn admin(&self, request: &Request) -> Result<http::Response> {
        let response = http::call(self.ready.admin, request)?;
        if response.status < 300 {
            return Ok(response);
        }
        Err(Error::new(format!("the double's admin interface: {} {}", response.status, response.text())))
    }
}
