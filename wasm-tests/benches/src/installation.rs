//! A whole installation with 10 000 Applications × 3 services: memory of control plane and plugin.
//!
//! Everything here is real: directory store, control plane, mTLS feed, Envoy with two workers, the double as target.

use std::time::Duration;

use fairlead_testkit::{
    Error, Result,
    bed::Bed,
    fairlead::Resources,
    http::{Connection, Request},
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::{Value, json};

use crate::{
    options::Options,
    proc,
    row::{Measured, Row},
};

pub(crate) const APPLICATIONS: usize = 10_000;
/// Applications in one file.
pub(crate) const FILE: usize = 500;
const WORKERS: u32 = 2;
/// Until 10 000 Applications are in force on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
/// Connections that are asked: enough that both workers have some.
const PROBES: usize = 12;

/// An Application with three services, each with a target of its own, and its Secret.
pub(crate) fn manifests(number: usize, target: &str, version: usize) -> Vec<Value> {
    let mut application = Application::new(&format!("app-{number}"));
    for service in ["orders", "customers", "prices"] {
        let url = format!("{target}/{number}/{service}/v{version}");
        application = application.service(service, &[Entry::api(&url).basic(&format!("app-{number}"))]);
    }
    let password = format!("password-{number}-{version}");
    vec![
        application.manifest(),
        secret(&format!("app-{number}"), &[("username", "user"), ("password", &password)]),
    ]
}

/// Writes that many of them, a multiple of [`FILE`].
pub(crate) fn fill(resources: &Resources, target: &str, applications: usize) -> Result {
    for first in (0..applications).step_by(FILE) {
        let manifests: Vec<_> =
            (first..first + FILE).flat_map(|number| manifests(number, target, 0)).collect();
        resources.put(&format!("many-{first}.yaml"), &manifests)?;
    }
    Ok(())
}

pub(crate) fn run(_: &Options) -> Result<Measured> {
    let mut bed = Bed::start(|seed| {
        seed.workers(WORKERS);
        seed.configure(&json!({ "gateways": { "egress": { "accessLog": null } } }));
        Ok(())
    })?;
    proc::pin(bed.egress.process().id(), proc::ENVOY)?;
    let target = bed.double.url("http")?;
    bed.resources()?.put("first.yaml", &manifests(APPLICATIONS, &target, 0))?;
    until_served(&bed, APPLICATIONS)?;
    let before = memory(&mut bed)?;
    fill(&bed.resources()?, &target, APPLICATIONS)?;
    for file in 0..APPLICATIONS / FILE {
        until_served(&bed, file * FILE)?;
    }
    let after = memory(&mut bed)?;
    bed.finish()?;
    let rows = vec![
        Row::at_most("control plane, one application: memory", before.0, 40.0, "MiB"),
        Row::at_most(
            "control plane, 10 000 applications × 3 services (30 000 entries): memory",
            after.0,
            120.0,
            "MiB",
        ),
        // One VM a worker, and the main thread's, which keeps a view too.
        Row::at_most(
            "plugin, 10 000 applications × 3 services (30 000 entries): memory of a VM",
            (after.1 - before.1) / f64::from(WORKERS + 1),
            24.0,
            "MiB",
        ),
        Row::info("Envoy before and after", format!("{:.0} and {:.0} MiB", before.1, after.1), after.1),
    ];
    Ok(rows.into())
}

/// Resident memory of control plane and egress Envoy, MiB.
fn memory(bed: &mut Bed) -> Result<(f64, f64)> {
    let (control, envoy) = (bed.control.process().id(), bed.egress.process().id());
    Ok((proc::resident_mib(control)?, proc::resident_mib(envoy)?))
}

fn request(number: usize) -> Request {
    Request::new("GET", format!("/app-{number}/orders/17"))
}

/// Every worker that the probes reach serves this Application.
fn until_served(bed: &Bed, number: usize) -> Result {
    let mut connections = probes(bed)?;
    wait::attempt(&format!("app-{number}"), LIMIT, || {
        for connection in &mut connections {
            let response = connection.send(&request(number))?;
            if response.status != 200 {
                return Err(Error::new(format!("{} {}", response.status, response.text())));
            }
        }
        Ok(())
    })
}

fn probes(bed: &Bed) -> Result<Vec<Connection>> {
    (0..PROBES).map(|_| Connection::open(bed.manual_address())).collect()
}
