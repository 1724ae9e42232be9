//! Changes take effect while traffic flows, and nothing breaks.
//!
//! Every kind of change is one lane: a resource whose version the target sees. Answers under load are judged against
//! the versions that were in force at some moment while the request was under way.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure is a failed test"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_testkit::{
    bed::{Bed, LIMIT},
    external::record::Recorded,
    fairlead::Resources,
    http::{Connection, Request, Response},
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_tests::worker::connections;
use serde_json::{Value, json};

/// How many changes are made while requests flow.
const CHANGES: usize = 1000;
/// Requests a second meanwhile: at least, and as they are paced.
const RATE: f64 = 500.0;
const PACE: Duration = Duration::from_micros(1_000_000 / 600);
/// Change of a file → effective in every worker, 99 of 100.
const EFFECTIVE: Duration = Duration::from_millis(100);
const WORKERS: usize = 2;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// What kind of change a lane makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Another `targetUrl`.
    Target,
    /// Another password in a Secret.
    Password,
    /// Another custom header in a Secret.
    Header,
    /// The Application is deleted, and created again with another path.
    Recreate,
    /// A service more, or one less.
    Service,
    /// The other one of two certificate authorities, with the target that it vouches for.
    Authority,
}

const KINDS: [Kind; 6] =
    [Kind::Target, Kind::Password, Kind::Header, Kind::Recreate, Kind::Service, Kind::Authority];

/// A lane: what it changes, and which versions were written and seen.
struct Lane {
    kind: Kind,
    /// The last version whose file is being written.
    written: AtomicU64,
    /// The last version that every worker has answered by.
    effective: AtomicU64,
}

/// Where everything leads to.
struct Ground {
    http: String,
    https: String,
    other: String,
    password: String,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Target => "/target/svc",
            Self::Password => "/password/svc",
            Self::Header => "/header/svc",
            Self::Recreate => "/recreate/svc",
            Self::Service => "/service/extra",
            Self::Authority => "/authority/svc",
        }
    }

    /// Puts version `n` in place.
    fn write(self, ground: &Ground, resources: &Resources, n: u64) {
        let Ground { http, https, other, .. } = ground;
        let put = |name: &str, manifests: &[Value]| resources.put(name, manifests).unwrap();
        let versioned = |name: &str| {
            Application::new(name).service("svc", &[Entry::api(&format!("{http}/v{n}"))]).manifest()
        };
        match self {
            Self::Target => put("target.yaml", &[versioned("target")]),
            Self::Password => {
                let password = format!("{}-v{n}", ground.password);
                put(
                    "password-secret.yaml",
                    &[secret("basic", &[("username", "u"), ("password", &password)])],
                );
            }
            Self::Header => {
                let headers = format!(r#"{{"X-Version": ["v{n}"]}}"#);
                put("header-secret.yaml", &[secret("custom", &[("headers", &headers)])]);
            }
            Self::Recreate if n % 2 == 1 => resources.remove("recreate.yaml").unwrap(),
            Self::Recreate => put("recreate.yaml", &[versioned("recreate")]),
            Self::Service => {
                let app = Application::new("service").service("svc", &[Entry::api(http)]);
                let extra = || app.clone().service("extra", &[Entry::api(&format!("{http}/v{n}"))]);
                put("service.yaml", &[if n % 2 == 1 { app.manifest() } else { extra().manifest() }]);
            }
            Self::Authority => {
                let (url, ca) = if n % 2 == 1 { (other, "ca-other") } else { (https, "ca-first") };
                let entry = Entry::api(&format!("{url}/v{n}"));
                let app = Application::new("authority").service("svc", &[entry]);
                put("authority.yaml", &[app.spec("fairlead", json!({ "caSecretName": ca })).manifest()]);
            }
        }
    }

    /// The version that an answer shows; none for a refusal that says that the service is not there.
    fn version(self, answer: &Response) -> Option<u64> {
        if answer.status == 404 && answer.header("x-fairlead-reason") == ["unknown_service"] {
            return None;
        }
        let number = |text: &str| text.rsplit_once("v").unwrap().1.parse().unwrap();
        let seen: Recorded = answer.json().unwrap();
        Some(match self {
            Self::Password => {
                let value = seen.header("authorization").pop().unwrap();
                let pair = STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
                number(&String::from_utf8(pair).unwrap())
            }
            Self::Header => number(&seen.header("x-version").pop().unwrap()),
            _ => number(&seen.target.text()),
        })
    }

    /// Whether an answer is what version `n` gives.
    fn is(self, answer: &Response, n: u64) -> bool {
        let absent = matches!(self, Self::Recreate | Self::Service) && n % 2 == 1;
        self.version(answer) == (!absent).then_some(n)
    }
}

/// What the callers saw.
#[derive(Default)]
struct Tally {
    answers: u64,
    wrong: Vec<String>,
}

/// Calls all lanes in turn over one connection that must never end, and judges each answer.
fn call(mut connection: Connection, lanes: &[Lane], stop: &AtomicBool, next: &AtomicU32) -> Tally {
    let mut tally = Tally::default();
    let begin = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let lane = &lanes[number as usize % lanes.len()];
        // The pace of the load, no wait for a condition.
        std::thread::sleep((PACE * number).saturating_sub(begin.elapsed()));
        // What is in force when the request begins is no older than what every worker had; what is in force at its
        // end is no newer than what was written.
        let oldest = lane.effective.load(Ordering::SeqCst);
        match connection.send(&get(lane.kind.path())) {
            Ok(answer) => {
                let newest = lane.written.load(Ordering::SeqCst);
                let right = answer.complete && (oldest..=newest).any(|n| lane.kind.is(&answer, n));
                if !right {
                    let text = answer.text();
                    tally.wrong.push(format!(
                        "{:?} v{oldest}..=v{newest}: {} {:?} {text}",
                        lane.kind, answer.status, answer.headers
                    ));
                }
                tally.answers += 1;
            }
            Err(error) => {
                tally.wrong.push(format!("{:?}: {error}", lane.kind));
                return tally;
            }
        }
    }
    tally
}

#[test]
fn a_thousand_changes_under_load_are_effective_at_once_and_break_nothing() {
    let mut ground = None;
    let bed = Bed::start(|seed| {
        let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
        let there = Ground {
            http: seed.double.url("http")?,
            https: seed.double.url_by_name("https", "api.example.test")?,
            other: seed.double.url_by_name("other", "api.example.test")?,
            password: seed.secret("password")?,
        };
        let http = &there.http;
        let password = Application::new("password").service("svc", &[Entry::api(http).basic("basic")]);
        let header = Application::new("header").service("svc", &[Entry::api(http).parameters("custom")]);
        seed.put("password.yaml", &[password.manifest()]);
        seed.put("header.yaml", &[header.manifest()]);
        for (name, file) in [("ca-first", seed.double.ca()), ("ca-other", seed.double.other_ca())] {
            seed.put(&format!("{name}.yaml"), &[secret(name, &[("ca.crt", &read(file))])]);
        }
        seed.double.change(|settings| settings.record = false)?;
        ground = Some(there);
        Ok(())
    })
    .unwrap();
    let ground = ground.unwrap();
    let resources = bed.resources().unwrap();
    let lanes: Arc<[Lane]> =
        KINDS.map(|kind| Lane { kind, written: AtomicU64::new(0), effective: AtomicU64::new(0) }).into();
    for lane in &*lanes {
        lane.kind.write(&ground, &resources, 0);
        bed.until(&get(lane.kind.path()), |answer| answer.status == 200 && lane.kind.is(answer, 0)).unwrap();
    }
    // One connection to each worker says when a change is effective; four make the load.
    let mut workers = connections(&bed.egress, bed.manual_address(), WORKERS, 3).unwrap();
    let mut probes: Vec<_> = workers.iter_mut().map(|worker| worker.pop().unwrap()).collect();
    let taken = || {
        bed.egress.stat(|name| name.ends_with("downstream_cx_total") && name.contains("http.egress_manual"))
    };
    let begin_connections = taken().unwrap();
    let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let callers: Vec<_> = workers
        .into_iter()
        .flatten()
        .map(|connection| {
            let (lanes, stop, next) = (Arc::clone(&lanes), Arc::clone(&stop), Arc::clone(&next));
            std::thread::spawn(move || call(connection, &lanes, &stop, &next))
        })
        .collect();

    let begin = Instant::now();
    let mut delays: BTreeMap<Kind, Vec<Duration>> = BTreeMap::new();
    for change in 0..CHANGES {
        let lane = &lanes[change % lanes.len()];
        let version = lane.written.fetch_add(1, Ordering::SeqCst) + 1;
        lane.kind.write(&ground, &resources, version);
        let written = Instant::now();
        for probe in &mut probes {
            wait::attempt(&format!("{:?} v{version}", lane.kind), LIMIT, || {
                let answer = probe.send(&get(lane.kind.path()))?;
                let effective = lane.kind.is(&answer, version);
                effective.then_some(()).ok_or_else(|| fairlead_testkit::Error::new(answer.text()))
            })
            .unwrap();
        }
        delays.entry(lane.kind).or_default().push(written.elapsed());
        lane.effective.store(version, Ordering::SeqCst);
    }
    stop.store(true, Ordering::Relaxed);
    let elapsed = begin.elapsed();
    let mut answers = 0;
    let mut wrong = Vec::new();
    for caller in callers {
        let tally = caller.join().unwrap();
        answers += tally.answers;
        wrong.extend(tally.wrong);
    }
    let mut all = Vec::new();
    for (kind, delays) in &mut delays {
        delays.sort();
        println!("{kind:?}: median {:?}, 99 % {:?}", at(delays, 50), at(delays, 99));
        all.append(delays);
    }
    all.sort();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rate = answers as f64 / elapsed.as_secs_f64();
    println!(
        "{CHANGES} changes in {elapsed:?}: median {:?}, 99 % {:?}, slowest {:?}; {rate:.0} requests/s",
        at(&all, 50),
        at(&all, 99),
        at(&all, 100)
    );
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(rate >= RATE, "{rate}");
    assert_eq!(taken().unwrap(), begin_connections, "a connection ended");
    assert_eq!(bed.egress.stat(|name| name.contains("vm_reload")).unwrap(), 0);
    assert!(at(&all, 99) <= EFFECTIVE, "{:?}", at(&all, 99));
    bed.finish().unwrap();
}

/// The value that `part` of 100 do not exceed.
fn at(sorted: &[Duration], part: usize) -> Duration {
    sorted[(sorted.len() - 1) * part / 100]
}
