//! Between control plane and gateways: cold gateways leave others alone, and who may read what.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::time::{Duration, Instant};

use fairlead_testkit::{
    Result,
    bed::{Bed, Seed, outside},
    certs::{Authority, Identity, Request as Certificate},
    http::{self, Request, Tls},
    load::Load,
    resources::{Application, Entry, secret},
};
use serde_json::json;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// One Application with every kind of credential; its Basic password.
fn plant(seed: &mut Seed) -> Result<String> {
    let (password, client_secret) = (seed.secret("password")?, seed.secret("client-secret")?);
    let http = seed.double.url("http")?;
    let app = Application::new("app")
        .service("none", &[Entry::api(&http)])
        .service("basic", &[Entry::api(&http).basic("basic")])
        .service(
            "oauth",
            &[Entry::api(&format!("{http}/protected")).oauth("oauth", &format!("{http}/oauth/token"))],
        );
    let basic = secret("basic", &[("username", "u"), ("password", &password)]);
    let oauth = secret("oauth", &[("clientId", "id"), ("clientSecret", &client_secret)]);
    seed.put("app.yaml", &[app.manifest(), basic, oauth]);
    Ok(password)
}

#[test]
fn a_cold_plugin_holds_requests_up_to_a_bound_and_leaves_others_alone() {
    let authority = Authority::new("clients").unwrap();
    let mut bed = Bed::start(|seed| {
        seed.ingress(&[&authority])?;
        seed.configure(&json!({ "gateways": { "hold": "2s" } }));
        plant(seed).map(|_| ())
    })
    .unwrap();
    bed.control.stop().unwrap();
    bed.restart_egress().unwrap();
    if let Some(ingress) = &mut bed.ingress {
        ingress.restart().unwrap();
    }
    let begin = Instant::now();
    let answer = bed.manual(&get("/app/none")).unwrap();
    assert_eq!((answer.status, answer.header("x-fairlead-reason")), (503, vec!["cold".to_owned()]));
    assert_eq!(answer.header("retry-after").len(), 1);
    let held = begin.elapsed();
    assert!((Duration::from_millis(1500)..Duration::from_secs(4)).contains(&held), "{held:?}");

    // Not ours: answered by the route, at once.
    let begin = Instant::now();
    let tls = outside(&authority.client("app").unwrap());
    let elsewhere = Request::new("POST", "/app/events").header("Host", "elsewhere.kyma.local");
    let answer = bed.from_outside(&tls, &elsewhere).unwrap();
    assert_eq!((answer.status, answer.header("x-fairlead-reason")), (403, vec!["not_routed".to_owned()]));
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());

    // A request that is held while the control plane comes back is served.
    let load = Load::new(bed.manual_address(), 20, &[get("/app/none")]);
    bed.control.start_again().unwrap();
    let report = load.run(20).unwrap();
    assert_eq!(report.statuses.keys().copied().collect::<Vec<_>>(), [200], "{report:?}");
    bed.finish().unwrap();
}

/// TLS to the gateways' port with the certificate of gateway `view`.
fn gateway(bed: &Bed, view: &str) -> Tls {
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap();
    let (certificate, key) = bed.control.pair(view);
    let identity = Identity { certificate_pem: read(certificate), key_pem: read(key) };
    Tls::new().server_name("fairlead-control").roots(&read(bed.control.pair("ca").0)).identity(&identity)
}

#[test]
fn views_are_given_to_their_gateway_only_and_ingress_sees_no_credentials() {
    let authority = Authority::new("clients").unwrap();
    let mut password = String::new();
    let mut bed = Bed::start(|seed| {
        seed.ingress(&[&authority])?;
        password = plant(seed)?;
        Ok(())
    })
    .unwrap();
    bed.until(&get("/app/basic"), |answer| answer.status == 200).unwrap();
    let address = bed.control.address("gateways").unwrap();
    let read =
        |tls: &Tls, path: &str| http::call_tls(address, tls, &get(path).header("Host", "fairlead-control"));
    let epoch = |tls: &Tls, view: &str| -> String {
        let answer = read(tls, &format!("/feed/v1/{view}?epoch=&revision=0&wait=0&bytes=65536")).unwrap();
        answer.json::<serde_json::Value>().unwrap()["epoch"].as_str().unwrap().to_owned()
    };
    let records = |tls: &Tls, view: &str| {
        let path = format!("/feed/v1/{view}/records?epoch={}&after=&bytes=1000000", epoch(tls, view));
        read(tls, &path).unwrap().expect(200).unwrap()
    };
    let (egress, ingress) = (gateway(&bed, "egress"), gateway(&bed, "ingress"));
    let wire = records(&ingress, "ingress").body;
    assert!(wire.windows(5).any(|part| part == b"\"app\""));
    bed.canary.check(&[("ingress view".to_owned(), wire)]).unwrap();
    // The same reading finds the password where it belongs.
    let wire = records(&egress, "egress").body;
    assert!(
        bed.canary.search(&[("egress view".to_owned(), wire)]).iter().any(|leak| leak.secret == "password")
    );
    for (tls, path) in [
        (&ingress, "/feed/v1/egress?epoch=&revision=0&wait=0&bytes=1000"),
        (&ingress, "/feed/v1/egress/records?epoch=x&after=&bytes=1000"),
        (&egress, "/feed/v1/ingress?epoch=&revision=0&wait=0&bytes=1000"),
    ] {
        assert_eq!(read(tls, path).unwrap().status, 403, "{path}");
    }
    // Grants are for the egress gateway alone.
    let ask = |tls: &Tls| {
        let ask = Request::new("POST", "/grants/v1/nothing").header("Host", "fairlead-control");
        let ask = ask.header("Content-Type", "application/json").body("{}");
        http::call_tls(address, tls, &ask).unwrap()
    };
    assert_eq!(ask(&ingress).status, 403);
    assert_eq!((ask(&egress).status, ask(&egress).text()), (200, "\"unknown\"".to_owned()));
    // Somebody else's certificate with the right name, and none at all.
    let forged = Certificate::spiffe("spiffe://cluster.local/ns/fairlead-egress/sa/fairlead-egress");
    let forged = Authority::new("forged").unwrap().issue(&forged).unwrap();
    for tls in [
        Tls::new().server_name("fairlead-control").identity(&forged),
        Tls::new().server_name("fairlead-control"),
    ] {
        assert!(read(&tls, "/feed/v1/egress?epoch=&revision=0&wait=0&bytes=1000").is_err());
    }
    bed.check().unwrap();
}
