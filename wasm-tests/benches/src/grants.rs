//! 1000 concurrent requests on a cold OAuth credential, over two gateways with two workers each.

use fairlead_testkit::{
    Error, Result,
    bed::{Bed, LIMIT},
    envoy::{Envoy, Setup},
    http::Request,
    load::Load,
    resources::{Application, Entry, secret},
};
use serde_json::json;

use crate::{
    options::Options,
    row::{Measured, Row},
};

/// Requests, and connections, of each gateway.
const EACH: usize = 500;

pub(crate) fn run(_: &Options) -> Result<Measured> {
    let bed = Bed::start(|seed| {
        // Two Envoys from the same files: each takes a free port.
        seed.configure(&json!({ "gateways": { "egress": { "admin": "127.0.0.1:0", "accessLog": null } } }));
        let url = seed.double.url("http")?;
        let entry = Entry::api(&url).oauth("oauth", &format!("{url}/oauth/token"));
        let application = Application::new("shop").service("orders", &[entry]);
        let credentials = secret("oauth", &[("clientId", "id"), ("clientSecret", "bench")]);
        seed.put("shop.yaml", &[application.manifest(), credentials]);
        Ok(())
    })?;
    let second = Envoy::start(Setup::new(&bed.control.gateway("egress").join("bootstrap.json")))?;
    let addresses = [bed.manual_address(), second.listener("egress_manual", LIMIT)?];
    let before = bed.double.counts()?.token_requests;
    let request = Request::new("GET", "/shop/orders/protected/bearer");
    let count = u64::try_from(EACH).unwrap_or(0);
    let threads: Vec<_> = addresses
        .into_iter()
        .map(|address| {
            let load = Load::new(address, EACH, std::slice::from_ref(&request));
            std::thread::spawn(move || load.run(count))
        })
        .collect();
    let mut good = 0;
    for thread in threads {
        let report = thread.join().map_err(|_| Error::new("a load failed"))??;
        good += report.statuses.get(&200).copied().unwrap_or(0);
    }
    let requests = bed.double.counts()?.token_requests - before;
    drop(second);
    bed.finish()?;
    let exactly = requests == 1 && good == 2 * count;
    #[allow(clippy::cast_precision_loss, reason = "a small count")]
    let value = requests as f64;
    let row = Row {
        name: "1000 concurrent requests, cold OAuth, 2 gateways × 2 workers: token requests".to_owned(),
        measured: format!("{requests} ({good} answers 200)"),
        bar: "exactly 1".to_owned(),
        met: Some(exactly),
        value,
    };
    Ok(vec![row].into())
}
