//! The leader killed under load, in a whole installation: warm requests go on, what was unfinished is finished by the
//! next leader.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use fairlead_mesh::{MeshBed, bed::LIMIT};
use fairlead_testkit::{
    Error, Result,
    http::Request,
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::{Value, json};

fn get(path: &str) -> Request {
    Request::new("GET", path).header("host", "central-application-gateway.kyma-system")
}

/// Name of the pod that leads.
fn leader(bed: &MeshBed) -> Result<String> {
    let lease = bed.mesh.kubectl_json(&["get", "lease", "fairlead-core", "--namespace", "kyma-system"])?;
    let holder = lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default();
    let pods: Vec<String> = bed.control().iter().map(|program| program.pod().name().to_owned()).collect();
    pods.iter()
        .find(|pod| holder.starts_with(*pod))
        .cloned()
        .ok_or_else(|| Error::new(format!("{holder}: {pods:?}")))
}

/// Kills the leader without warning and waits for the next one.
fn kill_leader(bed: &MeshBed) {
    let old = wait::attempt("a leader", LIMIT, || leader(bed)).unwrap();
    bed.kubelet.lose(&bed.mesh, &old).unwrap();
    wait::attempt("the next leader", LIMIT, || leader(bed)).unwrap();
}

#[test]
fn a_leader_killed_costs_no_warm_request() {
    let bed = MeshBed::start(|setup| {
        setup.values["roles"]["core"]["replicas"] = 3.into();
        setup.values["config"]["kubernetes"]["lease"] = json!({ "duration": "6s", "renew": "1s" });
        Ok(())
    })
    .unwrap();
    let https = bed.double.url_by_name("https", "orders.example.test").unwrap();
    let http = bed.double.url("http").unwrap();
    let oauth = Entry::api(&https).oauth("oauth", &format!("{http}/oauth/token"));
    let application = Application::new("warm")
        .service("Basic", &[Entry::api(&https).basic("basic")])
        .service("OAuth", &[oauth]);
    let client_secret = bed.secret("client secret").unwrap();
    let password = bed.secret("password").unwrap();
    bed.apply(&[
        secret("basic", &[("username", "user"), ("password", &password)]),
        secret("oauth", &[("clientId", "id"), ("clientSecret", &client_secret)]),
        application.manifest(),
    ])
    .unwrap();
    for path in ["/warm/basic/anything", "/warm/oauth/anything"] {
        bed.until(&get(path), |answer| answer.status == 200).unwrap();
    }
    let tokens = bed.double.counts().unwrap().token_requests;

    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let load = |path: &'static str| {
            let (bed, stop, calls) = (&bed, &stop, &calls);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer = bed.manual(&get(path)).unwrap();
                    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                    calls.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(10));
                }
            })
        };
        let load = [load("/warm/basic/anything"), load("/warm/oauth/anything")];
        let stopped = Stop(&stop);
        // Mid-poll: gateways' polls are open all the time.
        kill_leader(&bed);
        // What comes next is effective, and goes through what is new to gateways.
        let other = Application::new("next").service("S", &[Entry::api(&https).basic("basic")]);
        bed.apply(&[other.spec("skipVerify", true).manifest()]).unwrap();
        bed.until(&get("/next/s/anything"), |answer| answer.status == 200).unwrap();
        bed.settle().unwrap();
        // Mid-render: many new transport profiles are on their way.
        let authority = std::fs::read_to_string(bed.double.ca()).unwrap();
        let many: Vec<Value> = (0..20)
            .flat_map(|n| {
                let name = format!("mid-{n}");
                let ca = format!("{authority}# {n}\n");
                let application = Application::new(&name)
                    .spec("fairlead", json!({ "caSecretName": name }))
                    .service("S", &[Entry::api(&https)]);
                [secret(&name, &[("ca.crt", &ca)]), application.manifest()]
            })
            .collect();
        bed.apply(&many).unwrap();
        kill_leader(&bed);
        for n in [0, 19] {
            bed.until(&get(&format!("/mid-{n}/s/anything")), |answer| answer.status == 200).unwrap();
        }
        drop(stopped);
        load.into_iter().for_each(|load| load.join().unwrap());
    });
    assert!(calls.load(Ordering::Relaxed) > 100);
    // The grant that gateways hold is good: nobody fetched another one for them.
    assert_eq!(bed.double.counts().unwrap().token_requests, tokens);
    bed.finish().unwrap();
}

/// Ends the load however the test goes on.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
