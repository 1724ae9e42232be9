//! The embedded ingress gateway (spec connectivity-validator), beside the tables that all beds share: what its own files
//! and its access log show.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a failure is a failed test")]

use std::path::Path;

use fairlead_cases::cover;
use fairlead_testkit::{
    bed::{Bed, INGRESS_HOST, LIMIT, outside},
    certs::Authority,
    envoy::{Envoy, Setup},
    http::{self, Tls},
    resources::Application,
    wait,
};
use fairlead_tests::{case::Answer, cases::ingress::post};
use fairlead_wire::Reason;

fn bed(authority: &Authority) -> Bed {
    Bed::start(|seed| {
        seed.ingress(&[authority])?;
        seed.put("shop.yaml", &[Application::new("shop").manifest()]);
        Ok(())
    })
    .unwrap()
}

/// V1: where a gateway is told to let clients without certificate in, they are nobody, whatever they claim.
#[test]
fn without_certificate() {
    let bed = bed(&Authority::new("Clients").unwrap());
    let here = bed.control.gateway("ingress");
    let there = bed.double.directory().join("ingress");
    copy(&here, &there, &|text| {
        text.replace(here.to_str().unwrap(), there.to_str().unwrap())
            .replace("\"require_client_certificate\": true", "\"require_client_certificate\": false")
    });
    let envoy = Envoy::start(Setup::new(&there.join("bootstrap.json"))).unwrap();
    let address = envoy.listener("ingress", LIMIT).unwrap();
    let tls = Tls::new().server_name(INGRESS_HOST);
    let missing = Answer::json(500, Reason::CertificateMissing, "X-Forwarded-Client-Cert header not found");
    for path in ["/shop/v1/events", "/nobody/v1/events", "/shop/else"] {
        let plain = post(path);
        let forged = plain.clone().header("X-Forwarded-Client-Cert", "Hash=0;Subject=\"CN=shop\"");
        for request in [plain, forged] {
            missing.check(&http::call_tls(address, &tls, &request).unwrap()).unwrap();
        }
    }
    cover("CV-3-r01");
    cover("CV-4.3-r15");
    drop(envoy);
    bed.finish().unwrap();
}

/// Copies a gateway's files with their text changed.
fn copy(from: &Path, to: &Path, change: &impl Fn(&str) -> String) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target, change);
        } else if path.is_file() {
            std::fs::write(target, change(&std::fs::read_to_string(&path).unwrap())).unwrap();
        }
    }
}

/// The search that found no credential in the ingress gateway finds one that is there.
#[test]
fn planted_leak() {
    let authority = Authority::new("Clients").unwrap();
    let mut bed = bed(&authority);
    let planted = "planted-0123456789-in-a-path";
    bed.canary.add("planted", planted).unwrap();
    let tls = outside(&authority.client("shop").unwrap());
    bed.from_outside(&tls, &post(&format!("/shop/v1/events/{planted}"))).unwrap();
    let found = wait::until("the planted leak", LIMIT, || bed.check().err()).unwrap().to_string();
    assert!(found.contains("planted (plain) in access log ingress.log"), "{found}");
    assert!(bed.finish().is_err());
}
