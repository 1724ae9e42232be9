//! How long a page of the feed blocks a worker, while everything is replaced: a new epoch with other records makes the
//! plugin compare 10 000 hashes and fetch 10 000 records, page by page.
//!
//! What counts is the CPU time of the worst page ([`page`]). The largest latency that a caller sees stands beside it,
//! with and without a resync: on a machine that does something else too, it says more about that.

mod page;
mod relay;

use std::time::{Duration, Instant};

use fairlead_testkit::{
    Result,
    http::{Connection, Request},
    wait,
};

use crate::{
    bed::{Bed, look},
    options::Options,
    row::{Measured, Row},
    spread::median,
    target, variant,
};

const APPLICATIONS: usize = 10_000;

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let mut rows = page::run(options)?;
    rows.push(latency(options)?);
    Ok(rows.into())
}

/// The largest latency of calls one after the other.
fn latency(options: &Options) -> Result<Row> {
    let repeats = if options.quick { 5 } else { 15 };
    let bed = Bed::new()?;
    publish(&bed, 0)?;
    let files = bed.egress()?;
    let listener = variant::ours(&Bed::template(&files)?, "ours")?;
    let envoy = bed.envoy(files, &[listener], 1)?;
    let address = envoy.listener("ours", wait::START)?;
    let request = Request::new("GET", "/app-17/svc/orders").header("Host", "gateway");
    let call = |request: &Request| Connection::open(address)?.send(request);
    look(&bed, "the view", std::slice::from_ref(&request), call)?;
    let mut connection = Connection::open(address)?;
    let (mut busy, mut idle, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=repeats {
        publish(&bed, round)?;
        let begin = Instant::now();
        // The last page has come when the last record says so.
        let wanted = format!("Basic {round:040}");
        let largest = probe(&mut connection, &request, || {
            let seen = bed.targets.last();
            seen.contains(&wanted) || begin.elapsed() > wait::START
        })?;
        let time = begin.elapsed();
        let end = Instant::now() + time;
        idle.push(ms(probe(&mut connection, &request, || Instant::now() >= end)?));
        busy.push(ms(largest));
        took.push(ms(time));
    }
    let (worst, idle, took) = (median(busy), median(idle), median(took));
    Ok(Row::info(
        "the largest latency of a caller meanwhile, and the rest of the machine's part in it",
        format!("{worst:.2} ms; {idle:.2} ms without a resync, which takes {took:.0} ms"),
        worst,
    ))
}

/// Every record differs from those of other rounds. The one that is asked for is the last in key order.
fn publish(bed: &Bed, round: usize) -> Result {
    let records = (0..APPLICATIONS).map(|number| {
        let name = if number == 0 { "app-17".to_owned() } else { format!("a-{number:05}") };
        target::record(bed, &name, round)
    });
    bed.targets.feed.set(records)
}

/// Calls one after the other until `done`; the longest one.
fn probe(connection: &mut Connection, request: &Request, done: impl Fn() -> bool) -> Result<Duration> {
    let mut largest = Duration::ZERO;
    loop {
        let begin = Instant::now();
        connection.send(request)?.expect(200)?;
        largest = largest.max(begin.elapsed());
        if done() {
            return Ok(largest);
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
