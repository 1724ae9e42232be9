//! The grant broker under load, on real Envoys: one fetch for the fleet whatever the kind of grant, nobody can make it
//! hammer an endpoint, and nothing of it outlives the control plane (design decision 9).

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure is a failed test")]

mod endpoints;
mod lasting;
mod second;
mod storms;

use fairlead_testkit::{
    bed::{Bed, Seed},
    certs::Authority,
    http::Request,
    load::{Load, Report},
    resources::{Application, Entry, secret},
};
use serde_json::{Value, json};

const HOST: &str = "api.example.test";

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// A Secret with a client certificate.
fn certificate(seed: &mut Seed, name: &str) -> Value {
    let identity = Authority::new("Clients").unwrap().client("client").unwrap();
    let key: Vec<&str> = identity.key_pem.lines().collect();
    seed.canary.add("key", key[1]).unwrap();
    secret(name, &[("clientId", "certified"), ("crt", &identity.certificate_pem), ("key", &identity.key_pem)])
}

/// Credentials of an entry; `csrf` is its endpoint.
fn credentials(kind: &str, secret: &str, url: &str, csrf: Option<&str>) -> Value {
    let mut credentials = json!({ "type": kind, "secretName": secret, "authenticationUrl": url });
    if let Some(url) = csrf {
        credentials["csrfInfo"] = json!({ "tokenEndpointURL": url });
    }
    credentials
}

fn token_requests(bed: &Bed) -> u64 {
    bed.double.counts().unwrap().token_requests
}

/// An Application `app` with these services, each with a grant of its own from one endpoint.
fn plain(seed: &mut Seed, services: &[&str], target: &str) -> fairlead_testkit::Result {
    let oauth = secret("oauth", &[("clientId", "id"), ("clientSecret", &seed.secret("secret")?)]);
    let http = seed.double.url("http")?;
    let mut app = Application::new("app");
    for service in services {
        let token = format!("{http}/oauth/token?{service}");
        app = app.service(service, &[Entry::api(&format!("{http}{target}")).oauth("oauth", &token)]);
    }
    seed.put("app.yaml", &[app.manifest(), oauth]);
    Ok(())
}

/// Calls by many connections at once.
fn calls(bed: &Bed, path: &str, connections: usize, count: u64) -> Report {
    let load = Load::new(bed.manual_address(), connections, &[get(path)]).judge(|status, _| status == 200);
    let report = load.run(count).unwrap();
    assert_eq!((report.answers(), report.failed()), (count, 0), "{report:?}");
    report
}
