//! What egress must do (spec application-gateway): one request and its answer, or its arrival, a row.

mod credentials;
mod headers;
mod location;
mod paths;
mod refusals;
mod responses;
mod table;

use std::net::IpAddr;

use fairlead_testkit::{
    Result,
    http::Request,
    resources::{Application, Entry, secret},
};

use crate::{
    case::{Arrival, Case, Expected, run_all},
    place::{Needs, Place, Way},
};

/// How long a token endpoint may take (AG §13): the contract's ten seconds would only make the test slow.
pub const NEEDS: Needs = Needs { config: r#"{ "grants": { "timeout": "1s" } }"#, ..Needs::EGRESS };

/// DNS name of the target in most cases.
const HOST: &str = "api.example.test";

/// What of a caller's path arrives.
pub fn paths(place: &dyn Place) {
    paths::plant(place).unwrap();
    run_all(place, &paths::cases(place).unwrap()).unwrap();
}

/// What of a caller's headers arrives.
pub fn headers(place: &dyn Place) {
    headers::plant(place).unwrap();
    let mut cases = headers::cases(place).unwrap();
    cases.extend(table::cases(place).unwrap());
    run_all(place, &cases).unwrap();
}

/// What is added to a request.
pub fn credentials(place: &dyn Place) {
    credentials::plant(place).unwrap();
    run_all(place, &credentials::cases(place).unwrap()).unwrap();
}

/// What of a target's answer comes back.
pub fn answers(place: &dyn Place) {
    responses::plant(place).unwrap();
    location::plant(place).unwrap();
    let mut cases = responses::cases();
    cases.extend(location::cases());
    run_all(place, &cases).unwrap();
}

/// What nobody gets to see.
pub fn refusals(place: &dyn Place) {
    paths::plant(place).unwrap();
    refusals::plant(place).unwrap();
    run_all(place, &refusals::cases(place).unwrap()).unwrap();
}

/// A case of the manual port.
fn manual(name: &str, rows: &[&'static str], request: Request, expected: Expected) -> Case {
    Case { name: name.to_owned(), rows: rows.to_vec(), way: Way::Manual, request, expected }
}

/// A case of the port with three segments.
fn ucl(name: &str, rows: &[&'static str], request: Request, expected: Expected) -> Case {
    Case { way: Way::Ucl, ..manual(name, rows, request, expected) }
}

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// URL of a listener under [`HOST`], without path.
fn url(place: &dyn Place, listener: &str) -> Result<String> {
    place.double().url_by_name(listener, HOST)
}

/// Who calls, as the target sees it.
fn caller(place: &dyn Place) -> IpAddr {
    place.caller()
}

/// What arrives when the caller sent nothing special: `Host` and the appended `X-Forwarded-For` are all.
fn arrival(place: &dyn Place, listener: &'static str, target: &str) -> Result<Arrival> {
    Ok(Arrival {
        listener,
        target: target.to_owned(),
        host: format!("{HOST}:{}", place.double().address(listener)?.port()),
        headers: vec![("x-forwarded-for".to_owned(), caller(place).to_string())],
        body: String::new(),
    })
}

impl Arrival {
    /// The same with one more header line.
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}
