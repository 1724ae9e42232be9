//! A whole installation: the chart in the mesh, its control plane and gateways running, the external system's double
//! outside, a workload inside; and the search for leaked secrets when it is over.
//!
//! ```no_run
//! # use fairlead_mesh::MeshBed;
//! # use fairlead_testkit::{Result, http::Request, resources::{Application, Entry, secret}};
//! # fn main() -> Result {
//! let bed = MeshBed::start(|setup| {
//!     setup.values["roles"]["core"]["replicas"] = 2.into();
//!     Ok(())
//! })?;
//! let password = bed.secret("password")?;
//! let target = bed.double.url_by_name("https", "orders.example.test")?;
//! let application = Application::new("shop").service("Orders", &[Entry::api(&target).basic("orders")]);
//! bed.apply(&[application.manifest(), secret("orders", &[("username", "user"), ("password", &password)])])?;
//! bed.until(&Request::new("GET", "/shop/orders/1"), |response| response.status == 200)?;
//! bed.finish()
//! # }
//! ```

mod install;
mod place;
mod setup;
mod sources;
mod values;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use fairlead_testkit::{
    Error, Result,
    canary::Canary,
    certs::{Authority, Identity},
    double::Double,
    http::{self, Request, Response, Tls},
    mesh::{Gateway, Mesh, Pod, Ran},
    wait,
};
use fairlead_tests::place::Authorities;
use serde_json::Value;
use values::Values;

pub use setup::{EXTERNAL, INGRESS_HOST, Setup};

use crate::kubelet::{Kubelet, Program};

/// Until a change is effective, or something is there, on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Deployments of the chart.
const CORE: &str = "fairlead-core";
const EGRESS: &str = "fairlead-egress";
const INGRESS: &str = "fairlead-ingress";

/// Ports of the contract (AG §1) and of the ingress gateway.
const MANUAL: u16 = 8080;
const UCL: u16 = 8082;
const TLS: u16 = 8443;

/// A running installation. Everything takes `&self`: cases in threads may share one, each with Applications of its own.
pub struct MeshBed {
    /// Runs the pods of the installation. Ends before the mesh.
    pub kubelet: Kubelet,
    /// A workload in namespace `default`, without sidecar.
    pub workload: Pod,
    /// The external system, at [`EXTERNAL`]; its authority is in every pod's system bundle.
    pub double: Double,
    /// Authorities of external systems; the ingress gateway takes certificates of the first and the second.
    pub outside: Authorities,
    /// What serves at the ingress gateway ([`INGRESS_HOST`]) is issued by it.
    pub server_authority: Authority,
    canary: Mutex<Canary>,
    /// What [`put`](fairlead_tests::place::Place::put) wrote, by name.
    written: Mutex<BTreeMap<String, Vec<place::Object>>>,
    /// Values that the chart was installed with, and the configuration that it has now.
    values: Values,
    /// etcd, API server, istiod.
    pub mesh: Mesh,
}

impl MeshBed {
    /// Starts a mesh, installs the chart with helm and runs what it asks for: by default one replica of each
    /// Deployment with one worker thread. `change` says how it is to be otherwise.
    ///
    /// # Errors
    /// A part does not start; with the end of its log.
    pub fn start(change: impl FnOnce(&mut Setup) -> Result) -> Result<Self> {
        let mesh = Mesh::start()?;
        let mut setup = Setup::new(&mesh)?;
        change(&mut setup)?;
        let Setup { double, outside, server_authority, canary, values } = setup;
        install::install(&mesh, &server_authority, &values)?;
        let values = Values::new(values);
        mesh.service_account("default", "workload")?;
        let workload = mesh.pod("default", "workload", "workload", &[("app", "workload")])?;
        let canary = Mutex::new(canary);
        let kubelet = Kubelet::default();
        let written = Mutex::default();
        let bed =
            Self { kubelet, workload, double, outside, server_authority, canary, written, values, mesh };
        bed.settle()?;
        bed.wait_serving().map_err(|error| Error::new(format!("{error}{}", bed.ends())))?;
        Ok(bed)
    }

    /// Lets what runs be what the Deployments say now: after `kubectl scale`, `helm upgrade`, a lost pod.
    ///
    /// # Errors
    /// A pod does not become ready; with the end of its log.
    pub fn settle(&self) -> Result {
        self.kubelet.settle(&self.mesh)
    }

    /// Replicas of the control plane.
    #[must_use]
    pub fn control(&self) -> Vec<Arc<Program>> {
        self.kubelet.programs(CORE)
    }

    /// Egress gateways.
    #[must_use]
    pub fn egress(&self) -> Vec<Arc<Gateway>> {
        self.kubelet.gateways(EGRESS)
    }

    /// Ingress gateways.
    #[must_use]
    pub fn ingress(&self) -> Vec<Arc<Gateway>> {
        self.kubelet.gateways(INGRESS)
    }

    /// Writes manifests as administrator.
    ///
    /// # Errors
    /// The API server refuses one.
    pub fn apply(&self, manifests: &[Value]) -> Result {
        self.mesh.apply(manifests).map(drop)
    }

    /// A new secret that must not be found anywhere in the end.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn secret(&self, name: &str) -> Result<String> {
        self.canary.lock().unwrap_or_else(PoisonError::into_inner).make(name)
    }

    /// A call by `/{app}/{service}/…`, from the workload.
    ///
    /// # Errors
    /// There is no answer.
    pub fn manual(&self, request: &Request) -> Result<Response> {
        self.workload_calls(MANUAL, request)
    }

    /// A call by `/{app}/{service}/{entry}/…`, from the workload.
    ///
    /// # Errors
    /// There is no answer.
    pub fn ucl(&self, request: &Request) -> Result<Response> {
        self.workload_calls(UCL, request)
    }

    /// A call from outside over TLS to the first ingress gateway, as [`client`](Self::client) or another one.
    ///
    /// # Errors
    /// There is no answer, the refusal of the certificate included.
    pub fn from_outside(&self, tls: &Tls, request: &Request) -> Result<Response> {
        http::call_tls(first(&self.ingress())?.port(TLS), tls, request)
    }

    /// TLS of an external system that does all right: verifies the gateway, shows this certificate.
    #[must_use]
    pub fn client(&self, identity: &Identity) -> Tls {
        Tls::new().server_name(INGRESS_HOST).roots(self.server_authority.pem()).identity(identity)
    }

    /// `curl …` in the workload.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn curl(&self, arguments: &[&str]) -> Result<Ran> {
        self.workload.run(&[&["curl", "--silent", "--show-error"], arguments].concat())
    }

    /// Repeats a manual call until `effective` says yes to its answer; how long that took.
    ///
    /// # Errors
    /// It does not happen within [`LIMIT`]; with the last answer.
    pub fn until(&self, request: &Request, effective: impl Fn(&Response) -> bool) -> Result<Duration> {
        let begin = Instant::now();
        wait::attempt("an effective change", LIMIT, || {
            let response = self.manual(request)?;
            if effective(&response) {
                return Ok(begin.elapsed());
            }
            Err(Error::new(format!("{} {}", response.status, response.text())))
        })
    }

    /// Searches everything that processes wrote or show for secrets, and ends all of it.
    ///
    /// # Errors
    /// Leaked secrets, or a part that does not answer.
    pub fn finish(self) -> Result {
        self.check()
    }

    /// The search, while it runs.
    ///
    /// # Errors
    /// Leaked secrets, or a part that does not answer.
    pub fn check(&self) -> Result {
        let sources = sources::all(self)?;
        self.canary.lock().unwrap_or_else(PoisonError::into_inner).check(&sources)
    }

    fn workload_calls(&self, port: u16, request: &Request) -> Result<Response> {
        let address: SocketAddr = first(&self.egress())?.port(port);
        self.workload.inside(|| http::call(address, request))?
    }

    /// Until gateways have listeners and a view: an unknown Application is answered by the plugin with 404.
    fn wait_serving(&self) -> Result {
        for gateway in self.egress() {
            let address = gateway.wait_listener(MANUAL, LIMIT)?;
            wait::attempt("the egress view", LIMIT, || {
                http::get(address, "/none/none/")?.expect(404).map(drop)
            })
            .map_err(|error| Error::new(format!("{error}{}", self.ends())))?;
        }
        for gateway in self.ingress() {
            gateway.wait_listener(TLS, LIMIT)?;
        }
        Ok(())
    }

    /// Ends of the control planes' logs, for messages.
    fn ends(&self) -> String {
        let mut text = String::new();
        for program in self.control() {
            let log = String::from_utf8_lossy(&program.component().log()).into_owned();
            let lines: Vec<&str> = log.lines().rev().take(20).collect();
            text = format!("{text}\n{}:\n", program.pod().name());
            lines.into_iter().rev().for_each(|line| text = format!("{text}{line}\n"));
        }
        text
    }
}

fn first(gateways: &[Arc<Gateway>]) -> Result<&Gateway> {
    gateways.first().map(Arc::as_ref).ok_or_else(|| Error::new("no gateway runs"))
}
