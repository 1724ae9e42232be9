//! Everything at once: external system, control plane, egress and ingress Envoy; and the search for leaked secrets
//! when it is over.
//!
//! ```no_run
//! # use fairlead_testkit::{Result, bed::Bed, http::Request, resources::{Application, Entry, secret}};
//! # fn main() -> Result {
//! let bed = Bed::start(|seed| {
//!     let password = seed.secret("password")?;
//!     let target = seed.double.url("http")?;
//!     let application = Application::new("shop").service("Orders", &[Entry::api(&target).basic("orders")]);
//!     let credentials = secret("orders", &[("username", "user"), ("password", &password)]);
//!     seed.put("shop.yaml", &[application.manifest(), credentials]);
//!     Ok(())
//! })?;
//! bed.manual(&Request::new("GET", "/shop/orders/1"))?.expect(200)?;
//! bed.finish()
//! # }
//! ```

mod seed;

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

pub use seed::{INGRESS_HOST, Seed};

use crate::{
    Error, Result,
    canary::Canary,
    certs::Identity,
    double::Double,
    envoy::{self, Envoy},
    fairlead::{ControlPlane, Resources},
    http::{self, Request, Response, Tls},
    wait,
};

/// Until a listener is there, or a change is effective on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A running installation. When it is dropped, leaked secrets make the test fail; [`finish`](Self::finish) says so as
/// an error instead.
pub struct Bed {
    /// The external system.
    pub double: Double,
    /// The control plane.
    pub control: ControlPlane,
    /// The egress gateway.
    pub egress: Envoy,
    /// The ingress gateway, if it was asked for.
    pub ingress: Option<Envoy>,
    /// Secrets that must not be found; more may be added while the bed runs.
    pub canary: Canary,
    /// More of them, from whoever only has a shared reference.
    later: Mutex<Canary>,
    ports: Ports,
    /// Access logs, and the client CAs.
    directory: TempDir,
    finished: bool,
}

/// Addresses of the egress gateway.
#[derive(Clone, Copy, Debug)]
struct Ports {
    manual: SocketAddr,
    ucl: SocketAddr,
    health: SocketAddr,
}

impl Bed {
    /// Starts all of it. `seed` says how it is to be and what resources there are at the start.
    ///
    /// # Errors
    /// A part does not start; with its log.
    pub fn start(seed: impl FnOnce(&mut Seed) -> Result) -> Result<Self> {
        let mut ground = Seed::new()?;
        seed(&mut ground)?;
        let Seed { double, canary, config, files, with_ingress, workers, components, directory } = ground;
        let overrides = overrides(&double, &config, with_ingress, directory.path())?;
        let control = ControlPlane::start(&overrides, |resources| {
            files.iter().try_for_each(|(name, manifests)| resources.put(name, manifests))
        })?;
        let gateway = |view: &str| {
            let mut setup = envoy::Setup::new(&control.gateway(view).join("bootstrap.json"));
            setup.concurrency = workers;
            setup.components.clone_from(&components);
            Envoy::start(setup)
        };
        let egress = gateway("egress")?;
        let ingress = with_ingress.then(|| gateway("ingress")).transpose()?;
        let ports = ports(&egress)?;
        Ok(Self {
            double,
            control,
            egress,
            ingress,
            canary,
            later: Mutex::default(),
            ports,
            directory,
            finished: false,
        })
    }

    /// The manifests.
    ///
    /// # Errors
    /// The directory is gone.
    pub fn resources(&self) -> Result<Resources> {
        self.control.resources()
    }

    /// A new secret that must not be found anywhere in the end.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn secret(&self, name: &str) -> Result<String> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner).make(name)
    }

    /// A secret with this value.
    ///
    /// # Errors
    /// It is too short to be looked for.
    pub fn secret_is(&self, name: &str, value: &str) -> Result {
        self.later.lock().unwrap_or_else(PoisonError::into_inner).add(name, value)
    }

    /// Port 8080 of the contract: `/{app}/{service}/…`.
    #[must_use]
    pub fn manual_address(&self) -> SocketAddr {
        self.ports.manual
    }

    /// Port 8082 of the contract: `/{app}/{service}/{entry}/…`.
    #[must_use]
    pub fn ucl_address(&self) -> SocketAddr {
        self.ports.ucl
    }

    /// Port 8081 of the contract.
    #[must_use]
    pub fn health_address(&self) -> SocketAddr {
        self.ports.health
    }

    /// The ingress listener.
    ///
    /// # Errors
    /// The bed has none.
    pub fn ingress_address(&self) -> Result<SocketAddr> {
        let ingress = self.ingress.as_ref().ok_or_else(|| Error::new("the bed has no ingress gateway"))?;
        ingress.listener("ingress", LIMIT)
    }

    /// A call by `/{app}/{service}/…`.
    ///
    /// # Errors
    /// There is no answer.
    pub fn manual(&self, request: &Request) -> Result<Response> {
        http::call(self.ports.manual, request)
    }

    /// A call by `/{app}/{service}/{entry}/…`.
    ///
    /// # Errors
    /// There is no answer.
    pub fn ucl(&self, request: &Request) -> Result<Response> {
        http::call(self.ports.ucl, request)
    }

    /// A call from outside over TLS, as [`outside`] or another one.
    ///
    /// # Errors
    /// There is no answer, the refusal of the certificate included.
    pub fn from_outside(&self, tls: &Tls, request: &Request) -> Result<Response> {
        http::call_tls(self.ingress_address()?, tls, request)
    }

    /// Starts the egress Envoy again and finds its new ports.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart_egress(&mut self) -> Result {
        self.egress.restart()?;
        self.ports = ports(&self.egress)?;
        Ok(())
    }

    /// Repeats a manual call until `effective` says yes to its answer; how long that took.
    ///
    /// # Errors
    /// It does not happen within [`LIMIT`]; with the last answer.
    pub fn until(&self, request: &Request, effective: impl Fn(&Response) -> bool) -> Result<Duration> {
        let begin = std::time::Instant::now();
        wait::attempt("an effective change", LIMIT, || {
            let response = self.manual(request)?;
            if effective(&response) {
                return Ok(begin.elapsed());
            }
            Err(Error::new(format!("{} {}", response.status, response.text())))
        })
    }

    /// Searches all logs, configurations, statistics, metrics and files for secrets and ends everything.
    ///
    /// # Errors
    /// Leaked secrets, or a part that does not answer.
    pub fn finish(mut self) -> Result {
        self.finished = true;
        self.check()
    }

    /// What the canary search looks at.
    ///
    /// # Errors
    /// A part does not answer.
    pub fn sources(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut sources = self.control.sources()?;
        sources.extend(self.egress.sources("egress")?);
        if let Some(ingress) = &self.ingress {
            sources.extend(ingress.sources("ingress")?);
        }
        for name in ["egress.log", "ingress.log"] {
            if let Ok(log) = std::fs::read(self.directory.path().join(name)) {
                sources.push((format!("access log {name}"), log));
            }
        }
        Ok(sources)
    }

    /// The search, while it runs.
    ///
    /// # Errors
    /// Leaked secrets, or a part that does not answer.
    pub fn check(&mut self) -> Result {
        let sources = self.sources()?;
        self.canary.absorb(&self.later.lock().unwrap_or_else(PoisonError::into_inner));
        self.canary.check(&sources)
    }
}

/// TLS of an external system that does all right: the ingress gateway's name, and this certificate.
#[must_use]
pub fn outside(identity: &Identity) -> Tls {
    Tls::new().server_name(INGRESS_HOST).identity(identity)
}

impl Drop for Bed {
    #[allow(clippy::panic, reason = "a leak that is found only here must fail the test")]
    fn drop(&mut self) {
        let result = if self.finished || std::thread::panicking() { Ok(()) } else { self.check() };
        if let Err(error) = result {
            panic!("{error}");
        }
    }
}

fn ports(egress: &Envoy) -> Result<Ports> {
    let port = |name| egress.listener(name, LIMIT);
    Ok(Ports { manual: port("egress_manual")?, ucl: port("egress_ucl")?, health: port("egress_health")? })
}

fn overrides(double: &Double, config: &Value, ingress: bool, logs: &std::path::Path) -> Result<Value> {
    let module = crate::process::program("FAIRLEAD_MODULE", "fairlead.wasm")?;
    let mut all = json!({
        "sink": double.url("sink")?,
        "targets": { "nameServers": [double.dns()], "systemCa": double.ca() },
        "gateways": {
            "module": module,
            "egress": { "accessLog": logs.join("egress.log") },
            "ingress": { "accessLog": logs.join("ingress.log"), "hosts": [INGRESS_HOST] },
        },
    });
    if !ingress {
        crate::fairlead::merge(&mut all, &json!({ "gateways": { "ingress": null } }));
    }
    crate::fairlead::merge(&mut all, config);
    Ok(all)
}
