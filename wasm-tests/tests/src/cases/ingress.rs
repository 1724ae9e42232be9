//! What ingress must do (spec connectivity-validator).

mod handshake;
mod live;
mod paths;
mod requests;
mod sinks;
mod streams;
mod subjects;

use fairlead_testkit::{
    Result,
    bed::INGRESS_HOST,
    http::{Request, Tls},
    resources::{Application, Entry, secret},
};
use fairlead_wire::Reason;

pub use handshake::handshakes;
pub use live::who_may_send_changes_live;
pub use sinks::sink_answers;
pub use streams::{methods_and_bodies, nothing_is_held_back};

use crate::{
    case::{Answer, Arrival, Case, Expected, run_all},
    place::{Needs, Place, Way},
};

/// Both gateways.
pub const NEEDS: Needs = Needs::BOTH;

/// Who may send what where.
pub fn requests(place: &dyn Place) {
    plant(place).unwrap();
    run_all(place, &cases(place).unwrap()).unwrap();
    // Credentials, which must stay out of the ingress gateway, are in use next door.
    for service in ["basic", "oauth"] {
        place.manual(&Request::new("GET", format!("/both-ways/{service}"))).unwrap().expect(200).unwrap();
    }
}

/// Writes all resources. One Application has credentials.
fn plant(place: &dyn Place) -> Result {
    let mut manifests: Vec<_> = subjects::applications().iter().map(Application::manifest).collect();
    manifests.extend(sinks::applications(place)?.iter().map(Application::manifest));
    place.put("ingress", &manifests)?;

    let (password, client) = (place.secret("password")?, place.secret("client-secret")?);
    let http = place.double().url("http")?;
    let both = Application::new("both-ways")
        .service("basic", &[Entry::api(&http).basic("both-basic")])
        .service("oauth", &[Entry::api(&http).oauth("both-oauth", &format!("{http}/oauth/token"))]);
    let manifests = [
        both.manifest(),
        secret("both-basic", &[("username", "user"), ("password", &password)]),
        secret("both-oauth", &[("clientId", "id"), ("clientSecret", &client)]),
    ];
    place.plant("both-ways", &manifests, &["both-ways/basic", "both-ways/oauth"])
}

/// An Application that takes events of a client of its name.
fn shop(place: &dyn Place) -> Result<Tls> {
    place.put("ingress-shop", &[Application::new("shop").manifest()])?;
    let tls = client(place, "shop")?;
    // Only of an Application that is there; as often as that every worker has most likely been asked.
    let asked = || {
        case("the shop is there", &[], tls.clone(), post("/shop/nothing"), Expected::Refused(unknown_path()))
    };
    run_all(place, &std::iter::repeat_with(asked).take(8).collect::<Vec<_>>())?;
    Ok(tls)
}

/// TLS of a client with this common name.
fn client(place: &dyn Place, name: &str) -> Result<Tls> {
    Ok(place.client(&place.authorities().first.client(name)?))
}

/// Calls from outside.
fn outside(tls: &Tls) -> Way {
    Way::Outside(Box::new(tls.clone()))
}

fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let lists =
        [subjects::cases(place)?, paths::cases(place)?, requests::cases(place)?, sinks::cases(place)?];
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
fn arrival(place: &dyn Place, target: &str) -> Result<Arrival> {
    let line = |name: &str, value: String| (name.to_owned(), value);
    Ok(Arrival {
        listener: "sink",
        target: target.to_owned(),
        host: place.double().address("sink")?.to_string(),
        headers: vec![
            line("x-forwarded-for", place.caller().to_string()),
            line("content-length", "2".to_owned()),
        ],
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
