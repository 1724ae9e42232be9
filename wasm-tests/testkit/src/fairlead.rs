//! The control plane as tests use it: starts `fairlead run`, edits its resources, stops and restarts it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Error, Result,
    error::Doing as _,
    http::{self, Response},
    process::{self, Process},
    resources, wait,
};

/// How long an orderly end may take.
const STOP: Duration = Duration::from_secs(15);

/// A running control plane. Dropping kills it.
pub struct ControlPlane {
    program: PathBuf,
    root: TempDir,
    config: Value,
    process: Process,
    /// `ready gateways=… health=… metrics=…`.
    ready: String,
    /// What earlier runs wrote.
    earlier: Vec<u8>,
}

impl ControlPlane {
    /// Starts it (`FAIRLEAD_BIN`) with what [`config`] makes of `overrides` and waits until it says that it is ready.
    /// `prepare` may write resources before the start.
    ///
    /// # Errors
    /// It does not start; with its log.
    pub fn start(overrides: &Value, prepare: impl FnOnce(&Resources) -> Result) -> Result<Self> {
        let program = process::program("FAIRLEAD_BIN", "debug/fairlead")?;
        let root = tempfile::tempdir().doing("cannot make a directory")?;
        let resources = Resources::new(root.path())?;
        prepare(&resources)?;
        let config = config(root.path(), overrides);
        let process = run(&program, root.path(), &config)?;
        let mut control = Self { program, root, config, process, ready: String::new(), earlier: Vec::new() };
        control.ready()?;
        Ok(control)
    }

    /// Its resources.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn resources(&self) -> Result<Resources> {
        Resources::new(self.root.path())
    }

    /// The directory in which gateway `view` (`egress`, `ingress`) finds its files.
    #[must_use]
    pub fn gateway(&self, view: &str) -> PathBuf {
        self.root.path().join("state").join(view)
    }

    /// The certificate of gateway `view`, or of `ca`, and its key: PEM files.
    #[must_use]
    pub fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
        let file = |extension: &str| self.root.path().join("state/pki").join(format!("{name}.{extension}"));
        (file("crt"), file("key"))
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.root.path().join("fairlead.yaml")
    }

    /// An address out of the ready line: `gateways`, `health`, `metrics`.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn address(&self, name: &str) -> Result<std::net::SocketAddr> {
        let mut fields = self.ready.split_whitespace().filter_map(|field| field.split_once('='));
        let text = fields.find(|(have, _)| *have == name).map(|(_, address)| address);
        let text = text.ok_or_else(|| Error::new(format!("no {name} in the ready line `{}`", self.ready)))?;
        text.parse().doing(text)
    }

    /// Everything that it wrote, over all restarts.
    #[must_use]
    pub fn log(&self) -> Vec<u8> {
        [&self.earlier[..], &self.process.stdout().bytes(), &self.process.stderr().bytes()].concat()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(&mut self) -> Result {
        self.process.stop(STOP).map(|_| ())
    }

    /// Ends it without warning.
    ///
    /// # Errors
    /// It cannot be killed.
    pub fn kill(&mut self) -> Result {
        self.process.kill()
    }

    /// Starts it again, on the same ports, after [`stop`](Self::stop) or [`kill`](Self::kill).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_again(&mut self) -> Result {
        self.earlier = self.log();
        for (name, port) in
            [("gateways", "gatewayPort"), ("health", "healthPort"), ("metrics", "metricsPort")]
        {
            let address = self.address(name)?;
            merge(&mut self.config, &json!({ "control": { port: address.port() } }));
        }
        self.process = run(&self.program, self.root.path(), &self.config)?;
        self.ready()
    }

    /// Runs `fairlead` with these arguments beside it (`status`, `explain …`): exit success, output, error output.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn command(&self, arguments: &[&str]) -> Result<(bool, String, String)> {
        let output = Command::new(&self.program)
            .args(arguments)
            .arg("--config")
            .arg(self.config_file())
            .stdin(Stdio::null())
            .output()
            .doing("cannot start fairlead")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
    }

    /// Its Prometheus metrics.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self) -> Result<Response> {
        http::get(self.address("metrics")?, "/metrics")?.expect(200)
    }

    /// Everything that may hold a secret: what it wrote, its metrics, its status, and every file that it made but
    /// keys. A control plane that is stopped has no metrics.
    ///
    /// # Errors
    /// It runs and does not answer.
    pub fn sources(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut sources = vec![("log of the control plane".to_owned(), self.log())];
        if self.process.ended().is_none() {
            sources.push(("metrics of the control plane".to_owned(), self.metrics()?.body));
            let (_, output, errors) = self.command(&["status"])?;
            sources.push(("fairlead status".to_owned(), [output, errors].concat().into_bytes()));
        }
        files(&self.root.path().join("state"), &mut sources)?;
        Ok(sources)
    }

    fn ready(&mut self) -> Result {
        let line = self.process.stdout().wait_for("ready line", wait::START, |text| {
            text.split_once('\n').map(|(line, _)| line.to_owned())
        });
        self.ready = line.map_err(|error| Error::new(format!("{error}{}", self.process.stderr().text())))?;
        Ok(())
    }
}

fn run(program: &Path, root: &Path, config: &Value) -> Result<Process> {
    let file = root.join("fairlead.yaml");
    let text = yaml_serde::to_string(config).doing("cannot write the configuration")?;
    std::fs::write(&file, text).doing("cannot write the configuration")?;
    Process::start(program, [OsStr::new("run"), "--config".as_ref(), file.as_os_str()], &[])
}

/// A test's configuration: everything below `root`, free ports, 127.0.0.2 allowed (decision 43); `overrides` on top.
#[must_use]
pub fn config(root: &Path, overrides: &Value) -> Value {
    let mut config = json!({
        "stateDirectory": root.join("state"),
        "resources": root.join("resources"),
        "control": { "gatewayPort": 0, "healthPort": 0, "metricsPort": 0 },
        "targets": { "allow": ["127.0.0.2/32"] },
        "gateways": {
            "egress": { "manualPort": 0, "uclPort": 0, "healthPort": 0, "accessLog": root.join("egress.log") },
            "ingress": { "port": 0, "accessLog": root.join("ingress.log") },
        },
    });
    merge(&mut config, overrides);
    config
}

/// Objects are merged, everything else is replaced.
pub fn merge(into: &mut Value, overrides: &Value) {
    match (into, overrides) {
        (Value::Object(into), Value::Object(overrides)) => {
            for (key, value) in overrides {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value.clone(),
    }
}

/// Every file below `directory` but keys and sockets.
fn files(directory: &Path, sources: &mut Vec<(String, Vec<u8>)>) -> Result {
    for entry in std::fs::read_dir(directory).doing(directory.display())? {
        let path = entry.doing(directory.display())?.path();
        if path.is_dir() {
            files(&path, sources)?;
        } else if path.is_file() && path.extension() != Some(OsStr::new("key")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // What Envoy reads a client certificate from has its key in it, for its owner only.
            if name.starts_with("client-") && directory.ends_with("sds") {
                continue;
            }
            sources.push((format!("file {name}"), std::fs::read(&path).doing(path.display())?));
        }
    }
    Ok(())
}

/// A directory of manifests. Every change is one rename, as an editor or a deployment tool does it.
#[derive(Clone, Debug)]
pub struct Resources {
    directory: PathBuf,
    staging: PathBuf,
}

impl Resources {
    fn new(root: &Path) -> Result<Self> {
        let new = Self { directory: root.join("resources"), staging: root.join("staging") };
        for directory in [&new.directory, &new.staging] {
            std::fs::create_dir_all(directory).doing(directory.display())?;
        }
        Ok(new)
    }

    /// Writes these manifests into file `name`, replacing what was there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&self, name: &str, manifests: &[Value]) -> Result {
        self.text(name, &resources::yaml(manifests)?)
    }

    /// Writes any text into file `name`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn text(&self, name: &str, text: &str) -> Result {
        let staged = self.staging.join(name);
        std::fs::write(&staged, text).doing(staged.display())?;
        std::fs::rename(&staged, self.directory.join(name)).doing(name)
    }

    /// Removes file `name`.
    ///
    /// # Errors
    /// It is not there.
    pub fn remove(&self, name: &str) -> Result {
        std::fs::remove_file(self.directory.join(name)).doing(name)
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}
