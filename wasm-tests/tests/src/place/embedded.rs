//! The embedded bed as a place: a control plane over a directory of manifests, and plain Envoys.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use fairlead_testkit::{
    Result,
    bed::{Bed, INGRESS_HOST, outside},
    certs::Identity,
    double::Double,
    error::Doing as _,
    http::{CALLER, Connection, Tls},
};
use serde_json::{Value, json};

use super::{Authorities, Host, Needs, Place, Way};

/// Where targets are (spec/decisions 43).
const EXTERNAL: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Of each gateway, by default.
const WORKERS: usize = 2;

const HOSTS: &[&str] = &[INGRESS_HOST, "second.kyma.local"];

struct Embedded {
    bed: Bed,
    authorities: Authorities,
}

/// Runs a table in an embedded bed of its own, and searches it for leaked secrets afterwards.
///
/// # Errors
/// The bed does not start, or leaked secrets.
///
/// # Panics
/// As the table; with what the gateways said.
#[allow(clippy::print_stderr, reason = "libtest shows it with the failure")]
pub fn run(needs: &Needs, table: fn(&dyn Place)) -> Result {
    let authorities = Authorities::new()?;
    let config: Value = serde_json::from_str(needs.config).doing(needs.config)?;
    let bed = Bed::start(|seed| {
        if needs.ingress {
            seed.ingress(&[&authorities.first, &authorities.second])?;
            seed.configure(&json!({ "gateways": { "ingress": { "hosts": HOSTS } } }));
        }
        seed.configure(&config);
        Ok(())
    })?;
    let place = Embedded { bed, authorities };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| table(&place))) {
        for envoy in std::iter::once(&place.bed.egress).chain(&place.bed.ingress) {
            // What libtest shows with the failure: not what Envoy says at its start.
            let log = String::from_utf8_lossy(&envoy.log()).into_owned();
            log.lines().filter(|line| !line.contains("[info][main]")).for_each(|line| eprintln!("{line}"));
        }
        resume_unwind(panic);
    }
    place.bed.finish()
}

impl Place for Embedded {
    fn double(&self) -> &Double {
        &self.bed.double
    }

    fn external(&self) -> Ipv4Addr {
        EXTERNAL
    }

    fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    fn address(&self, way: &Way) -> Result<SocketAddr> {
        match way {
            Way::Manual => Ok(self.bed.manual_address()),
            Way::Ucl => Ok(self.bed.ucl_address()),
            Way::Outside(_) => self.bed.ingress_address(),
        }
    }

    fn connect(&self, way: &Way) -> Result<Connection> {
        let address = self.address(way)?;
        match way {
            Way::Manual | Way::Ucl => Connection::open(address),
            Way::Outside(tls) => Connection::open_tls(address, tls),
        }
    }

    fn caller(&self) -> IpAddr {
        CALLER.into()
    }

    fn hosts(&self) -> &'static [&'static str] {
        HOSTS
    }

    fn client(&self, identity: &Identity) -> Tls {
        outside(identity)
    }

    fn host(&self) -> Host {
        Host::Plain
    }

    fn resolve(&self, name: &str, addresses: &[Ipv4Addr]) -> Result {
        let addresses = addresses.iter().copied().map(IpAddr::V4).collect();
        self.bed.double.change(|settings| drop(settings.dns.insert(name.to_owned(), addresses)))
    }

    fn put(&self, name: &str, manifests: &[Value]) -> Result {
        self.bed.resources()?.put(&file(name), manifests)
    }

    fn remove(&self, name: &str) -> Result {
        self.bed.resources()?.remove(&file(name))
    }

    fn secret(&self, name: &str) -> Result<String> {
        self.bed.secret(name)
    }

    fn secret_is(&self, name: &str, value: &str) -> Result {
        self.bed.secret_is(name, value)
    }

    fn under_way(&self) -> Result<u64> {
        self.bed.egress.stat(|name| name == "http.egress_manual.downstream_rq_active")
    }

    fn memory(&self) -> Result<u64> {
        Ok(self.bed.egress.usage()?.resident)
    }

    fn reloads(&self) -> Result<u64> {
        self.bed.egress.stat(|name| name.contains("vm_reload"))
    }

    fn taken(&self) -> Result<Vec<u64>> {
        let of = |worker: usize| {
            let end = format!("worker_{worker}.downstream_cx_total");
            self.bed.egress.stat(|name| name.starts_with("listener.") && name.ends_with(&end))
        };
        (0..WORKERS).map(of).collect()
    }
}

fn file(name: &str) -> String {
    format!("{name}.yaml")
}
