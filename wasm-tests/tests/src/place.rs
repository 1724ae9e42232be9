//! An installation that tables of cases run in, without saying which: an embedded one, or one in the mesh.
//!
//! A table gets a running place with the configuration that it asked for ([`Needs`]) and nothing in it. It writes its
//! Applications and Secrets ([`Place::put`]), calls, and looks at what the external system saw ([`Place::double`]). What
//! differs from bed to bed is asked for here and written down in no table: addresses, names, ports.
//! The mesh's side is in `wasm-tests/mesh`.

mod embedded;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use fairlead_testkit::{
    Error, Result,
    bed::LIMIT,
    certs::{Authority, Identity},
    double::Double,
    http::{Connection, Request, Response, Tls},
    wait,
};
use fairlead_wire::Reason;
use serde_json::Value;

pub use embedded::run as embedded;

use crate::target::Target;

/// Which way a request goes.
#[derive(Clone)]
pub enum Way {
    /// Port 8080: `/{app}/{service}/…`.
    Manual,
    /// Port 8082: `/{app}/{service}/{entry}/…`.
    Ucl,
    /// From outside, over this TLS.
    Outside(Box<Tls>),
}

/// Whose Envoy configuration ours is added to. What hosts do otherwise than each other, by themselves, is said where a
/// table meets it; everything else is the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Nobody's: all of it is ours.
    Plain,
    /// Istio's.
    Istio,
}

/// What a table needs of its bed.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// An ingress gateway, which takes certificates of [`Authorities`] and serves
    /// [`INGRESS_HOST`](fairlead_testkit::bed::INGRESS_HOST).
    pub ingress: bool,
    /// Fields of `fairlead.yaml`, JSON.
    pub config: &'static str,
}

impl Needs {
    /// An egress gateway as it is by default.
    pub const EGRESS: Self = Self { ingress: false, config: "{}" };
    /// Both gateways as they are by default.
    pub const BOTH: Self = Self { ingress: true, config: "{}" };
}

/// The authorities of external systems.
pub struct Authorities {
    /// Accepted by the gateway.
    pub first: Authority,
    /// Accepted too.
    pub second: Authority,
    /// Not accepted.
    pub stranger: Authority,
}

impl Authorities {
    /// New ones.
    ///
    /// # Errors
    /// A certificate cannot be made.
    pub fn new() -> Result<Self> {
        Ok(Self {
            first: Authority::new("Clients One")?,
            second: Authority::new("Clients Two")?,
            stranger: Authority::new("Strangers")?,
        })
    }
}

/// An installation that tables run in.
pub trait Place {
    /// The external system. `example.test` and everything below it are its names in every place, but
    /// `loopback.example.test`, which is 127.0.0.1, and `metadata.example.test`, which is 169.254.169.254.
    fn double(&self) -> &Double;

    /// An address outside that targets may have: the double's, and where a test plays one itself.
    fn external(&self) -> Ipv4Addr;

    /// The authorities of external systems.
    fn authorities(&self) -> &Authorities;

    /// Where a way leads to.
    ///
    /// # Errors
    /// There is no such gateway.
    fn address(&self, way: &Way) -> Result<SocketAddr>;

    /// A caller's connection.
    ///
    /// # Errors
    /// There is none.
    fn connect(&self, way: &Way) -> Result<Connection>;

    /// Where connections of [`connect`](Self::connect) come from, as `X-Forwarded-For` says it.
    fn caller(&self) -> IpAddr;

    /// The hosts that the ingress gateway serves; the first is [`INGRESS_HOST`](fairlead_testkit::bed::INGRESS_HOST).
    fn hosts(&self) -> &'static [&'static str];

    /// TLS of an external system that does all right: the gateway's name, and this certificate.
    fn client(&self, identity: &Identity) -> Tls;

    /// Whose Envoy it is.
    fn host(&self) -> Host;

    /// Lets a DNS name have these addresses.
    ///
    /// # Errors
    /// The name server does not answer.
    fn resolve(&self, name: &str, addresses: &[Ipv4Addr]) -> Result;

    /// Writes these manifests in place of those that were written under this name before; it does not wait until they
    /// are effective.
    ///
    /// # Errors
    /// They are refused.
    fn put(&self, name: &str, manifests: &[Value]) -> Result;

    /// Deletes what was written under this name.
    ///
    /// # Errors
    /// There is nothing.
    fn remove(&self, name: &str) -> Result;

    /// A new secret that must not be found anywhere in the end.
    ///
    /// # Errors
    /// The machine has no randomness.
    fn secret(&self, name: &str) -> Result<String>;

    /// A secret with this value.
    ///
    /// # Errors
    /// It is too short to be looked for.
    fn secret_is(&self, name: &str, value: &str) -> Result;

    /// How many requests the egress gateway has under way at the port of [`Way::Manual`].
    ///
    /// # Errors
    /// It does not answer.
    fn under_way(&self) -> Result<u64>;

    /// Resident memory of the egress gateway's Envoy, bytes.
    ///
    /// # Errors
    /// It does not run.
    fn memory(&self) -> Result<u64>;

    /// How many times a VM of the egress gateway was made anew because it had failed.
    ///
    /// # Errors
    /// It does not answer.
    fn reloads(&self) -> Result<u64>;

    /// How many connections each worker of the egress gateway took so far.
    ///
    /// # Errors
    /// It does not answer.
    fn taken(&self) -> Result<Vec<u64>>;
}

impl dyn Place + '_ {
    /// Sends a request over a connection of its own.
    ///
    /// # Errors
    /// There is no answer.
    pub fn call(&self, way: &Way, request: &Request) -> Result<Response> {
        self.connect(way)?.send(request)
    }

    /// A call by `/{app}/{service}/…`.
    ///
    /// # Errors
    /// There is no answer.
    pub fn manual(&self, request: &Request) -> Result<Response> {
        self.call(&Way::Manual, request)
    }

    /// A call by `/{app}/{service}/{entry}/…`.
    ///
    /// # Errors
    /// There is no answer.
    pub fn ucl(&self, request: &Request) -> Result<Response> {
        self.call(&Way::Ucl, request)
    }

    /// A target that the test plays.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn target(&self) -> Result<Target> {
        Target::at(self.external())
    }

    /// Where nobody listens, without path.
    #[must_use]
    pub fn nobody(&self) -> String {
        format!("http://{}:1", self.external())
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

    /// [`put`](Place::put), and waits until each of these services (`app/service`) is there for every worker. No target
    /// is called for that.
    ///
    /// # Errors
    /// As [`put`](Place::put), or a service does not come; with the last answer.
    pub fn plant(&self, name: &str, manifests: &[Value], services: &[&str]) -> Result {
        self.put(name, manifests)?;
        services.iter().try_for_each(|service| self.there(service))
    }

    /// Waits until a service (`app/service`) is there, its transport and its Secrets too.
    fn there(&self, service: &str) -> Result {
        // Refused by the record itself, whatever its base path is: nobody is called.
        let probe = Request::new("GET", format!("/{service}/..%2F..%2F..%2F..%2F"));
        let leaves = [Reason::PathLeavesBase.to_string()];
        wait::attempt(&format!("service {service}"), LIMIT, || {
            for _ in 0..WORKERS_ASKED {
                let response = self.manual(&probe)?;
                if response.header(fairlead_wire::header::REASON) != leaves {
                    return Err(Error::new(format!("{} {}", response.status, response.text())));
                }
            }
            Ok(())
        })
    }
}

/// As many calls that every worker has most likely had one: each opens a connection, and the kernel deals them out.
const WORKERS_ASKED: usize = 8;
