//! The rows of design.md that need a mesh: an API server with 10 000 Applications and 30 000 Secrets, istiod, the chart's
//! gateways with two workers each. `cargo xtask bench --mesh`.
//!
//! Time runs from the API server's answer to a write until each of several connections shows the change to the
//! double: enough of them that every worker has some. So it holds the watch, the compile, the delivery, the feed and the
//! answers themselves.

mod api;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use fairlead_mesh::MeshBed;
use fairlead_testkit::{
    Error, Result,
    certs::Authority,
    error::Doing as _,
    http::{Connection, Request},
    load::Load,
    resources::{Application, Entry, secret},
};
use serde_json::{Value, json};

use crate::{
    options::Options,
    propagation::{CALLERS, Kind, NAME, RATE, Times, nothing_failed, rows, until},
    row::{Measured, Row, say},
    spread::{self, Spread},
};
use api::{Api, patch};

const WORKERS: usize = 2;
/// Connections that are asked: one worker has them all once in 128 runs.
const PROBES: usize = 8;
/// Port of the contract.
const MANUAL: u16 = 8080;
const SERVICES: [&str; 3] = ["orders", "customers", "prices"];

struct Measurement {
    bed: MeshBed,
    api: Api,
    probes: Vec<Connection>,
    /// The double, by a name of its own.
    target: String,
}

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let applications = if options.quick { 300 } else { 10_000 };
    let (changes, profiles) = if options.quick { (20, 5) } else { (100, 30) };
    let mut measurement = Measurement::start()?;
    let idle = measurement.memory()?;
    let title = format!("{applications} applications, {} Secrets", applications * SERVICES.len());
    let begin = Instant::now();
    measurement.fill(applications)?;
    say(&format!("   {title}: written and in force after {:.0} s", begin.elapsed().as_secs_f64()));
    let mut rows = vec![
        Row::at_most("control plane in a mesh, one application: memory", idle, 40.0, "MiB"),
        Row::at_most(
            format!("control plane in a mesh, {title}: memory"),
            measurement.memory()?,
            120.0,
            "MiB",
        ),
    ];
    rows.extend(measurement.changes(changes, applications)?);
    rows.extend(measurement.profiles(profiles)?);
    rows.push(Row::info(
        "control plane in a mesh after all changes: memory",
        format!("{:.2} MiB", measurement.memory()?),
        0.0,
    ));
    measurement.bed.finish()?;
    Ok(rows.into())
}

impl Measurement {
    /// One Application, [`NAME`], is there.
    fn start() -> Result<Self> {
        let bed = MeshBed::start(|setup| {
            if let Some(workers) = setup.values.pointer_mut("/gateways/workers") {
                *workers = json!(WORKERS);
            }
            setup.double.change(|settings| settings.record = false)
        })?;
        let api = Api::new(&bed.mesh)?;
        let target = bed.double.url_by_name("https", &format!("{NAME}.example.test"))?;
        let manifests = [Kind::Secret.manifest(&target, 0), Kind::Application.manifest(&target, 0)];
        api.create(&manifests)?;
        let probes = probes(&bed)?;
        let mut measurement = Self { bed, api, probes, target };
        measurement.shown(&Kind::Application.shown(0))?;
        Ok(measurement)
    }

    /// Applications with three services each, a Secret for each service; returns when the last ones are in force.
    fn fill(&mut self, applications: usize) -> Result {
        let target = self.bed.double.url_by_name("http", "many.example.test")?;
        let manifests: Vec<_> = (0..applications).flat_map(|number| manifests(number, &target)).collect();
        self.api.create(&manifests)?;
        // That may have taken longer than a gateway keeps a connection that is not used.
        self.probes = probes(&self.bed)?;
        for number in (0..applications).step_by(applications.div_ceil(20)).chain([applications - 1]) {
            let request = Request::new("GET", format!("/app-{number}/orders/17"));
            for probe in &mut self.probes {
                until(probe, &request, &format!("/{number}/orders/17"))?;
            }
        }
        Ok(())
    }

    /// Resident memory of the control plane, MiB.
    fn memory(&self) -> Result<f64> {
        let programs = self.bed.control();
        let program = programs.first().ok_or_else(|| Error::new("no control plane"))?;
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let bytes = program.component().memory()? as f64;
        Ok(bytes / f64::from(1024 * 1024))
    }

    /// Until all probes are answered by a target that saw this.
    fn shown(&mut self, what: &str) -> Result {
        let request = Request::new("GET", format!("/{NAME}/svc/orders"));
        self.probes.iter_mut().try_for_each(|probe| until(probe, &request, what))
    }

    /// Application and Secret in turn, while requests flow.
    fn changes(&mut self, changes: usize, applications: usize) -> Result<Vec<Row>> {
        let address = egress(&self.bed)?;
        let request = Request::new("GET", format!("/{NAME}/svc/orders"));
        let load = Load::new(address, CALLERS, &[request]).rate(RATE).background()?;
        let mut writer = self.api.connect()?;
        let mut times: Times = vec![(Kind::Application, Vec::new()), (Kind::Secret, Vec::new())];
        for n in 1..=changes {
            for (kind, times) in &mut times {
                patch(&mut writer, &kind.manifest(&self.target, n))?;
                let begin = Instant::now();
                self.shown(&kind.shown(n))?;
                times.push(ms(begin.elapsed()));
            }
        }
        let report = load.stop()?;
        let title = format!("of {applications} in a mesh → effective in {WORKERS} workers");
        let mut all: Vec<_> =
            times.into_iter().flat_map(|(kind, times)| rows(kind, &title, &times)).collect();
        let reloads = self
            .bed
            .egress()
            .iter()
            .map(|gateway| gateway.stat(|name| name.contains("vm_reload")))
            .sum::<Result<u64>>()?;
        all.push(nothing_failed(&report, reloads));
        Ok(all)
    }

    /// Another CA each time, which the target's own stands in: a profile that no gateway has.
    fn profiles(&mut self, count: usize) -> Result<Vec<Row>> {
        let ca = std::fs::read_to_string(self.bed.double.ca()).doing("no CA")?;
        let mut writer = self.api.connect()?;
        let mut times = Vec::new();
        for n in 0..count {
            let name = format!("ca-{n}");
            let bundle = format!("{ca}{}", Authority::new(&name)?.pem());
            self.api.create(&[secret(&name, &[("ca.crt", &bundle)])])?;
            let entry = Entry::api(&format!("{}/profile/{n}", self.target)).basic(NAME);
            let application = Application::new(NAME)
                .spec("fairlead", json!({ "caSecretName": name }))
                .service("svc", &[entry]);
            patch(&mut writer, &application.manifest())?;
            let begin = Instant::now();
            self.shown(&format!("/profile/{n}/orders"))?;
            times.push(ms(begin.elapsed()));
        }
        let title = format!("new transport profile → usable in a mesh, {count} of them");
        Ok(vec![
            Row::info(format!("{title}: p50"), format!("{:.0} ms", Spread::of(times.iter().copied())), 0.0),
            Row::at_most(format!("{title}: p99"), spread::at(&times, 0.99), 1_000.0, "ms"),
        ])
    }
}

fn egress(bed: &MeshBed) -> Result<SocketAddr> {
    let gateways = bed.egress();
    gateways.first().map(|gateway| gateway.port(MANUAL)).ok_or_else(|| Error::new("no egress gateway"))
}

fn probes(bed: &MeshBed) -> Result<Vec<Connection>> {
    let address = egress(bed)?;
    (0..PROBES).map(|_| Connection::open(address)).collect()
}

fn manifests(number: usize, target: &str) -> Vec<Value> {
    let mut application = Application::new(&format!("app-{number}"));
    let mut manifests = Vec::new();
    for service in SERVICES {
        let name = format!("app-{number}-{service}");
        let entry = Entry::api(&format!("{target}/{number}/{service}")).basic(&name);
        application = application.service(service, &[entry]);
        manifests.push(secret(&name, &[("username", "user"), ("password", &format!("password-{number}"))]));
    }
    manifests.push(application.manifest());
    manifests
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
