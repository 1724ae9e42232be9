//! The plugin's module: every replica serves the modules of all, a new one goes out when all serve it, three stay.

use std::path::PathBuf;

use crate::replicas_fleet::{Fleet, LIMIT, Replica, module_file};
use fairlead_mesh::mesh;
use fairlead_testkit::{
    Error, Result,
    http::{self, Request, Response},
    wait,
};
use sha2::{Digest as _, Sha256};

/// The module of this build with a custom section more: another build, as far as digests go. File and digest.
fn build(number: u8) -> (PathBuf, String) {
    let mut bytes = std::fs::read(module_file().unwrap()).unwrap();
    // Section 0, five bytes: a name of four.
    bytes.extend([0, 5, 4, b'g', b'e', b'n', b'0' + number]);
    let file = mesh().unwrap().directory().join(format!("module-{number}.wasm"));
    std::fs::write(&file, &bytes).unwrap();
    let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    (file, digest)
}

fn fetch(replica: &Replica, method: &str, digest: &str) -> Result<Response> {
    http::call(replica.port(8080), &Request::new(method, format!("/module/{digest}.wasm")))
}

fn served(replica: &Replica, digest: &str) {
    wait::attempt("a module", LIMIT, || fetch(replica, "GET", digest)?.expect(200))
        .unwrap_or_else(|error| panic!("{error}\n{}", replica.log()));
}

/// The digest that the gateway is told to load.
fn published(fleet: &Fleet) -> Result<String> {
    let plugins = mesh()?.kubectl_json(&["get", "wasmplugins", "--namespace", &fleet.egress()])?;
    let digest = plugins["items"][0]["spec"]["sha256"].as_str().map(str::to_owned);
    digest.ok_or_else(|| Error::new("there is no plugin"))
}

fn until_published(fleet: &Fleet, digest: &str) {
    wait::attempt("the digest to go out", LIMIT, || {
        let published = published(fleet)?;
        if published == digest { Ok(()) } else { Err(Error::new(published)) }
    })
    .unwrap();
}

/// Names of the ConfigMaps that hold modules.
fn stored(fleet: &Fleet) -> usize {
    let selector = "fairlead.kyma-project.io/module";
    let maps = ["get", "configmaps", "--selector", selector, "--namespace", &fleet.namespace];
    mesh().unwrap().kubectl_json(&maps).unwrap()["items"].as_array().unwrap().len()
}

#[test]
fn every_replica_serves_the_modules_of_all() {
    let fleet = Fleet::new(mesh().unwrap(), "modules").unwrap();
    let ((old_file, old), (new_file, new)) = (build(1), build(2));
    let first = fleet.start_unready(&old_file).unwrap();
    first.wait_serving().unwrap();
    until_published(&fleet, &old);
    let second = fleet.start_unready(&new_file).unwrap();
    second.wait_serving().unwrap();
    for replica in [&first, &second] {
        served(replica, &old);
        served(replica, &new);
        let answer = fetch(replica, "GET", &new).unwrap();
        assert_eq!(answer.body, std::fs::read(&new_file).unwrap());
        assert_eq!(answer.header("content-type"), ["application/wasm"]);
        let head = fetch(replica, "HEAD", &new).unwrap().expect(200).unwrap();
        assert_eq!(
            (head.header("content-length"), head.body.len()),
            (vec![answer.body.len().to_string()], 0)
        );
        // One that is not there may be on another replica: agents must try again.
        assert_eq!(fetch(replica, "GET", &"0".repeat(64)).unwrap().status, 503);
    }
    // The leader is of the old build, and so is what gateways load, until a new one leads.
    assert_eq!(published(&fleet).unwrap(), old);
    first.component.stop(LIMIT).unwrap();
    until_published(&fleet, &new);
    served(&second, &old);
}

#[test]
fn three_generations_stay() {
    let fleet = Fleet::new(mesh().unwrap(), "generations").unwrap();
    let mut before: Option<Replica> = None;
    let mut digests = Vec::new();
    for number in 3..8 {
        let (file, digest) = build(number);
        let replica = fleet.start_unready(&file).unwrap();
        replica.wait_serving().unwrap();
        if let Some(before) = before.replace(replica) {
            served(&before, &digest);
            before.component.stop(LIMIT).unwrap();
        }
        until_published(&fleet, &digest);
        digests.push(digest);
    }
    let last = before.unwrap();
    wait::until("the old ones to go", LIMIT, || (stored(&fleet) == 3).then_some(()))
        .unwrap_or_else(|error| panic!("{error}\n{}", last.log()));
    for digest in &digests[2..] {
        served(&last, digest);
    }
    wait::until("the old ones to go", LIMIT, || {
        let old = |digest: &String| fetch(&last, "GET", digest).is_ok_and(|answer| answer.status == 503);
        digests[..2].iter().all(old).then_some(())
    })
    .unwrap();
}
