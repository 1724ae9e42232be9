//! The mesh as a place that tables of cases run in (`fairlead_tests::cases`).

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_testkit::{
    Error, Result,
    certs::Identity,
    double::Double,
    error::Doing as _,
    http::{Connection, Tls},
    process,
};
use fairlead_tests::place::{Authorities, Host, Needs, Place, Way};
use serde_json::{Map, Value};

use super::{EXTERNAL, INGRESS_HOST, MANUAL, MeshBed, TLS, UCL, first};

/// Of each gateway; the bed asks for one.
const WORKERS: usize = 1;

/// What a manifest is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl Object {
    fn of(manifest: &Value) -> Result<Self> {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let read = || {
            Some(Self {
                kind: text("/kind")?,
                namespace: text("/metadata/namespace"),
                name: text("/metadata/name")?,
            })
        };
        read().ok_or_else(|| Error::new(format!("no manifest: {manifest}")))
    }
}

impl MeshBed {
    /// Runs a test here, alone: with the configuration and the external system's settings that it expects, and nothing
    /// of what others [`put`](Place::put). Then searches for its secrets where they must not be.
    ///
    /// # Errors
    /// The configuration cannot be made, or leaked secrets.
    ///
    /// # Panics
    /// As the test; with what the egress gateway said.
    pub fn run(&self, needs: &Needs, test: impl FnOnce(&Self)) -> Result {
        static ALONE: Mutex<()> = Mutex::new(());
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        self.configure(&serde_json::from_str(needs.config).doing(needs.config)?)?;
        self.double.clear()?;
        let mut before = None;
        self.double.change(|settings| before = Some(settings.clone()))?;
        // Those of others were searched for behind them.
        let canary = self.canary.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let done = catch_unwind(AssertUnwindSafe(|| test(self)));
        self.double.change(|settings| settings.clone_from(before.as_ref().unwrap_or(&settings.clone())))?;
        self.forget()?;
        let checked = match done {
            Ok(()) => self.check(),
            Err(panic) => {
                self.tell();
                resume_unwind(panic);
            }
        };
        if checked.is_err() {
            self.tell();
        }
        *self.canary.lock().unwrap_or_else(PoisonError::into_inner) = canary;
        checked
    }

    /// Ends of the gateways' logs, which libtest shows with a failure.
    #[allow(clippy::print_stderr, reason = "libtest shows it with the failure")]
    fn tell(&self) {
        for gateway in [self.egress(), self.ingress()].concat() {
            let log = String::from_utf8_lossy(&gateway.agent().log()).into_owned();
            let lines: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("{}:", gateway.pod().name());
            lines.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }

    /// Deletes whatever was [`put`](Place::put).
    fn forget(&self) -> Result {
        let written = std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner));
        self.delete(&written.into_values().flatten().collect::<Vec<_>>())
    }

    fn delete(&self, objects: &[Object]) -> Result {
        // One call for all of a kind in a namespace.
        let mut left = objects.to_vec();
        while let Some(Object { kind, namespace, .. }) = left.first().cloned() {
            let (these, others): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|object| object.kind == kind && object.namespace == namespace);
            let mut words = vec!["delete", "--ignore-not-found", &kind];
            words.extend(these.iter().map(|object| object.name.as_str()));
            words.extend(namespace.iter().flat_map(|namespace| ["--namespace", namespace.as_str()]));
            self.mesh.kubectl(&words)?;
            left = others;
        }
        Ok(())
    }

    /// A stat of the first egress gateway.
    fn stat(&self, wanted: impl Fn(&str) -> bool) -> Result<u64> {
        first(&self.egress())?.stat(wanted)
    }
}

impl Place for MeshBed {
    fn double(&self) -> &Double {
        &self.double
    }

    fn external(&self) -> Ipv4Addr {
        EXTERNAL
    }

    fn authorities(&self) -> &Authorities {
        &self.outside
    }

    fn address(&self, way: &Way) -> Result<SocketAddr> {
        match way {
            Way::Manual => Ok(first(&self.egress())?.port(MANUAL)),
            Way::Ucl => Ok(first(&self.egress())?.port(UCL)),
            Way::Outside(_) => Ok(first(&self.ingress())?.port(TLS)),
        }
    }

    fn connect(&self, way: &Way) -> Result<Connection> {
        let address = self.address(way)?;
        self.workload.inside(|| match way {
            Way::Manual | Way::Ucl => Connection::open(address),
            Way::Outside(tls) => Connection::open_tls(address, tls),
        })?
    }

    fn caller(&self) -> IpAddr {
        self.workload.address().into()
    }

    fn hosts(&self) -> &'static [&'static str] {
        &[INGRESS_HOST]
    }

    fn client(&self, identity: &Identity) -> Tls {
        Self::client(self, identity)
    }

    fn host(&self) -> Host {
        Host::Istio
    }

    fn resolve(&self, name: &str, addresses: &[Ipv4Addr]) -> Result {
        self.mesh.names().set(name, addresses);
        let addresses = addresses.iter().copied().map(IpAddr::V4).collect();
        self.double.change(|settings| drop(settings.dns.insert(name.to_owned(), addresses)))
    }

    fn put(&self, name: &str, manifests: &[Value]) -> Result {
        let now = manifests.iter().map(Object::of).collect::<Result<Vec<_>>>()?;
        self.apply(&manifests.iter().cloned().map(encoded).collect::<Vec<_>>())?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = written.insert(name.to_owned(), now.clone()).unwrap_or_default();
        drop(written);
        before.retain(|object| !now.contains(object));
        self.delete(&before)
    }

    fn remove(&self, name: &str) -> Result {
        let gone = self.written.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.delete(&gone.ok_or_else(|| Error::new(format!("nothing was written as {name}")))?)
    }

    fn secret(&self, name: &str) -> Result<String> {
        Self::secret(self, name)
    }

    fn secret_is(&self, name: &str, value: &str) -> Result {
        self.canary.lock().unwrap_or_else(PoisonError::into_inner).add(name, value)
    }

    fn under_way(&self) -> Result<u64> {
        let end = format!("0.0.0.0_{MANUAL};.downstream_rq_active");
        self.stat(|name| name.starts_with("http.outbound_") && name.ends_with(&end))
    }

    fn memory(&self) -> Result<u64> {
        Ok(process::usage(first(&self.egress())?.envoy()?)?.resident)
    }

    fn reloads(&self) -> Result<u64> {
        self.stat(|name| name.contains("vm_reload"))
    }

    fn taken(&self) -> Result<Vec<u64>> {
        let listener = format!("listener.0.0.0.0_{MANUAL}.");
        let of = |worker: usize| {
            let end = format!("worker_{worker}.downstream_cx_total");
            self.stat(|name| name.starts_with(&listener) && name.ends_with(&end))
        };
        (0..WORKERS).map(of).collect()
    }
}

/// A Secret with `data` in place of `stringData`: server-side apply keeps what former `stringData` became.
fn encoded(mut manifest: Value) -> Value {
    if let Some(object) = manifest.as_object_mut()
        && let Some(Value::Object(texts)) = object.remove("stringData")
    {
        let encode =
            |(key, value): (String, Value)| (key, STANDARD.encode(value.as_str().unwrap_or_default()).into());
        let data: Map<String, Value> = texts.into_iter().map(encode).collect();
        object.insert("data".to_owned(), data.into());
    }
    manifest
}
