//! What an Application whose target has stalled costs its neighbours: all the calls that it may have at a time hang, more
//! keep coming and are refused, and another Application's latency is measured beside.

use fairlead_testkit::{
    Result,
    bed::{Bed, LIMIT},
    http::{Connection, Request},
    load::{Load, Running},
    resources::{Application, Entry},
    wait,
};
use serde_json::json;

use crate::{
    options::Options,
    row::{Measured, Row},
    spread,
};

/// As many as a bed has.
const WORKERS: usize = 2;
/// Calls of the stalled Application at a time, in each worker.
const AT_ONCE: usize = 64;
/// Calls of it that are opened: enough that every worker has more than it takes, however the kernel deals them out.
const OPENED: usize = 4 * AT_ONCE;
/// Calls of it a second that are refused meanwhile.
const REFUSED: u32 = 100;
/// The neighbour's: connections, calls a second, and calls of a turn.
const CALLERS: usize = 4;
const RATE: u32 = 400;
const CALLS: u64 = 400;
/// design.md: a neighbour's p99 beside a stalled target.
const BAR: f64 = 1.5;

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let bed = Bed::start(|seed| {
        seed.configure(&json!({ "gateways": { "egress": { "accessLog": null } } }));
        let url = seed.double.url("http")?;
        seed.double.change(|settings| settings.record = false)?;
        let limits = json!({ "concurrency": AT_ONCE, "timeouts": { "headers": "0s" } });
        let stalled =
            Application::new("stalled").spec("fairlead", limits).service("svc", &[Entry::api(&url)]);
        let neighbour = Application::new("neighbour").service("svc", &[Entry::api(&url)]);
        seed.put("apps.yaml", &[stalled.manifest(), neighbour.manifest()]);
        Ok(())
    })?;
    let call = Request::new("GET", "/neighbour/svc/bytes/1000");
    bed.until(&call, |answer| answer.status == 200)?;
    let turns = if options.quick { 3 } else { 15 };
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        alone.push(p99(&bed, &call)?);
        let (hanging, refused) = stall(&bed)?;
        beside.push(p99(&bed, &call)?);
        refused.stop()?;
        drop(hanging);
        until_active(&bed, 0)?;
    }
    bed.finish()?;
    let (alone, beside) = (spread::median(alone), spread::median(beside));
    Ok(vec![
        Row::info("p99 of a neighbour, alone", format!("{alone:.2} ms"), alone),
        Row::at_most("p99 of a neighbour of a stalled target, against alone", beside / alone, BAR, "×"),
    ]
    .into())
}

/// The neighbour's p99 over one turn, milliseconds.
fn p99(bed: &Bed, call: &Request) -> Result<f64> {
    let load = Load::new(bed.manual_address(), CALLERS, std::slice::from_ref(call)).rate(RATE);
    let report = load.judge(|status, _| status == 200).run(CALLS)?;
    Ok(report.percentile(0.99).as_secs_f64() * 1000.0)
}

/// Calls that hang in every worker, up to its limit, and a load that is refused.
fn stall(bed: &Bed) -> Result<(Vec<Connection>, Running)> {
    let call = Request::new("GET", "/stalled/svc/delay/600000");
    let hanging = (0..OPENED)
        .map(|_| {
            let mut connection = Connection::open(bed.manual_address())?;
            connection.write(&call.bytes())?;
            Ok(connection)
        })
        .collect::<Result<Vec<_>>>()?;
    until_active(bed, WORKERS * AT_ONCE)?;
    let refused =
        Load::new(bed.manual_address(), 2, std::slice::from_ref(&call)).rate(REFUSED).background()?;
    Ok((hanging, refused))
}

/// Waits until so many requests are under way.
fn until_active(bed: &Bed, count: usize) -> Result {
    wait::until(&format!("{count} requests under way"), LIMIT, || {
        let active = bed.egress.stat(|name| name == "http.egress_manual.downstream_rq_active").ok()?;
        (usize::try_from(active) == Ok(count)).then_some(())
    })
}
