//! A real Istio without containers: etcd, API server (RBAC on), istiod, and any number of pods, each a process (tree)
//! with a network, a file system and process numbers of its own.
//!
//! [`Mesh::start`] brings the first three up and applies Istio's resource definitions; [`Mesh::pod`] and
//! [`Mesh::gateway`] add pods. It works only in a program that `fairlead-enter` started (`cargo xtask mesh test` and
//! `mesh up` do), because the whole mesh lives in network and mount namespaces of that program: ports are the ones of
//! a cluster (6443, 8080, 15012), nothing outside is touched, and all of it is gone when the program ends.
//!
//! What a cluster has and this has not: kubelet, controllers, kube-proxy and an Istio injector. So
//! * a Service has no address: its DNS name, set in [`Names`], gives the addresses of pods, and a port is a target port;
//! * an object of kind Pod is nobody's order to start something; who wants a pod starts it here;
//! * aggregated ClusterRoles (`admin`, `view`) are empty, owner references delete nothing.

mod api_server;
mod component;
mod etcd;
mod gateway;
mod istiod;
mod kubectl;
mod machine;
mod names;
mod pki;
mod pod;
mod process_tree;
mod state;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

pub use component::Component;
pub use gateway::Gateway;
pub use machine::{ENTERED, ENTERED_AS_ROOT, ENTERED_AS_USER, EXTERNAL, HOST, set_up as set_up_machine};
pub use names::Names;
pub use pod::{Pod, Ran};

use serde_json::Value;

use crate::{Result, canary::Source, error::Doing as _, process};
use pki::Pki;
use state::State;

/// A running mesh. Dropping ends all of it but pods, which end when they are dropped. Everything takes `&self`: tests
/// in threads may share one.
pub struct Mesh {
    // In the order in which they are to end.
    istiod: Component,
    api_server: Component,
    etcd: Component,
    names: Names,
    pki: Pki,
    /// Authorities that every pod takes for the public ones, PEM.
    public_roots: Mutex<String>,
    addresses: machine::Addresses,
    kubeconfig: PathBuf,
    state: State,
    /// Given back when everything else has ended.
    _only: machine::Only,
}

impl Mesh {
    /// Starts it; about 5 s.
    ///
    /// # Errors
    /// The program was not started by `fairlead-enter` or has a mesh already, the programs are not built, or a process does not become
    /// ready; with the end of its log.
    pub fn start() -> Result<Self> {
        let only = machine::Only::take()?;
        let state = State::new()?;
        let pki = Pki::new(&state.directory("pki")?)?;
        let names = Names::serve()?;
        let etcd = etcd::start(&state)?;
        let api_server = api_server::start(&state, &pki)?;
        let kubeconfig = state.path().join("admin.kubeconfig");
        kubectl::write_admin(&kubeconfig, &pki)?;
        kubectl::create_file(&kubeconfig, &tool("crd-all.gen.yaml")?)?;
        kubectl::create_namespace(&kubeconfig, istiod::NAMESPACE)?;
        let istiod = istiod::start(&state, &kubeconfig)?;
        names.set("istiod.istio-system.svc.cluster.local", &[HOST]);
        names.set("kubernetes.default.svc.cluster.local", &[HOST]);
        let public_roots = Mutex::default();
        let addresses = machine::Addresses::default();
        Ok(Self {
            istiod,
            api_server,
            etcd,
            names,
            pki,
            public_roots,
            addresses,
            kubeconfig,
            state,
            _only: only,
        })
    }

    /// A file of the administrator (group `system:masters`).
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Where everything that the mesh writes lies.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.state.path()
    }

    /// What the pods' name server answers.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The API server, to take it away and bring it back.
    #[must_use]
    pub fn api_server(&self) -> &Component {
        &self.api_server
    }

    /// Istio's control plane, to take it away and bring it back.
    #[must_use]
    pub fn istiod(&self) -> &Component {
        &self.istiod
    }

    /// The API server's database.
    #[must_use]
    pub fn etcd(&self) -> &Component {
        &self.etcd
    }

    /// Lets pods that are started from now on take this authority (PEM) for a public one: it is in their system
    /// bundle.
    pub fn trust(&self, authority: &str) {
        let mut roots = self.public_roots.lock().unwrap_or_else(PoisonError::into_inner);
        roots.push_str(authority);
    }

    /// A pod without a process: `labels` and `service_account` are what its gateway or program says of itself.
    ///
    /// # Errors
    /// Its network cannot be made.
    pub fn pod(
        &self,
        namespace: &str,
        service_account: &str,
        name: &str,
        labels: &[(&str, &str)],
    ) -> Result<Pod> {
        let ground = pod::Ground {
            address: self.addresses.next()?,
            directory: self.state.directory(&format!("pods/{namespace}-{name}"))?,
            binds: self.state.binds()?,
            public_roots: self.public_roots.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Pod::new(ground, namespace, service_account, name, labels)
    }

    /// A gateway: the agent and its Envoy in a pod of its own, ready to get configuration by its labels. The service
    /// account must exist.
    ///
    /// # Errors
    /// It does not become ready; with the end of its log.
    pub fn gateway(
        &self,
        namespace: &str,
        service_account: &str,
        name: &str,
        labels: &[(&str, &str)],
    ) -> Result<Gateway> {
        self.gateway_with(namespace, service_account, name, labels, "concurrency: 1")
    }

    /// [`gateway`](Self::gateway) with this proxy configuration, YAML, as a pod's annotation `proxy.istio.io/config` has it.
    ///
    /// # Errors
    /// As [`gateway`](Self::gateway), and text that is no YAML.
    pub fn gateway_with(
        &self,
        namespace: &str,
        service_account: &str,
        name: &str,
        labels: &[(&str, &str)],
        proxy_config: &str,
    ) -> Result<Gateway> {
        Gateway::start(self, self.pod(namespace, service_account, name, labels)?, proxy_config)
    }

    /// Resident memory of etcd, API server and istiod, bytes. [`Gateway::memory`] says the rest.
    ///
    /// # Errors
    /// One does not run.
    pub fn memory(&self) -> Result<BTreeMap<String, u64>> {
        [&self.etcd, &self.api_server, &self.istiod]
            .into_iter()
            .map(|component| Ok((component.name().to_owned(), component.memory()?)))
            .collect()
    }

    /// Logs of its processes, for the search for leaked secrets. etcd and the API server hold Secrets by right and
    /// are not asked for more.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        [&self.etcd, &self.api_server, &self.istiod]
            .into_iter()
            .map(|component| (format!("log of {}", component.name()), component.log()))
            .collect()
    }

    /// What a client at this address asked the API server to change so far, refused or not: `verb resource namespace/name`,
    /// in order, each once for each time.
    ///
    /// # Errors
    /// The API server's notes cannot be read.
    pub fn changes_from(&self, client: Ipv4Addr) -> Result<Vec<String>> {
        let file = self.state.path().join(api_server::AUDIT);
        let notes = std::fs::read_to_string(&file).doing(file.display())?;
        // The last line may still be on its way.
        let events = notes.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let client = client.to_string();
        let from = |event: &Value| event.pointer("/sourceIPs/0").and_then(Value::as_str) == Some(&*client);
        Ok(events.filter(from).map(|event| change(&event)).collect())
    }

    /// Port of the API server at [`host`](Self::host).
    #[must_use]
    pub fn api_port(&self) -> u16 {
        api_server::PORT
    }

    /// Address of the machine as pods see it: the API server and istiod are there.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        HOST
    }
}

/// One line of [`Mesh::changes_from`].
fn change(event: &Value) -> String {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let [verb, resource, subresource, namespace, name] =
        ["/verb", "/objectRef/resource", "/objectRef/subresource", "/objectRef/namespace", "/objectRef/name"]
            .map(text);
    let separator = if subresource.is_empty() { "" } else { "/" };
    format!("{verb} {resource}{separator}{subresource} {namespace}/{name}")
}

/// A program or file in `FAIRLEAD_MESH_TOOLS`.
pub(crate) fn tool(name: &str) -> Result<PathBuf> {
    let directory = process::program("FAIRLEAD_MESH_TOOLS", "tools/mesh")?;
    let path = directory.join(name);
    path.metadata().doing(format!("{} is not built: run `cargo xtask mesh tools`", path.display()))?;
    Ok(path)
}
