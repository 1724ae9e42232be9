//! An Application's own sink (decision 12), and sinks that are away (CV §6).

use std::net::Ipv4Addr;

use fairlead_testkit::Result;
use fairlead_wire::Reason;
use serde_json::{Value, json};

use super::{
    Answer, Application, Arrival, Case, Expected, Place, arrival, case, client, outside, post, shop,
    unknown_path,
};

/// DNS name of a sink.
const SINK_HOST: &str = "sink.example.test";

pub(super) fn applications(place: &dyn Place) -> Result<Vec<Application>> {
    let double = place.double();
    let loopback = double.url_by_name("http", &Ipv4Addr::LOCALHOST.to_string())?;
    let with = |name: &str, sink: Value| Application::new(name).spec("fairlead", json!({ "sink": sink }));
    let publisher = |name: &str, url: &str| with(name, json!({ "publisher": url }));
    Ok(vec![
        publisher("own-sink", &format!("{}/base/in", double.url("http")?)),
        publisher("own-root", &double.url_by_name("http", SINK_HOST)?),
        publisher("own-tls", &double.url_by_name("https", SINK_HOST)?),
        publisher("own-away", &place.nobody()),
        publisher("own-untrusted", &double.url_by_name("other", SINK_HOST)?),
        publisher("own-loopback", &loopback),
        with("own-later", json!({ "nats": "events" })),
    ])
}

pub(super) fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let double = place.double();
    let at = |listener: &'static str, host: String, target: &str| -> Result<Expected> {
        Ok(Expected::Arrives(Arrival { listener, host, ..arrival(place, target)? }))
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
        let tls = client(place, application)?;
        cases.push(case(path, &[], tls, post(path), expected));
    }
    Ok(cases)
}

/// What the sink answers, and what of it comes back (CV §6).
pub fn sink_answers(place: &dyn Place) {
    let way = outside(&shop(place).unwrap());
    let publish = || place.call(&way, &post("/shop/events")).unwrap();
    let answer = publish();
    assert_eq!((answer.status, answer.names()), (204, vec!["date".to_owned()]));
    let answer = place.call(&way, &post("/shop/v1/events")).unwrap();
    assert_eq!(answer.names(), ["content-length", "content-type", "date"]);
    assert!(answer.text().contains("event-id"), "{}", answer.text());
    for status in [500, 502, 507, 599] {
        place.double().change(|settings| settings.sink.status = Some(status)).unwrap();
        let answer = publish();
        assert_eq!((answer.status, answer.text()), (502, format!("sink says {status}")));
        assert_eq!(answer.header("target-system-status"), [status.to_string()]);
        assert!(answer.header("x-fairlead-reason").is_empty());
    }
    for status in [200, 301, 400, 404, 429] {
        place.double().change(|settings| settings.sink.status = Some(status)).unwrap();
        let answer = publish();
        assert_eq!((answer.status, answer.text()), (status, format!("sink says {status}")));
        assert!(answer.header("target-system-status").is_empty());
    }
    place.double().change(|settings| settings.sink.status = None).unwrap();
}
