//! What egress must do, as lists of cases (spec application-gateway), and the resources that they need.

mod credentials;
mod headers;
mod location;
mod paths;
mod refusals;
mod responses;
mod table;

use fairlead_testkit::{
    Result,
    bed::Seed,
    double::Double,
    http::{CALLER, Request},
    resources::{Application, Entry, secret},
};

use crate::case::{Arrival, Case, Expected, Way};

/// DNS name of the target in most cases.
pub const HOST: &str = "api.example.test";

/// Plants all resources. Run [`cases`] afterwards.
///
/// # Errors
/// The double does not answer.
pub fn plant(seed: &mut Seed) -> Result {
    paths::plant(seed)?;
    headers::plant(seed)?;
    credentials::plant(seed)?;
    responses::plant(seed)?;
    location::plant(seed)?;
    refusals::plant(seed)
}

/// All cases.
///
/// # Errors
/// The double does not answer.
pub fn cases(double: &Double) -> Result<Vec<Case>> {
    let lists = [
        paths::cases(double)?,
        headers::cases(double)?,
        table::cases(double)?,
        credentials::cases(double)?,
        responses::cases(),
        location::cases(),
        refusals::cases(double)?,
    ];
    Ok(lists.into_iter().flatten().collect())
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

/// `host:port` of a listener under [`HOST`].
fn authority(double: &Double, listener: &str) -> Result<String> {
    Ok(format!("{HOST}:{}", double.address(listener)?.port()))
}

/// What arrives when the caller sent nothing special: `Host` and the appended `X-Forwarded-For` are all.
fn arrival(double: &Double, listener: &'static str, target: &str) -> Result<Arrival> {
    Ok(Arrival {
        listener,
        target: target.to_owned(),
        host: authority(double, listener)?,
        headers: vec![("x-forwarded-for".to_owned(), CALLER.to_string())],
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
