//! A pod: a network, a file system and process numbers of its own.
//!
//! Its root is the machine's, read where it is, but for `/etc`, `/run`, `/var` and `/tmp`, which are the pod's and lie
//! below [`Pod::directory`]. So programs find `/etc/resolv.conf`, `/var/run/secrets` or `/var/lib/istio` where a
//! cluster has them, and nothing of the machine is written.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    os::{fd::AsFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{
    HOST,
    machine::{BRIDGE, run},
};
use crate::{Error, Result, error::Doing as _, process::Process};

/// Becomes a program in the pod: `enter PROGRAM ARGUMENTS…`. Everything that it starts dies with it.
const ENTER: &str = include_str!("enter.sh");

/// Files of the machine's `/etc` without which programs do not find users or libraries.
const OF_ETC: &[&str] = &["passwd", "group", "nsswitch.conf", "ld.so.cache", "localtime"];

/// The system's bundle of authorities, as Debian and Envoy's default have it.
const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

/// What a pod is made of.
pub(super) struct Ground {
    pub(super) address: Ipv4Addr,
    pub(super) directory: PathBuf,
    /// Directories that must be seen at the same path.
    pub(super) binds: Vec<PathBuf>,
    pub(super) public_roots: String,
}

/// A pod. Dropping removes its network; processes of it die when their [`Process`] is dropped.
pub struct Pod {
    namespace: String,
    service_account: String,
    name: String,
    labels: Vec<(String, String)>,
    ground: Ground,
}

/// A command that ran in a pod.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Whether it succeeded.
    pub success: bool,
    /// Its standard output.
    pub output: String,
    /// Its error output.
    pub errors: String,
}

impl Pod {
    pub(super) fn new(
        ground: Ground,
        namespace: &str,
        service_account: &str,
        name: &str,
        labels: Vec<(String, String)>,
    ) -> Result<Self> {
        let pod = Self {
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            name: name.to_owned(),
            labels,
            ground,
        };
        pod.write_files()?;
        pod.connect().doing(format!("cannot make the network of pod {name}"))?;
        Ok(pod)
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its service account.
    #[must_use]
    pub fn service_account(&self) -> &str {
        &self.service_account
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.ground.address
    }

    /// A port of it, as others in the cluster reach it.
    #[must_use]
    pub fn port(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.ground.address, port))
    }

    /// Where its files lie on the machine: `etc`, `run`, `var`, `tmp`, and `work`, in which programs start.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.ground.directory
    }

    /// Writes a file of the pod; `path` begins with `/etc`, `/run`, `/var/run` (the same), `/var`, `/tmp`, is a file at
    /// the top (`/fairlead.wasm`), written before a program starts, or is relative to where programs start.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result {
        let file = self.file(path);
        let parent = file.parent().unwrap_or(&self.ground.directory);
        std::fs::create_dir_all(parent).doing(parent.display())?;
        std::fs::write(&file, content).doing(file.display())
    }

    /// Where a file of the pod lies on the machine; for `path` see [`write`](Self::write).
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        let path = path.strip_prefix("/var").filter(|rest| rest.starts_with("/run/")).unwrap_or(path);
        let directory = &self.ground.directory;
        match path.strip_prefix('/') {
            Some(top) if !top.contains('/') => directory.join("top").join(top),
            Some(absolute) => directory.join(absolute),
            None => directory.join("work").join(path),
        }
    }

    /// Starts a program in the pod. Its id is the one of the shell that holds it and dies with it; signals but `SIGKILL`
    /// do not go through. [`Component`](super::Component) knows the program itself.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start<A: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &OsStr)],
    ) -> Result<Process> {
        let mut words: Vec<OsString> = vec![program.into()];
        words.extend(arguments.into_iter().map(|word| word.as_ref().to_owned()));
        Process::start(&self.enter_file(), words, environment)
    }

    /// Runs a command in the pod to its end, as `kubectl exec` would.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(&self, words: &[&str]) -> Result<Ran> {
        let shown = words.first().copied().unwrap_or_default();
        let output = Command::new(self.enter_file())
            .args(words)
            .stdin(Stdio::null())
            .output()
            .doing(format!("cannot start {shown} in pod {}", self.name))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ran {
            success: output.status.success(),
            output: text(&output.stdout),
            errors: text(&output.stderr),
        })
    }

    /// Does something in the pod's network: sockets that `action` opens are the pod's, loopback included.
    ///
    /// # Errors
    /// The network is gone, or `action` panicked.
    pub fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> Result<T> {
        let network = File::open(self.network_file()).doing("cannot open the pod's network")?;
        // The thread stays in the pod's network, so it is one of its own.
        let thread = || {
            let entered = move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
            entered.doing("cannot enter the pod's network").map(|()| action())
        };
        let joined = std::thread::scope(|scope| scope.spawn(thread).join());
        joined.unwrap_or_else(|_| Err(Error::new(format!("the work inside pod {} panicked", self.name))))
    }

    /// The script that becomes a program in the pod: `{script} PROGRAM ARGUMENTS…`.
    #[must_use]
    pub fn enter_file(&self) -> PathBuf {
        // Named as the pod, because messages name a process by its program.
        self.ground.directory.join(&self.name)
    }

    fn network_file(&self) -> PathBuf {
        self.ground.directory.join("network")
    }

    fn write_files(&self) -> Result {
        let directory = &self.ground.directory;
        for name in ["etc", "run", "tmp", "top", "var/lib/istio/data", "var/log", "work"] {
            let path = directory.join(name);
            std::fs::create_dir_all(&path).doing(path.display())?;
        }
        for name in OF_ETC {
            if let Ok(content) = std::fs::read(Path::new("/etc").join(name)) {
                self.write(&format!("/etc/{name}"), content)?;
            }
        }
        self.write(&format!("/{BUNDLE}"), &self.ground.public_roots)?;
        let hosts = format!("127.0.0.1 localhost\n{} {}\n", self.ground.address, self.name);
        self.write("/etc/hosts", hosts)?;
        let namespace = &self.namespace;
        let search = format!("{namespace}.svc.cluster.local svc.cluster.local cluster.local");
        self.write("/etc/resolv.conf", format!("nameserver {HOST}\nsearch {search}\noptions ndots:5\n"))?;
        std::fs::write(self.network_file(), "").doing("cannot make the pod's network")?;
        let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let binds: Vec<String> = self.ground.binds.iter().map(|path| quoted(path)).collect();
        let script = ENTER.replace("@pod@", &quoted(directory)).replace("@binds@", &binds.join(" "));
        let mut options = File::options();
        let mut file = options.write(true).create(true).truncate(true).mode(0o755).open(self.enter_file())?;
        file.write_all(script.as_bytes()).doing("cannot write the pod's start script")
    }

    fn connect(&self) -> Result {
        let network = self.network_file();
        let mut hold = Command::new("unshare");
        hold.arg(format!("--net={}", network.display())).arg("true");
        run(&mut hold)?;
        let device = self.device();
        let ip = |words: &[&str]| run(Command::new("ip").args(words)).map(drop);
        ip(&[
            "link",
            "add",
            &device,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            &network.display().to_string(),
        ])?;
        ip(&["link", "set", &device, "master", BRIDGE, "up"])?;
        let address = format!("{}/16", self.ground.address);
        for words in [
            &["link", "set", "lo", "up"][..],
            &["addr", "add", &address, "dev", "eth0"],
            &["link", "set", "eth0", "up"],
            &["route", "add", "default", "via", &HOST.to_string()],
        ] {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={}", network.display())).arg("ip").args(words);
            run(&mut command)?;
        }
        Ok(())
    }

    /// The machine's end of the pod's wire; names have at most 15 characters.
    fn device(&self) -> String {
        let [_, _, c, d] = self.ground.address.octets();
        format!("pod{c}-{d}")
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // Both may be gone with the machine; there is nobody to tell.
        let _ = run(Command::new("ip").args(["link", "del", &self.device()]));
        let _ = run(Command::new("umount").arg(self.network_file()));
    }
}
