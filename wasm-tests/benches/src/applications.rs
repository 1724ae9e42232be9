//! Cost of a request against the number of Applications, each with a host of its own.
//!
//! As many Envoys as sizes, which take turns. The same number of hosts is in use in each, evenly spread over the table:
//! what a host in use costs is Envoy's matter, and the same for all. The views come from the bench's own feed server:
//! 100 000 manifests would measure the directory store.

use fairlead_testkit::{
    Result,
    envoy::Envoy,
    http::{self, Request},
    load::Load,
    wait,
};

use crate::{
    bed::{Bed, look},
    options::Options,
    proc::Thread,
    race::{self, CONNECTIONS, Laps, Runner},
    row::{Measured, Row},
    target, variant,
};

const SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];
/// Hosts in use.
const USED: usize = 10;

/// A table of this size in an Envoy of its own.
struct Setting {
    _bed: Bed,
    envoy: Envoy,
    load: Load,
}

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let mut settings = SIZES.iter().map(|size| setting(*size)).collect::<Result<Vec<_>>>()?;
    let mut runners = Vec::new();
    for (size, setting) in SIZES.iter().zip(&mut settings) {
        runners.push(Runner {
            name: format!("{size} applications"),
            load: setting.load.clone(),
            different: USED as u64,
            threads: vec![Thread::worker(setting.envoy.process().id())?],
        });
    }
    let laps = race::run(options, &runners)?;
    let Some(first) = laps.first() else { return Ok(Measured::default()) };
    let rows: Vec<_> = SIZES.iter().zip(&laps).map(|(size, laps)| row(*size, laps, first)).collect();
    Ok(rows.into())
}

fn row(size: usize, laps: &Laps, first: &Laps) -> Row {
    let title = format!("{size} applications, each with its own host");
    if size == USED {
        return Row::info(format!("{title}: CPU a request"), laps.shown(), laps.cost().median);
    }
    Row::at_least(format!("{title}: of {USED} applications"), laps.against(first), 0.95)
}

fn setting(size: usize) -> Result<Setting> {
    let bed = Bed::new()?;
    let records = (0..size).map(|number| target::record(&bed, &format!("app-{number}"), number));
    bed.targets.feed.set(records)?;
    let files = bed.egress()?;
    let listener = variant::ours(&Bed::template(&files)?, "ours")?;
    let envoy = bed.envoy(files, &[listener], 1)?;
    let address = envoy.listener("ours", wait::START)?;
    let requests: Vec<_> = (0..USED)
        .map(|used| {
            let number = used * (size / USED);
            Request::new("GET", format!("/app-{number}/svc/orders/17")).header("Host", "gateway")
        })
        .collect();
    look(&bed, "the view", &requests, |request| http::call(address, request))?;
    Ok(Setting { _bed: bed, envoy, load: Load::new(address, CONNECTIONS, &requests) })
}
