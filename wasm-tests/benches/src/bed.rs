//! One Envoy whose listeners differ in a filter only: the renderer's own files, changed as little as possible.
//!
//! The control plane's cluster becomes plain HTTP to [`crate::feed`], so that a view can be as large as wanted and what
//! is measured is the data path. Everything else, from header rules to the guard, is what a gateway gets.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use fairlead_render::{Control, EgressGateway, Files, Gateway, Pair, Profile, Resolver, Trust, cluster, sds};
use fairlead_testkit::{
    Error, Result,
    double::{self, Double},
    envoy::{Envoy, Setup},
    error::Doing as _,
    http::{Request, Response},
    wait,
};
use fairlead_wire::profile::CONTROL_CLUSTER;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{options, proc, target::Targets};

/// Domain of all targets; the double's DNS server resolves every name in it.
pub(crate) const DOMAIN: &str = "bench.test";

/// Targets, name server and files; no Envoy yet.
pub(crate) struct Bed {
    pub(crate) targets: Targets,
    /// Transport profile without TLS.
    pub(crate) plain: Profile,
    /// Transport profile of the TLS target's CA.
    pub(crate) tls: Profile,
    /// The same with a client certificate.
    pub(crate) certified: Profile,
    pub(crate) directory: TempDir,
    double: Double,
}

impl Bed {
    /// Starts targets and name server.
    pub(crate) fn new() -> Result<Self> {
        let targets = Targets::start(&format!("*.{DOMAIN}"))?;
        let everywhere = (format!("*.{DOMAIN}"), [127, 0, 0, 2].into());
        let double = Double::start(&double::Setup { dns: vec![everywhere], ..double::Setup::default() })?;
        proc::pin(double.process().id(), proc::OTHERS)?;
        let id = |digit: &str| format!("{}{}", fairlead_wire::profile::PREFIX, digit.repeat(32));
        let tls = Profile::new(&id("1"), Trust::Private { ca_pem: targets.ca.clone() });
        let certified =
            Profile { id: id("2"), client: Some(CLIENT.to_owned()), pinned: false, ..tls.clone() };
        Ok(Self {
            plain: Profile::plain(),
            tls,
            certified,
            targets,
            directory: tempfile::tempdir().doing("cannot make a directory")?,
            double,
        })
    }

    /// What the renderer is told; certificates of the control plane are named, and never read.
    pub(crate) fn gateway(&self) -> Result<Gateway> {
        let directory = self.directory.path().to_path_buf();
        let pair = Pair { certificate: directory.join("none.pem"), key: directory.join("none.key") };
        let control = Control {
            address: SocketAddr::from(([127, 0, 0, 1], self.targets.control)),
            server_name: "fairlead-control".to_owned(),
            ca: directory.join("none-ca.pem"),
            client: pair,
        };
        let mut gateway = Gateway::new("bench", directory, options::file("FAIRLEAD_MODULE")?, control);
        gateway.settings.resolver = Resolver::Servers(vec![self.double.dns()]);
        gateway.settings.allow = vec!["127.0.0.0/8".parse().doing("a network")?];
        gateway.settings.plugin.hosts = vec!["*".to_owned()];
        // Connections whose turn it is not are to stay, however slow the machine.
        gateway.settings.keep_alive = Duration::from_secs(3_600);
        Ok(gateway)
    }

    /// The egress gateway's files. Ports are 0: Envoy takes free ones.
    pub(crate) fn egress(&self) -> Result<Files> {
        let health = SocketAddr::from(([127, 0, 0, 1], self.targets.authz));
        let mut gateway = EgressGateway::new(self.gateway()?, health);
        (gateway.manual_port, gateway.ucl_port, gateway.health_port) = (0, 0, 0);
        let mut files = fairlead_render::egress(&gateway, [&self.tls, &self.certified]);
        let client = &self.targets.client;
        let pair = sds::client(CLIENT, &client.certificate_pem, &client.key_pem);
        files.insert(sds::client_file(CLIENT), pair);
        Ok(files)
    }

    /// The first listener of these files: what variants are made of.
    pub(crate) fn template(files: &Files) -> Result<Value> {
        let lds = files.get("xds/lds.json").and_then(|lds| lds.pointer("/resources/0"));
        lds.cloned().ok_or_else(|| Error::new("no listener was rendered"))
    }

    /// Starts Envoy on its own core, from `files` with these listeners in place of the rendered ones.
    pub(crate) fn envoy(&self, mut files: Files, listeners: &[Value], workers: u32) -> Result<Envoy> {
        files.insert("xds/lds.json".to_owned(), json!({ "resources": listeners }));
        let bootstrap = files.get_mut("bootstrap.json").ok_or_else(|| Error::new("no bootstrap"))?;
        self.replace_clusters(bootstrap)?;
        write(self.directory.path(), &files)?;
        let mut setup = Setup::new(&self.directory.path().join("bootstrap.json"));
        (setup.concurrency, setup.log_level) = (workers, "warning".to_owned());
        let mut envoy = Envoy::start(setup)?;
        proc::pin(envoy.process().id(), proc::ENVOY)?;
        Ok(envoy)
    }

    fn replace_clusters(&self, bootstrap: &mut Value) -> Result {
        let clusters = bootstrap
            .pointer_mut("/static_resources/clusters")
            .and_then(Value::as_array_mut)
            .ok_or_else(|| Error::new("no static clusters"))?;
        clusters.retain(|cluster| cluster.pointer("/name").and_then(Value::as_str) != Some(CONTROL_CLUSTER));
        for (name, port) in [(CONTROL_CLUSTER, self.targets.control), (AUTHZ, self.targets.authz)] {
            clusters.push(cluster::plain(name, SocketAddr::from(([127, 0, 0, 1], port))));
        }
        Ok(())
    }
}

/// Stands for the fingerprint of the client certificate.
const CLIENT: &str = "bench";

/// Cluster of the ext_authz responder.
pub(crate) const AUTHZ: &str = "bench.authz";

/// Waits until requests are answered 200 (the plugin has its view, names are resolved); then, what the target sees of
/// the last of these.
pub(crate) fn look(
    bed: &Bed,
    what: &str,
    requests: &[Request],
    call: impl Fn(&Request) -> Result<Response>,
) -> Result<Vec<String>> {
    let request = requests.last().ok_or_else(|| Error::new("no request"))?;
    let good = || call(request)?.expect(200).map(|_| ());
    wait::attempt(what, wait::START, good)?;
    bed.targets.seen(good)
}

fn write(directory: &Path, files: &Files) -> Result {
    for (name, value) in files {
        let path: PathBuf = directory.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).doing("cannot make a directory")?;
        }
        std::fs::write(&path, value.to_string()).doing(path.display())?;
    }
    Ok(())
}
