//! A real Envoy: started from a bootstrap file, asked through its admin interface.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Error, Result,
    error::Doing as _,
    http::{self, Address, Request, Response},
    process::{self, Process, Usage},
    wait,
};

/// How Envoy is started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The bootstrap file.
    pub bootstrap: PathBuf,
    /// Worker threads.
    pub concurrency: u32,
    /// Log level, also of single components: `info`, or `warning` with `wasm:debug` added by `components`.
    pub log_level: String,
    /// `--component-log-level`, such as `wasm:debug,router:debug`.
    pub components: String,
}

impl Setup {
    /// Two workers, level `info`.
    #[must_use]
    pub fn new(bootstrap: &Path) -> Self {
        Self {
            bootstrap: bootstrap.to_path_buf(),
            concurrency: 2,
            log_level: "info".to_owned(),
            components: String::new(),
        }
    }
}

/// A running Envoy. Dropping kills it.
pub struct Envoy {
    process: Process,
    setup: Setup,
    admin: Address,
    directory: TempDir,
    /// What earlier runs logged, before [`restart`](Self::restart).
    earlier: Vec<u8>,
}

impl Envoy {
    /// Starts it (`FAIRLEAD_ENVOY`) and waits until its admin interface says `LIVE`.
    ///
    /// # Errors
    /// It does not start within [`wait::START`]; with its log.
    pub fn start(setup: Setup) -> Result<Self> {
        let directory = tempfile::tempdir().doing("cannot make a directory")?;
        let process = run(&setup, directory.path())?;
        let mut envoy =
            Self { process, setup, admin: Address::Unix(PathBuf::new()), directory, earlier: Vec::new() };
        envoy.ready()?;
        Ok(envoy)
    }

    /// Kills it and starts it again from the same bootstrap. Listeners on port 0 get other ports.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result {
        self.process.kill()?;
        self.earlier.extend(self.process.stderr().bytes());
        self.process = run(&self.setup, self.directory.path())?;
        self.ready()
    }

    /// What it logged, over all restarts.
    #[must_use]
    pub fn log(&self) -> Vec<u8> {
        [&self.earlier[..], &self.process.stdout().bytes(), &self.process.stderr().bytes()].concat()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// CPU time and memory so far.
    ///
    /// # Errors
    /// It is gone.
    pub fn usage(&self) -> Result<Usage> {
        process::usage(self.process.id())
    }

    /// GET of an admin path.
    ///
    /// # Errors
    /// It does not answer 200.
    pub fn get(&self, path: &str) -> Result<Response> {
        http::get(&self.admin, path)?.expect(200)
    }

    /// POST to an admin path, such as `/logging?wasm=debug`.
    ///
    /// # Errors
    /// It does not answer 200.
    pub fn post(&self, path: &str) -> Result<Response> {
        http::call(&self.admin, &Request::new("POST", path).body(""))?.expect(200)
    }

    /// Its whole configuration, as anybody with the admin interface sees it.
    ///
    /// # Errors
    /// It does not answer.
    pub fn config_dump(&self) -> Result<Vec<u8>> {
        Ok(self.get("/config_dump?include_eds")?.body)
    }

    /// All counters and gauges.
    ///
    /// # Errors
    /// It does not answer.
    pub fn stats(&self) -> Result<Vec<(String, u64)>> {
        let text = self.get("/stats")?.text();
        let line = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(text.lines().filter_map(line).collect())
    }

    /// The sum of all counters and gauges whose name `wanted` says yes to.
    ///
    /// # Errors
    /// It does not answer.
    pub fn stat(&self, wanted: impl Fn(&str) -> bool) -> Result<u64> {
        Ok(self.stats()?.iter().filter(|(name, _)| wanted(name)).map(|(_, value)| value).sum())
    }

    /// Metrics as Prometheus sees them.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self) -> Result<Vec<u8>> {
        Ok(self.get("/stats/prometheus")?.body)
    }

    /// Names and addresses of its listeners, with the ports that port 0 became.
    ///
    /// # Errors
    /// It does not answer.
    pub fn listeners(&self) -> Result<Vec<(String, SocketAddr)>> {
        let listeners: Value = self.get("/listeners?format=json")?.json()?;
        let statuses = listeners.pointer("/listener_statuses").and_then(Value::as_array);
        let one = |status: &Value| {
            let address = status.pointer("/local_address/socket_address")?;
            let ip = address.get("address")?.as_str()?.parse().ok()?;
            let port = u16::try_from(address.get("port_value")?.as_u64()?).ok()?;
            Some((status.get("name")?.as_str()?.to_owned(), SocketAddr::new(ip, port)))
        };
        Ok(statuses.into_iter().flatten().filter_map(one).collect())
    }

    /// The address of a listener, once it is there.
    ///
    /// # Errors
    /// It is not there after `limit`.
    pub fn listener(&self, name: &str, limit: Duration) -> Result<SocketAddr> {
        wait::attempt(&format!("listener {name}"), limit, || {
            let listeners = self.listeners()?;
            let found = listeners.iter().find(|(have, _)| have == name).map(|(_, address)| *address);
            found.ok_or_else(|| Error::new(format!("there are {listeners:?}")))
        })
    }

    /// Everything that may hold a secret: log, configuration, statistics, clusters, metrics.
    ///
    /// # Errors
    /// It does not answer.
    pub fn sources(&self, name: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let mut sources = vec![(format!("log of {name}"), self.log())];
        for path in
            ["/config_dump?include_eds", "/stats", "/stats/prometheus", "/clusters", "/certs", "/server_info"]
        {
            sources.push((format!("{path} of {name}"), self.get(path)?.body));
        }
        Ok(sources)
    }

    fn ready(&mut self) -> Result {
        self.admin = admin(&self.setup.bootstrap, || self.directory.path().join("admin"), &mut self.process)?;
        let admin = &self.admin;
        self.process.wait_until("Envoy to be live", wait::START, || {
            http::get(admin, "/ready")?.expect(200).map(|_| ())
        })
    }
}

fn run(setup: &Setup, directory: &Path) -> Result<Process> {
    let mut arguments: Vec<OsString> = vec![
        "--config-path".into(),
        setup.bootstrap.clone().into(),
        "--concurrency".into(),
        setup.concurrency.to_string().into(),
        "--disable-hot-restart".into(),
        "--log-level".into(),
        setup.log_level.clone().into(),
        "--admin-address-path".into(),
        directory.join("admin").into(),
    ];
    if !setup.components.is_empty() {
        arguments.extend(["--component-log-level".into(), setup.components.clone().into()]);
    }
    let program = process::program("FAIRLEAD_ENVOY", "tools/envoy/envoy/_bin/envoy")?;
    let _ = std::fs::remove_file(directory.join("admin"));
    Process::start(&program, arguments, &[])
}

/// The admin interface: the socket that the bootstrap names, or what Envoy wrote about its port.
fn admin(bootstrap: &Path, written: impl Fn() -> PathBuf, process: &mut Process) -> Result<Address> {
    let text = std::fs::read_to_string(bootstrap).doing(bootstrap.display())?;
    let value: Value = yaml_serde::from_str(&text).doing(bootstrap.display())?;
    if let Some(path) = value.pointer("/admin/address/pipe/path").and_then(Value::as_str) {
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    process.wait_until("Envoy's admin address", wait::START, || {
        let text = std::fs::read_to_string(written()).doing("no address file")?;
        Ok(Address::Tcp(text.trim().parse().doing(text)?))
    })
}
