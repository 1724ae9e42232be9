//! First calls of Applications that were never called: what the plugin adds to resolution and connection.
//!
//! The same first calls to as many other hosts without the plugin stand beside them, in turn.

use std::time::{Duration, Instant};

use fairlead_testkit::{
    Result,
    http::{Connection, Request},
    load::Load,
    wait,
};
use fairlead_wire::header::PROFILE;

use crate::{
    bed::{Bed, DOMAIN, look},
    options::Options,
    row::{Measured, Row},
    target, variant,
};

/// Callers of unknown names.
const STRANGERS: usize = 64;

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let calls = if options.quick { 200 } else { 1_000 };
    let bed = Bed::new()?;
    bed.targets.feed.set((0..2 * calls + 1).map(|number| target::record(&bed, &name(number), number)))?;
    let files = bed.egress()?;
    let template = Bed::template(&files)?;
    let listeners = [variant::ours(&template, "ours")?, variant::none(&template, "none")?];
    let envoy = bed.envoy(files, &listeners, 1)?;
    let address = envoy.listener("ours", wait::START)?;
    let mut ours = Connection::open(address)?;
    let mut none = Connection::open(envoy.listener("none", wait::START)?)?;
    let warm = [by_name(2 * calls)];
    look(&bed, "the view", &warm, |request| Connection::open(address)?.send(request))?;
    let alone = series(&bed, &mut ours, &mut none, 0..calls)?;
    let unknown = Request::new("GET", "/nobody/knows/this").header("Host", "gateway");
    let strangers = Load::new(address, STRANGERS, &[unknown]).rate(2_000).background()?;
    let beside = series(&bed, &mut ours, &mut none, calls..2 * calls);
    strangers.stop()?;
    let beside = beside?;
    let rows: Vec<_> = [("in a row", alone), ("while 64 callers ask for unknown names", beside)]
        .into_iter()
        .flat_map(|(when, (ours, none))| rows(calls, when, ours, none))
        .collect();
    Ok(rows.into())
}

fn rows(calls: usize, when: &str, mut ours: Vec<Duration>, mut none: Vec<Duration>) -> Vec<Row> {
    let title = format!("first call of {calls} applications {when}");
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut at = |part| (ms(percentile(&mut ours, part)), ms(percentile(&mut none, part)));
    let ((ours_50, none_50), (ours_99, none_99)) = (at(0.5), at(0.99));
    let detail =
        format!("p50 {ours_50:.2} ms, p99 {ours_99:.2} ms; without plugin {none_50:.2} and {none_99:.2} ms");
    vec![
        Row::at_most(format!("{title}: own overhead, p50"), ours_50 - none_50, 1.0, "ms"),
        Row::info(title, detail, ours_50),
    ]
}

/// Calls each Application of `numbers` once by the plugin, and once, as often, another host without it.
fn series(
    bed: &Bed,
    ours: &mut Connection,
    none: &mut Connection,
    numbers: std::ops::Range<usize>,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for number in numbers {
        let direct = Request::new("GET", "/api/orders")
            .header("Host", format!("direct-{number}.{DOMAIN}:{}", bed.targets.plain))
            .header(PROFILE, &bed.plain.id)
            .header("Authorization", "Basic 0");
        with.push(timed(ours, &by_name(number))?);
        without.push(timed(none, &direct)?);
    }
    Ok((with, without))
}

fn timed(connection: &mut Connection, request: &Request) -> Result<Duration> {
    let begin = Instant::now();
    connection.send(request)?.expect(200)?;
    Ok(begin.elapsed())
}

fn name(number: usize) -> String {
    format!("first-{number}")
}

fn by_name(number: usize) -> Request {
    Request::new("GET", format!("/{}/svc/orders", name(number))).header("Host", "gateway")
}

/// The time that `part` of them did not exceed.
pub(crate) fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index between 0 and the count"
    )]
    let index = (times.len().saturating_sub(1) as f64 * part).round() as usize;
    times.get(index).copied().unwrap_or_default()
}
