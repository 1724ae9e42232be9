//! The processes: their output goes to files, and they end when the launcher does.

use std::{
    ffi::OsStr,
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use fairlead_testkit::{Error, Result, error::Doing as _, external::options::Ready, http, process, wait};

use crate::{
    ground::Ground,
    ports::{LOCAL, TARGETS},
};

/// Until everything serves, on a slow machine.
const START: Duration = Duration::from_secs(60);

/// All of them.
pub(crate) struct Running {
    children: Vec<(&'static str, Child)>,
}

impl Running {
    /// The name of one that ended.
    pub(crate) fn ended(&mut self) -> Option<&'static str> {
        self.children.iter_mut().find_map(|(name, child)| child.try_wait().ok().flatten().map(|_| *name))
    }

    /// Starts `program` with its output in `logs/{name}.log`.
    fn start<A: AsRef<OsStr>>(
        &mut self,
        ground: &Ground,
        name: &'static str,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<PathBuf> {
        let log = ground.logs().join(format!("{name}.log"));
        let file = File::create(&log).doing(log.display())?;
        let child = Command::new(process::tether()?)
            .arg(std::process::id().to_string())
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .doing(format!("cannot start {}", program.display()))?;
        self.children.push((name, child));
        Ok(log)
    }

    /// Waits until `find` gives something for the log of the child that was started last.
    fn wait_for<T>(&mut self, what: &str, log: &Path, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        wait::attempt(what, START, || {
            let text = std::fs::read_to_string(log).doing(log.display())?;
            find(&text).ok_or_else(|| {
                let end = text.lines().rev().take(5).collect::<Vec<_>>();
                Error::new(format!(
                    "{} says\n{}",
                    log.display(),
                    end.into_iter().rev().collect::<Vec<_>>().join("\n")
                ))
            })
        })
        .map_err(|error| match self.ended() {
            Some(name) => Error::new(format!("{name} ended: {error}")),
            None => error,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            // One that ended already cannot be killed, and need not be.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts everything in order and waits until it serves.
pub(crate) fn start(ground: &Ground) -> Result<Running> {
    let mut running = Running { children: Vec::new() };
    let double = double(&mut running, ground)?;
    ground.add_private_ca()?;
    let sink = double.listeners.get("sink").ok_or_else(|| Error::new("the double has no event sink"))?;
    ground.configure(&double.dns.to_string(), &format!("http://{sink}"))?;
    let program = process::program("FAIRLEAD_BIN", "release/fairlead")?;
    let config = ground.config_file();
    let log = running.start(
        ground,
        "control-plane",
        &program,
        [OsStr::new("run"), OsStr::new("--config"), config.as_os_str()],
    )?;
    running.wait_for("the control plane", &log, |text| {
        text.lines().find(|line| line.starts_with("ready")).map(drop)
    })?;
    let envoy = process::program("FAIRLEAD_ENVOY", "tools/envoy/envoy/_bin/envoy")?;
    gateway(&mut running, ground, &envoy, "egress", ground.ports.egress_admin)?;
    gateway(&mut running, ground, &envoy, "ingress", ground.ports.ingress_admin)?;
    Ok(running)
}

fn double(running: &mut Running, ground: &Ground) -> Result<Ready> {
    let program = process::program("FAIRLEAD_DOUBLE", "release/fairlead-double")?;
    let targets = TARGETS.to_string();
    let arguments = [
        "--bind".to_owned(),
        targets.clone(),
        "--directory".to_owned(),
        ground.double().display().to_string(),
        "--dns".to_owned(),
        format!("*.example.test={targets}"),
        "--port".to_owned(),
        format!("http={}", ground.ports.http),
        "--port".to_owned(),
        format!("https={}", ground.ports.https),
        "--port".to_owned(),
        format!("mtls={}", ground.ports.mtls),
        "--client-ca".to_owned(),
        ground.certificates().join("company-ca.crt").display().to_string(),
    ];
    let log = running.start(ground, "external-system", &program, arguments)?;
    running.wait_for("the external system", &log, |text| {
        text.lines().find_map(|line| serde_json::from_str(line).ok())
    })
}

fn gateway(running: &mut Running, ground: &Ground, envoy: &Path, view: &'static str, admin: u16) -> Result {
    let bootstrap = ground.state.join(view).join("bootstrap.json");
    let arguments = [
        OsStr::new("--config-path"),
        bootstrap.as_os_str(),
        OsStr::new("--concurrency"),
        OsStr::new("2"),
        OsStr::new("--disable-hot-restart"),
        OsStr::new("--log-level"),
        OsStr::new("warning"),
    ];
    running.start(ground, view, envoy, arguments)?;
    let admin = SocketAddr::from((LOCAL, admin));
    let log = ground.logs().join(format!("{view}.log"));
    wait::attempt(&format!("the {view} gateway (see {})", log.display()), START, || {
        http::get(admin, "/ready")?.expect(200).map(drop)
    })
}
