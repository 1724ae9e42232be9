//! What a call costs whose grant the target rejects: it is sent twice, and a grant is fetched between.
//!
//! The target takes each grant once, so that every call is replayed. Beside it run calls of the same kind that are not,
//! and calls that fetch a grant because theirs has expired: a replayed call should cost two plain ones and a fetch.

use fairlead_testkit::{
    Error, Result,
    http::{self, Request},
    load::Load,
    wait,
};
use fairlead_wire::feed::{Credential, EgressOutcome, EgressRecord, EgressRoute};

use crate::{
    bed::{Bed, DOMAIN, look},
    feed,
    options::Options,
    proc::Thread,
    race::{self, CONNECTIONS, Runner},
    row::{Measured, Row},
    spread::Spread,
    target::ONE_TIME,
    variant,
};

/// Applications of each kind, with a grant each: so many that no two calls under way have the same.
const APPLICATIONS: usize = 1_000;

/// A kind of call.
struct Kind {
    name: &'static str,
    /// The target's.
    base: &'static str,
    /// Begin of its grants' ids.
    grants: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { name: "replayed", base: ONE_TIME, grants: "0ce" },
    Kind { name: "plain", base: "/api", grants: "0a1" },
    Kind { name: "fetching", base: "/api", grants: feed::SHORT },
];

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let bed = Bed::new()?;
    let records = |tls| KINDS.iter().flat_map(move |kind| (0..APPLICATIONS).map(move |n| (kind, tls, n)));
    let all = records(false).chain(records(true));
    bed.targets.feed.set(all.map(|(kind, tls, number)| record(&bed, kind, tls, number)))?;
    let files = bed.egress()?;
    let listener = variant::ours(&Bed::template(&files)?, "ours")?;
    let mut envoy = bed.envoy(files, &[listener], 1)?;
    let address = envoy.listener("ours", wait::START)?;
    let worker = Thread::worker(envoy.process().id())?;
    let mut rows = Vec::new();
    for tls in [false, true] {
        let mut runners = Vec::new();
        for kind in &KINDS {
            let requests: Vec<_> = (0..APPLICATIONS)
                .map(|number| {
                    let path = format!("/{}/orders/17?full=true", name(kind, tls, number));
                    Request::new("GET", path).header("Host", "gateway").header("User-Agent", "bench/1.0")
                })
                .collect();
            look(&bed, kind.name, &requests, |request| http::call(address, request))?;
            // The last one has taken its grant there: a further call is replayed once, or not at all.
            let before = bed.targets.rejected();
            if let Some(last) = requests.last() {
                http::call(address, last)?.expect(200)?;
            }
            let (rejected, expected) = (bed.targets.rejected() - before, u64::from(kind.base == ONE_TIME));
            if rejected != expected {
                return Err(Error::new(format!("{}: the target rejected {rejected}", kind.name)));
            }
            runners.push(Runner {
                name: format!("{} {}", target(tls), kind.name),
                load: Load::new(address, CONNECTIONS, &requests),
                different: requests.len() as u64,
                threads: vec![worker.clone()],
            });
        }
        let laps = race::run(options, &runners)?;
        let [replayed, plain, fetching] = laps.as_slice() else { continue };
        let title = format!("OAuth, {} target, the grant rejected once", target(tls));
        let cost = |name: &str, value: Spread| {
            Row::info(format!("{title}: {name}"), format!("{value:.1} µs"), value.median)
        };
        rows.push(cost("CPU of a replayed call", replayed.cost()));
        rows.push(cost("CPU of a plain call", plain.cost()));
        rows.push(cost("CPU of a fetch of a grant", fetching.above(plain)));
        rows.push(Row::ratio(
            format!("{title}: replayed call, of two plain calls"),
            replayed.of_both(plain, plain),
        ));
        rows.push(Row::ratio(
            format!("{title}: replayed call, of two plain calls and a fetch"),
            replayed.of_both(plain, fetching),
        ));
    }
    Ok(rows.into())
}

fn target(tls: bool) -> &'static str {
    if tls { "tls" } else { "plain" }
}

/// `application/service` of one.
fn name(kind: &Kind, tls: bool, number: usize) -> String {
    format!("{}-{number}/{}", kind.name, target(tls))
}

fn record(bed: &Bed, kind: &Kind, tls: bool, number: usize) -> (String, EgressRecord) {
    let (profile, port) = if tls { (&bed.tls, bed.targets.tls) } else { (&bed.plain, bed.targets.plain) };
    let kept = 32 - kind.grants.len();
    let grant = format!("{}{:0kept$x}", kind.grants, 2 * number + usize::from(tls));
    let route = EgressRoute {
        profile: profile.id.clone(),
        tls,
        authority: format!("target.{DOMAIN}:{port}"),
        base_path: kind.base.to_owned(),
        encode_url: true,
        credential: Credential::Grant(grant),
        ..EgressRoute::default()
    };
    let record = EgressRecord { manual: true, outcome: EgressOutcome::Route(Box::new(route)) };
    (format!("{}/api", name(kind, tls, number)), record)
}
