//! The grant broker: how fast it fetches, and whether 2 000 credentials that refresh all the time make a request wait.
//!
//! A missed deadline is a request that had to wait for a grant although its Application had one before: the plugin counts
//! those that waited (`fairlead_grants_total`, outcome `fetched`).

use std::time::{Duration, Instant};

use fairlead_testkit::{
    Error, Result,
    bed::Bed,
    http::Request,
    load::Load,
    prometheus::Samples,
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::json;

use crate::{
    options::Options,
    proc,
    row::{Measured, Row},
};

/// Applications, each with a credential of its own.
const CREDENTIALS: usize = 2_000;
/// How long a token holds, seconds.
const LIFETIME: u64 = 20;
/// Callers at once.
const CONNECTIONS: usize = 64;
/// Requests a second while tokens are refreshed: each credential is used four times in a lifetime.
const RATE: u32 = 400;
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let lifetimes = if options.quick { 2 } else { 5 };
    let mut bed = Bed::start(|seed| {
        seed.workers(1);
        seed.configure(
            &json!({ "gateways": { "metered": CREDENTIALS + 1, "egress": { "accessLog": null } } }),
        );
        seed.double.change(|settings| settings.token.expires_in = Some(LIFETIME))?;
        let url = seed.double.url("http")?;
        let mut manifests = Vec::new();
        for number in 0..CREDENTIALS {
            let name = format!("app-{number}");
            let entry = Entry::api(&url).oauth(&name, &format!("{url}/oauth/token"));
            manifests.push(Application::new(&name).service("orders", &[entry]).manifest());
            let id = format!("id-{number}");
            manifests.push(secret(&name, &[("clientId", &id), ("clientSecret", "bench")]));
        }
        seed.put("many.yaml", &manifests);
        Ok(())
    })?;
    proc::pin(bed.egress.process().id(), proc::ENVOY)?;
    let requests: Vec<_> =
        (0..CREDENTIALS).map(|number| Request::new("GET", format!("/app-{number}/orders/bytes/1"))).collect();
    let unknown = Request::new("GET", "/nobody/knows");
    bed.until(&unknown, |answer| answer.status == 404)?;
    let count = u64::try_from(CREDENTIALS).unwrap_or(0);
    let cold = Instant::now();
    let first = Load::new(bed.manual_address(), CONNECTIONS, &requests).run(count)?;
    let took = cold.elapsed();
    good("cold", &first.statuses, count)?;
    let waited = || -> Result<i64> {
        let samples = Samples::read(&String::from_utf8_lossy(&bed.egress.metrics()?));
        Ok(samples.sum("fairlead_grants_total", &[("outcome", "fetched")]))
    };
    let fetched = wait::attempt("the counter of grants", LIMIT, || match waited()? {
        fetched if fetched >= i64::try_from(count).unwrap_or(0) => Ok(fetched),
        fetched => Err(Error::new(format!("{fetched}"))),
    })?;
    let before = bed.double.counts()?.token_requests;
    let warm = Load::new(bed.manual_address(), CONNECTIONS, &requests).rate(RATE);
    let report = warm.run_for(Duration::from_secs(LIFETIME * lifetimes))?;
    let (late, refreshed) = (waited()? - fetched, bed.double.counts()?.token_requests - before);
    good("warm", &report.statuses, report.answers())?;
    bed.finish()?;
    #[allow(clippy::cast_precision_loss, reason = "small counts")]
    let rows = vec![
        Row::info(
            format!("broker: {CREDENTIALS} cold credentials, {CONNECTIONS} callers"),
            format!("{:.0} grants/s", count as f64 / took.as_secs_f64()),
            count as f64 / took.as_secs_f64(),
        ),
        Row::at_most(
            format!(
                "broker: {CREDENTIALS} credentials over {lifetimes} lifetimes of {LIFETIME} s: requests that waited"
            ),
            late as f64,
            0.0,
            "",
        ),
        Row::info(
            "broker: refreshed meanwhile",
            format!("{refreshed} token requests, p99 of requests {:?}", report.percentile(0.99)),
            refreshed as f64,
        ),
    ];
    Ok(rows.into())
}

fn good(when: &str, statuses: &std::collections::BTreeMap<u16, u64>, count: u64) -> Result {
    if statuses.get(&200) == Some(&count) {
        return Ok(());
    }
    Err(Error::new(format!("{when}: {statuses:?} of {count}")))
}
