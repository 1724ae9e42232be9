//! Changes take effect while traffic flows, and nothing breaks.
//!
//! Every kind of change is one lane: a resource whose version the target sees. Answers under load are judged against
//! the versions that were in force at some moment while the request was under way.

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
    bed::LIMIT,
    external::record::Recorded,
    http::{Connection, Request, Response},
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::{Value, json};

use crate::{
    place::{Host, Needs, Place},
    worker,
};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

/// How many changes are made while requests flow, how many requests a second these are at least, and how long 99 of 100
/// changes may take from their writing until every worker has them.
struct Bars {
    changes: usize,
    rate: f64,
    effective: Duration,
}

/// With a directory, a change is a file's rename.
const EMBEDDED: Bars = Bars { changes: 1000, rate: 500.0, effective: Duration::from_millis(100) };
/// With an API server, it is a run of kubectl, which takes more of the machine than all that is measured here; the bench
/// has the bar of the design.
const CLUSTER: Bars = Bars { changes: 60, rate: 100.0, effective: Duration::from_secs(1) };

/// Requests a second, as they are paced.
const PACE: Duration = Duration::from_micros(1_000_000 / 600);

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
            Self::Target => "/live-target/svc",
            Self::Password => "/live-password/svc",
            Self::Header => "/live-header/svc",
            Self::Recreate => "/live-recreate/svc",
            Self::Service => "/live-service/extra",
            Self::Authority => "/live-authority/svc",
        }
    }

    /// Puts version `n` in place.
    fn write(self, ground: &Ground, place: &dyn Place, n: u64) {
        let Ground { http, https, other, .. } = ground;
        let put = |name: &str, manifests: &[Value]| place.put(name, manifests).unwrap();
        let versioned = |name: &str| {
            Application::new(name).service("svc", &[Entry::api(&format!("{http}/v{n}"))]).manifest()
        };
        match self {
            Self::Target => put("live-target", &[versioned("live-target")]),
            Self::Password => {
                let password = format!("{}-v{n}", ground.password);
                put("live-basic", &[secret("live-basic", &[("username", "u"), ("password", &password)])]);
            }
            Self::Header => {
                let headers = format!(r#"{{"X-Version": ["v{n}"]}}"#);
                put("live-custom", &[secret("live-custom", &[("headers", &headers)])]);
            }
            Self::Recreate if n % 2 == 1 => place.remove("live-recreate").unwrap(),
            Self::Recreate => put("live-recreate", &[versioned("live-recreate")]),
            Self::Service => {
                let app = Application::new("live-service").service("svc", &[Entry::api(http)]);
                let extra = || app.clone().service("extra", &[Entry::api(&format!("{http}/v{n}"))]);
                put("live-service", &[if n % 2 == 1 { app.manifest() } else { extra().manifest() }]);
            }
            Self::Authority => {
                let (url, ca) = if n % 2 == 1 { (other, "live-ca-other") } else { (https, "live-ca-first") };
                let entry = Entry::api(&format!("{url}/v{n}"));
                let app = Application::new("live-authority").service("svc", &[entry]);
                put("live-authority", &[app.spec("fairlead", json!({ "caSecretName": ca })).manifest()]);
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

/// Six kinds of changes in turn, under load on connections that never end.
pub fn changes_under_load_are_effective_at_once_and_break_nothing(place: &dyn Place) {
    let bars = if place.host() == Host::Plain { EMBEDDED } else { CLUSTER };
    let double = place.double();
    let ground = Ground {
        http: double.url("http").unwrap(),
        https: double.url_by_name("https", "api.example.test").unwrap(),
        other: double.url_by_name("other", "api.example.test").unwrap(),
        password: place.secret("password").unwrap(),
    };
    let http = &ground.http;
    let password = Application::new("live-password").service("svc", &[Entry::api(http).basic("live-basic")]);
    let header =
        Application::new("live-header").service("svc", &[Entry::api(http).parameters("live-custom")]);
    place.put("live-password", &[password.manifest()]).unwrap();
    place.put("live-header", &[header.manifest()]).unwrap();
    for (name, file) in [("live-ca-first", double.ca()), ("live-ca-other", double.other_ca())] {
        let ca = std::fs::read_to_string(file).unwrap();
        place.put(name, &[secret(name, &[("ca.crt", &ca)])]).unwrap();
    }
    double.change(|settings| settings.record = false).unwrap();
    let lanes: Arc<[Lane]> =
        KINDS.map(|kind| Lane { kind, written: AtomicU64::new(0), effective: AtomicU64::new(0) }).into();
    for lane in &*lanes {
        lane.kind.write(&ground, place, 0);
        place
            .until(&get(lane.kind.path()), |answer| answer.status == 200 && lane.kind.is(answer, 0))
            .unwrap();
    }
    // One connection to each worker says when a change is effective; four make the load.
    let mut workers = worker::connections_in(place, 3).unwrap();
    let mut probes: Vec<_> = workers.iter_mut().map(|worker| worker.pop().unwrap()).collect();
    let begin_connections = place.taken().unwrap();
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
    for change in 0..bars.changes {
        let lane = &lanes[change % lanes.len()];
        let version = lane.written.fetch_add(1, Ordering::SeqCst) + 1;
        lane.kind.write(&ground, place, version);
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
        "{} changes in {elapsed:?}: median {:?}, 99 % {:?}, slowest {:?}; {rate:.0} requests/s",
        bars.changes,
        at(&all, 50),
        at(&all, 99),
        at(&all, 100)
    );
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    assert!(rate >= bars.rate, "{rate}");
    assert_eq!(place.taken().unwrap(), begin_connections, "a connection ended");
    assert_eq!(place.reloads().unwrap(), 0);
    assert!(at(&all, 99) <= bars.effective, "{:?}", at(&all, 99));
}

/// The value that `part` of 100 do not exceed.
fn at(sorted: &[Duration], part: usize) -> Duration {
    sorted[(sorted.len() - 1) * part / 100]
}
