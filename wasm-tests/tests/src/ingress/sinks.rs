//! An Application's own sink (decision 12), and sinks that are away (CV §6).

use fairlead_testkit::{Result, bed::outside, double::Double};
use fairlead_wire::Reason;
use serde_json::{Value, json};

use super::{Answer, Application, Arrival, Authorities, Case, Expected, arrival, case, post, unknown_path};

/// DNS name of a sink.
const SINK_HOST: &str = "sink.example.test";

/// Nothing listens there.
const NOBODY: &str = "http://127.0.0.2:1";

pub(super) fn applications(double: &Double) -> Result<Vec<Application>> {
    let with = |name: &str, sink: Value| Application::new(name).spec("fairlead", json!({ "sink": sink }));
    let publisher = |name: &str, url: &str| with(name, json!({ "publisher": url }));
    Ok(vec![
        publisher("own-sink", &format!("{}/base/in", double.url("http")?)),
        publisher("own-root", &double.url_by_name("http", SINK_HOST)?),
        publisher("own-tls", &double.url_by_name("https", SINK_HOST)?),
        publisher("own-away", NOBODY),
        publisher("own-untrusted", &double.url_by_name("other", SINK_HOST)?),
        publisher("own-loopback", &double.url("http")?.replace("127.0.0.2", "127.0.0.1")),
        with("own-later", json!({ "nats": "events" })),
    ])
}

pub(super) fn cases(double: &Double, authorities: &Authorities) -> Result<Vec<Case>> {
    let at = |listener: &'static str, host: String, target: &str| -> Result<Expected> {
        Ok(Expected::Arrives(Arrival { listener, host, ..arrival(double, target)? }))
    };
    let http = || -> Result<String> { Ok(double.address("http")?.to_string()) };
    let named =
        |listener| -> Result<String> { Ok(format!("{SINK_HOST}:{}", double.address(listener)?.port())) };
    let unreachable = || Expected::Refused(Answer::empty(502, Reason::TargetUnreachable));
    let list = [
        ("/own-sink/v2/events?a=b", at("http", http()?, "/base/in?a=b")?),
        ("/own-sink/v1/events/x", at("http", http()?, "/own-sink/v1/events/x")?),
        ("/own-root/events", at("http", named("http")?, "/publish")?),
        ("/own-tls/events", at("https", named("https")?, "/publish")?),
        ("/own-away/events", unreachable()),
        ("/own-untrusted/events", unreachable()),
        ("/own-loopback/events", Expected::Refused(Answer::empty(502, Reason::TargetRefused))),
        ("/own-later/events", Expected::Refused(unknown_path())),
    ];
    let mut cases = Vec::new();
    for (path, expected) in list {
        let application = path.split('/').nth(1).unwrap_or_default();
        let tls = outside(&authorities.first.client(application)?);
        cases.push(case(path, &[], tls, post(path), expected));
    }
    Ok(cases)
}
