//! How fast a change is effective in every worker, while requests flow and none may fail.
//!
//! Everything here is real: directory store, control plane, mTLS feed, an Envoy with two workers, the double as target.
//! Time runs from the rename of the file until each worker, asked by a connection of its own, shows the change to the
//! double. So it holds the store's notice, the compile, the feed and the answer itself.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_testkit::{
    Error, Result,
    bed::Bed,
    fairlead::Resources,
    http::{Connection, Request},
    load::{Load, Report},
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_tests::worker::connections;
use serde_json::{Value, json};

use crate::{
    installation,
    options::Options,
    proc,
    row::{Measured, Row},
    spread,
};

const WORKERS: u32 = 2;
/// Of the changed Application, its Secret and its files.
pub(crate) const NAME: &str = "changed";
/// Of the load meanwhile: connections and requests a second. The machine must keep some air, or what is measured is
/// the queue for a core.
pub(crate) const CALLERS: usize = 4;
pub(crate) const RATE: u32 = 300;
/// Until all Applications are in force on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// How long each change took, milliseconds, by what was changed.
pub(crate) type Times = Vec<(Kind, Vec<f64>)>;

/// What is changed.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// `targetUrl` of the Application.
    Application,
    /// The password in its Secret.
    Secret,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::Secret => "Secret",
        }
    }

    /// Version `n` of it.
    pub(crate) fn manifest(self, target: &str, n: usize) -> Value {
        match self {
            Self::Application => {
                let entry = Entry::api(&format!("{target}/version/{n}")).basic(NAME);
                Application::new(NAME).service("svc", &[entry]).manifest()
            }
            Self::Secret => secret(NAME, &[("username", "user"), ("password", &format!("version-{n}"))]),
        }
    }

    /// Puts version `n` in place.
    fn write(self, resources: &Resources, target: &str, n: usize) -> Result {
        resources.put(&format!("changed-{}.yaml", self.name()), &[self.manifest(target, n)])
    }

    /// What the target then shows that it saw.
    pub(crate) fn shown(self, n: usize) -> String {
        match self {
            Self::Application => format!("/version/{n}/orders"),
            Self::Secret => format!("Basic {}", STANDARD.encode(format!("user:version-{n}"))),
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let applications = if options.quick { 1_000 } else { 10_000 };
    let changes = if options.quick { 30 } else { 120 };
    let mut bed = Bed::start(|seed| {
        seed.workers(WORKERS);
        seed.configure(&json!({ "gateways": { "egress": { "accessLog": null } } }));
        seed.double.change(|settings| settings.record = false)
    })?;
    proc::pin(bed.egress.process().id(), proc::ENVOY)?;
    let target = bed.double.url("http")?;
    installation::fill(&bed.resources()?, &target, applications)?;
    for kind in [Kind::Secret, Kind::Application] {
        kind.write(&bed.resources()?, &target, 0)?;
    }
    let mut probes = Vec::new();
    for mut worker in connections(&bed.egress, bed.manual_address(), WORKERS as usize, 1)? {
        probes.append(&mut worker);
    }
    for (number, probe) in (0..applications).step_by(installation::FILE).flat_map(|n| [(n, 0), (n, 1)]) {
        let probe = probes.get_mut(probe).ok_or_else(|| Error::new("no connection to a worker"))?;
        until(probe, &Request::new("GET", format!("/app-{number}/orders/17")), "/v0/17")?;
    }
    let (times, report) = under_load(&bed, &mut probes, &target, changes)?;
    let reloads = bed.egress.stat(|name| name.contains("vm_reload"))?;
    bed.finish()?;
    let title = format!("of {applications} → effective in {WORKERS} workers");
    let mut rows: Vec<_> = times.into_iter().flat_map(|(kind, times)| rows(kind, &title, &times)).collect();
    rows.push(nothing_failed(&report, reloads));
    Ok(rows.into())
}

/// Changes one after the other, Application and Secret in turn; how long each took, and what the callers saw.
fn under_load(bed: &Bed, probes: &mut [Connection], target: &str, changes: usize) -> Result<(Times, Report)> {
    let request = Request::new("GET", format!("/{NAME}/svc/orders"));
    let other = Request::new("GET", "/app-17/orders/17");
    for probe in probes.iter_mut() {
        for kind in [Kind::Application, Kind::Secret] {
            until(probe, &request, &kind.shown(0))?;
        }
    }
    let load = Load::new(bed.manual_address(), CALLERS, &[request.clone(), other]).rate(RATE).background()?;
    let mut times = vec![(Kind::Application, Vec::new()), (Kind::Secret, Vec::new())];
    for n in 1..=changes {
        for (kind, times) in &mut times {
            kind.write(&bed.resources()?, target, n)?;
            let begin = Instant::now();
            let shown = kind.shown(n);
            for probe in probes.iter_mut() {
                until(probe, &request, &shown)?;
            }
            times.push(begin.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok((times, load.stop()?))
}

/// Until the target shows this to the caller.
pub(crate) fn until(probe: &mut Connection, request: &Request, shown: &str) -> Result {
    wait::attempt(shown, LIMIT, || {
        let answer = probe.send(request)?.text();
        if answer.contains(shown) { Ok(()) } else { Err(Error::new(answer)) }
    })
}

pub(crate) fn rows(kind: Kind, title: &str, times: &[f64]) -> Vec<Row> {
    let title = format!("change of one {} {title}, {} changes", kind.name(), times.len());
    let at = |part| spread::at(times, part);
    let (half, most, worst) = (at(0.5), at(0.99), at(1.0));
    vec![
        Row::info(format!("{title}: p50"), format!("{half:.1} ms, slowest {worst:.1} ms"), half),
        Row::at_most(format!("{title}: p99"), most, 100.0, "ms"),
    ]
}

/// Every answer was a 200 and no VM was started anew.
pub(crate) fn nothing_failed(report: &Report, reloads: u64) -> Row {
    let good = report.statuses.get(&200).copied().unwrap_or(0);
    let bad = report.answers() - good + report.failed();
    #[allow(clippy::cast_precision_loss, reason = "small counts")]
    let value = (bad + reloads) as f64;
    Row {
        name: "failed requests and VM restarts during these changes".to_owned(),
        measured: format!("{bad} of {}, {reloads} restarts", report.answers() + report.failed()),
        bar: "0".to_owned(),
        met: Some(bad + reloads == 0 && good > 0),
        value,
    }
}
