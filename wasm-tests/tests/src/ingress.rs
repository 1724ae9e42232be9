//! What ingress must do, as lists of cases (spec connectivity-validator), and the resources that they need.

mod paths;
mod requests;
mod sinks;
mod subjects;

use fairlead_testkit::{
    Result,
    bed::{INGRESS_HOST, Seed},
    certs::Authority,
    double::Double,
    http::{CALLER, Request, Tls},
    resources::{Application, Entry, secret},
};
use fairlead_wire::Reason;
use serde_json::json;

use crate::case::{Answer, Arrival, Case, Expected, Way};

/// A host that the gateway serves beside [`INGRESS_HOST`].
pub const SECOND_HOST: &str = "second.kyma.local";

/// The authorities of external systems.
pub struct Authorities {
    /// Accepted by the gateway.
    pub first: Authority,
    /// Accepted too.
    pub second: Authority,
    /// Not accepted.
    pub stranger: Authority,
}

impl Authorities {
    /// New ones.
    ///
    /// # Errors
    /// A certificate cannot be made.
    pub fn new() -> Result<Self> {
        Ok(Self {
            first: Authority::new("Clients One")?,
            second: Authority::new("Clients Two")?,
            stranger: Authority::new("Strangers")?,
        })
    }
}

/// Plants all resources and asks for an ingress gateway. One Application has credentials, which must stay out of it.
///
/// # Errors
/// A file cannot be written.
pub fn plant(seed: &mut Seed, authorities: &Authorities) -> Result {
    seed.ingress(&[&authorities.first, &authorities.second])?;
    seed.configure(&json!({ "gateways": { "ingress": { "hosts": [INGRESS_HOST, SECOND_HOST] } } }));
    let mut manifests: Vec<_> = subjects::applications().iter().map(Application::manifest).collect();
    manifests.extend(sinks::applications(&seed.double)?.iter().map(Application::manifest));
    seed.put("ingress.yaml", &manifests);

    let (password, client) = (seed.secret("password")?, seed.secret("client-secret")?);
    let http = seed.double.url("http")?;
    let both = Application::new("both-ways")
        .service("basic", &[Entry::api(&http).basic("basic")])
        .service("oauth", &[Entry::api(&http).oauth("oauth", &format!("{http}/oauth/token"))]);
    seed.put(
        "both-ways.yaml",
        &[
            both.manifest(),
            secret("basic", &[("username", "user"), ("password", &password)]),
            secret("oauth", &[("clientId", "id"), ("clientSecret", &client)]),
        ],
    );
    Ok(())
}

/// All cases.
///
/// # Errors
/// A certificate cannot be made.
pub fn cases(double: &Double, authorities: &Authorities) -> Result<Vec<Case>> {
    let lists = [
        subjects::cases(double, authorities)?,
        paths::cases(double, authorities)?,
        requests::cases(double, authorities)?,
        sinks::cases(double, authorities)?,
    ];
    Ok(lists.into_iter().flatten().collect())
}

fn case(name: &str, rows: &[&'static str], tls: Tls, request: Request, expected: Expected) -> Case {
    Case { name: name.to_owned(), rows: rows.to_vec(), way: Way::Outside(Box::new(tls)), request, expected }
}

/// An event to the gateway's host.
#[must_use]
pub fn post(path: &str) -> Request {
    Request::new("POST", path).header("Host", INGRESS_HOST).body("{}")
}

/// An event of [`post`] at the sink: this is all that it gets.
fn arrival(double: &Double, target: &str) -> Result<Arrival> {
    let line = |name: &str, value: String| (name.to_owned(), value);
    Ok(Arrival {
        listener: "sink",
        target: target.to_owned(),
        host: double.address("sink")?.to_string(),
        headers: vec![line("x-forwarded-for", CALLER.to_string()), line("content-length", "2".to_owned())],
        body: "{}".to_owned(),
    })
}

/// CV §3, V3.
fn unknown_application(name: &str) -> Answer {
    let text = format!(
        "while getting application ClientIds: application data for name {name} is not found in the cache. Please retry"
    );
    Answer::json(404, Reason::UnknownApplication, &text)
}

/// CV §3, V4.
fn subject_refused() -> Answer {
    Answer::json(403, Reason::SubjectRefused, "no valid subject found")
}

/// CV §3, V5.
fn unknown_path() -> Answer {
    let text = "could not determine destination host, requested resource not found";
    Answer::json(404, Reason::UnknownPath, text)
}
