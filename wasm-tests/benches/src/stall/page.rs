//! What a page of the feed costs a worker, in CPU time: what else runs on the machine does not count.
//!
//! A [relay](super::relay) before [`crate::feed`] lets one answer pass at a time. When the next request comes and the worker sleeps
//! again, the CPU time that it took meanwhile is what this page cost: reading it, parsing, the table, and asking for
//! more. A page is less than that long in one piece, so this is the stall's upper bound.

use fairlead_testkit::{
    Result,
    http::{Connection, Request},
    wait,
};

use crate::{
    bed::{Bed, look},
    options::Options,
    proc::Thread,
    row::Row,
    spread::median,
    target, variant,
};

use super::relay::{Page, Relay};

/// Records of the view.
const APPLICATIONS: usize = 10_000;
/// VMs that keep a view: one worker's, and the main thread's.
const VMS: usize = 2;

pub(super) fn run(options: &Options) -> Result<Vec<Row>> {
    let rounds = if options.quick { 5 } else { 15 };
    let mut bed = Bed::new()?;
    let relay = Relay::start(bed.targets.control)?;
    bed.targets.control = relay.port();
    publish(&bed, 0)?;
    let files = bed.egress()?;
    let listener = variant::ours(&Bed::template(&files)?, "ours")?;
    let mut envoy = bed.envoy(files, &[listener], 1)?;
    let address = envoy.listener("ours", wait::START)?;
    let request = Request::new("GET", "/app-0/svc/orders").header("Host", "gateway");
    look(&bed, "the view", &[request], |request| Connection::open(address)?.send(request))?;
    relay.until_synced(VMS)?;
    relay.watch(Thread::worker(envoy.process().id())?);
    let mut all = Vec::new();
    for round in 1..=rounds {
        publish(&bed, round)?;
        all.push(relay.until_synced(VMS * (round + 1))?);
    }
    let title = format!("a feed page in a worker, {APPLICATIONS} records replaced");
    let detail = [("hashes", true), ("records", false)].map(|(name, hashes)| {
        let bytes = all.iter().flatten().filter(|page| page.hashes == hashes).map(|page| page.bytes).max();
        format!("worst of {name} {:.2} ms, up to {} bytes", worst(&all, Some(hashes)), bytes.unwrap_or(0))
    });
    let total = median(all.iter().map(|pages| pages.iter().map(ms).sum()));
    let count = all.first().map_or(0, Vec::len) / VMS;
    Ok(vec![
        Row::at_most(format!("{title}: CPU of the worst page"), worst(&all, None), 2.0, "ms"),
        Row::info(
            format!("{title}: CPU of all"),
            format!("{total:.1} ms for {count} pages; {}", detail.join("; ")),
            total,
        ),
    ])
}

/// The largest cost in a round, the median over rounds; of pages of hashes, of records, or of all.
fn worst(rounds: &[Vec<Page>], hashes: Option<bool>) -> f64 {
    let of = |pages: &Vec<Page>| {
        let wanted = pages.iter().filter(|page| hashes.is_none_or(|hashes| page.hashes == hashes));
        wanted.map(ms).fold(0.0, f64::max)
    };
    median(rounds.iter().map(of))
}

fn ms(page: &Page) -> f64 {
    page.cpu.as_secs_f64() * 1e3
}

/// A new epoch, in which every record differs.
fn publish(bed: &Bed, round: usize) -> Result {
    let records = (0..APPLICATIONS).map(|number| target::record(bed, &format!("app-{number}"), round));
    bed.targets.feed.set(records)
}
