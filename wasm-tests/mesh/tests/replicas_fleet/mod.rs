//! Replicas of the control plane without an installation: each in a pod, against the real API server, with a mesh root
//! of the test's own, so that a test can be any gateway.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::{
    ffi::OsStr,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fairlead_testkit::{
    Error, Result,
    certs::{Authority, Identity, Request as Wanted},
    error::Doing as _,
    http::{self, Request, Response, Tls},
    mesh::{Component, EXTERNAL, Mesh, Pod},
    process, wait,
};
use serde_json::{Value, json};

/// Long enough for whatever must happen, lease included.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Name in the control plane's certificates.
const SERVER_NAME: &str = "fairlead-control";
/// Where a replica's pod has the module, and the way to the API server.
const MODULE: &str = "/tmp/fairlead.wasm";
const KUBECONFIG: &str = "/tmp/kubeconfig";
/// Where external systems are.
pub const OUTSIDE: Ipv4Addr = {
    let [a, b, c] = EXTERNAL;
    Ipv4Addr::new(a, b, c, 2)
};

/// Replicas that share a namespace of their own.
pub struct Fleet {
    mesh: &'static Mesh,
    pub namespace: String,
    /// The root that the replicas take for Istio's.
    pub root: Authority,
    /// How long one leads, as the configuration says it.
    pub lease: Value,
    /// How fast statuses are written, as the configuration says it.
    pub statuses: Value,
    started: AtomicUsize,
}

/// One replica.
pub struct Replica {
    pub component: Component,
    pub pod: Arc<Pod>,
}

impl Fleet {
    /// None yet. Leases are short, so that tests are.
    pub fn new(mesh: &'static Mesh, namespace: &str) -> Result<Self> {
        let fleet = Self {
            mesh,
            namespace: namespace.to_owned(),
            root: Authority::new("mesh root")?,
            lease: json!({ "duration": "6s", "renew": "1s" }),
            statuses: json!({}),
            started: AtomicUsize::new(0),
        };
        for name in [namespace, &fleet.egress(), "kyma-integration", "kyma-system"] {
            mesh.namespace(name)?;
        }
        let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../istio/crds").display().to_string();
        mesh.kubectl(&["apply", "--server-side", "--force-conflicts", "--filename", &crds])?;
        mesh.kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd/applications.applicationconnector.kyma-project.io",
        ])?;
        fleet.set_root(fleet.root.pem())?;
        Ok(fleet)
    }

    /// Namespace of the egress gateway, which is not there.
    pub fn egress(&self) -> String {
        format!("{}-egress", self.namespace)
    }

    /// Writes the ConfigMap of the mesh root.
    pub fn set_root(&self, pem: &str) -> Result {
        let metadata = json!({ "name": "mesh-root", "namespace": self.namespace });
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "root-cert.pem": pem } });
        self.mesh.apply(&[map]).map(drop)
    }

    /// A replica that does not serve yet, with the module in this file.
    pub fn start_unready(&self, module: &Path) -> Result<Replica> {
        self.launch(module, || Ok(()))
    }

    /// A replica that serves, with the module of this build.
    pub fn start(&self) -> Result<Replica> {
        let replica = self.start_unready(&module_file()?)?;
        replica.wait_serving()?;
        Ok(replica)
    }

    /// Several that are started at the same time.
    pub fn start_together(&self, count: usize) -> Result<Vec<Replica>> {
        let module = module_file()?;
        let replicas: Vec<Replica> =
            (0..count).map(|_| self.start_unready(&module)).collect::<Result<_>>()?;
        replicas.iter().try_for_each(Replica::wait_serving)?;
        Ok(replicas)
    }

    fn launch(&self, module: &Path, ready: impl Fn() -> Result + Send + Sync + 'static) -> Result<Replica> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", self.namespace);
        let pod = Arc::new(self.mesh.pod(&self.namespace, "fairlead-control", &name, &[])?);
        let config = json!({
            "stateDirectory": "/tmp/fairlead",
            "control": { "address": "0.0.0.0", "gatewayPort": 8443, "healthPort": 8081, "metricsPort": 9090 },
            "gateways": { "module": MODULE },
            "targets": { "allow": [format!("{OUTSIDE}/32")] },
            "logLevel": "debug",
            "kubernetes": {
                "kubeconfig": KUBECONFIG,
                "namespace": self.namespace,
                "lease": self.lease,
                "statuses": self.statuses,
                "istioRoot": { "configMap": "mesh-root" },
                "module": { "url": format!("http://{}:8080/module", pod.address()) },
                "control": { "host": pod.address().to_string() },
                "egress": { "namespace": self.egress() },
                "ingress": null,
            },
        });
        // A pod need not see the directories that these lie in.
        pod.write(MODULE, std::fs::read(module).doing(module.display())?)?;
        let kubeconfig = self.mesh.kubeconfig();
        pod.write(KUBECONFIG, std::fs::read(kubeconfig).doing(kubeconfig.display())?)?;
        pod.write("/tmp/fairlead.yaml", config.to_string())?;
        let program = process::program("FAIRLEAD_BIN", "debug/fairlead")?;
        let inside = Arc::clone(&pod);
        let start = move || {
            let address = inside.address().to_string();
            let environment = [("POD_IP", OsStr::new(&address)), ("HOSTNAME", OsStr::new(inside.name()))];
            inside.start(&program, ["run", "--config", "/tmp/fairlead.yaml"], &environment)
        };
        Ok(Replica { component: Component::start_in_pod(&pod, start, ready)?, pod })
    }

    /// A certificate of the mesh with this SPIFFE id.
    pub fn identity(&self, uri: &str) -> Result<Identity> {
        self.root.issue(&Wanted::client(&[]).uri(uri))
    }

    /// That of the egress gateway.
    pub fn gateway(&self) -> Result<Identity> {
        self.identity(&format!("spiffe://cluster.local/ns/{}/sa/fairlead-egress", self.egress()))
    }

    /// The CA of the control plane, as the Secret has it.
    pub fn ca(&self) -> Result<String> {
        let path = "jsonpath={.data.ca\\.crt}";
        let secret = self.mesh.kubectl(&[
            "get",
            "secret",
            "fairlead-ca",
            "--namespace",
            &self.namespace,
            "--output",
            path,
        ])?;
        let file = self.mesh.directory().join(format!("{}.ca", self.namespace));
        std::fs::write(&file, secret).doing(file.display())?;
        let decoded = std::process::Command::new("base64").arg("-d").arg(&file).output().doing("base64")?;
        String::from_utf8(decoded.stdout).doing("the CA")
    }

    /// TLS as a gateway with this certificate.
    pub fn tls(&self, identity: &Identity) -> Result<Tls> {
        Ok(Tls::new().server_name(SERVER_NAME).roots(&self.ca()?).identity(identity))
    }

    /// Name of the replica that leads.
    pub fn holder(&self) -> Result<String> {
        let lease =
            self.mesh.kubectl_json(&["get", "lease", "fairlead-core", "--namespace", &self.namespace])?;
        let holder = lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty());
        holder.map(str::to_owned).ok_or_else(|| Error::new("nobody leads"))
    }

    /// Waits until one of these leads; its place among them.
    pub fn leader(&self, replicas: &[Replica]) -> Result<usize> {
        wait::attempt("a leader", LIMIT, || {
            let holder = self.holder()?;
            let of = |replica: &Replica| holder.starts_with(&format!("{}-", replica.pod.name()));
            let place = replicas.iter().position(of);
            place
                .filter(|at| replicas[*at].component.ended().is_none())
                .ok_or_else(|| Error::new(format!("{holder} is gone")))
        })
    }

    /// Applies objects as a user would.
    pub fn apply(&self, objects: &[Value]) -> Result {
        self.mesh.apply(objects).map(drop)
    }
}

impl Replica {
    /// A port of it.
    pub fn port(&self, port: u16) -> SocketAddr {
        self.pod.port(port)
    }

    /// Waits until it serves.
    pub fn wait_serving(&self) -> Result {
        wait::attempt("a replica to serve", LIMIT, || {
            if self.component.ended().is_some() {
                return Err(Error::new(format!("it ended:\n{}", self.log())));
            }
            http::get(self.port(8081), "/v1/health")?.expect(200).map(drop)
        })
        .map_err(|error| Error::new(format!("{error}\n{}", self.log())))
    }

    /// Value of a metric without labels.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let text = http::get(self.port(9090), "/metrics")?.expect(200)?.text();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = lines.next().ok_or_else(|| Error::new(format!("there is no metric {name}")))?;
        value.parse().doing("a metric's value")
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.component.log()).into_owned()
    }

    /// A call of its mTLS port.
    pub fn call(&self, tls: &Tls, request: &Request) -> Result<Response> {
        http::call_tls(self.port(8443), tls, request)
    }

    /// A poll of the egress feed that is answered at once.
    pub fn poll(&self, tls: &Tls, epoch: &str, revision: u64) -> Result<Value> {
        let path = format!("/feed/v1/egress?epoch={epoch}&revision={revision}&wait=0");
        self.get(tls, &path)
    }

    /// A GET of its mTLS port that succeeds.
    pub fn get(&self, tls: &Tls, path: &str) -> Result<Value> {
        self.call(tls, &Request::new("GET", path))?.expect(200)?.json()
    }

    /// Asks for a grant.
    pub fn grant(&self, tls: &Tls, id: &str, rejected: Option<u64>) -> Result<Value> {
        let body = rejected.map_or_else(|| json!({}), |serial| json!({ "rejected": serial })).to_string();
        self.call(tls, &Request::new("POST", format!("/grants/v1/{id}")).body(body))?.expect(200)?.json()
    }
}

/// The module of this build.
pub fn module_file() -> Result<std::path::PathBuf> {
    process::program("FAIRLEAD_MODULE", "fairlead.wasm")
}
