//! A whole installation under load: its leader is killed, and its own CA is replaced. Warm requests go on, what was
//! unfinished is finished by the next leader, and what is new is effective all the time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_mesh::{MeshBed, bed::LIMIT};
use fairlead_pki::{Authority, Validity};
use fairlead_testkit::{
    Error, Result,
    http::{self, Request, Tls},
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

/// An Application that nobody has seen, with a credential whose grant nobody has, can be called.
fn something_new_is_effective(bed: &MeshBed, name: &str) {
    let https = bed.double.url_by_name("https", "orders.example.test").unwrap();
    let token = format!("{}/oauth/token", bed.double.url("http").unwrap());
    let client_secret = bed.secret(name).unwrap();
    let application = Application::new(name).service("S", &[Entry::api(&https).oauth(name, &token)]);
    bed.apply(&[
        secret(name, &[("clientId", name), ("clientSecret", &client_secret)]),
        application.manifest(),
    ])
    .unwrap();
    bed.until(&get(&format!("/{name}/s/anything")), |answer| answer.status == 200).unwrap();
}

/// Changes the Secret of Fairlead's own CA.
fn patch_ca(bed: &MeshBed, kind: &str, patch: &Value) {
    let patch = patch.to_string();
    let words =
        ["patch", "secret", "fairlead-ca", "--namespace", "kyma-system", "--type", kind, "--patch", &patch];
    bed.mesh.kubectl(&words).unwrap();
}

/// The control plane's name, as the chart has it.
const SERVER_NAME: &str = "fairlead-control.kyma-system.svc.cluster.local";
/// How long a CA is trusted before it signs, seconds (`server/src/kubernetes/authority/content.rs`).
const OVERLAP: i64 = 86_400;
/// This much of it is left here, in which replicas and gateways have to learn of the CA.
const LEFT: i64 = 20;

/// Replaces Fairlead's own CA as time does, but for the times: a successor comes, signs, and its predecessor goes.
fn replace_ca(bed: &MeshBed) {
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let stored = [
        "get",
        "secret",
        "fairlead-ca",
        "--namespace",
        "kyma-system",
        "--output",
        "jsonpath={.data.ca\\.crt}",
    ];
    let before = STANDARD.decode(bed.mesh.kubectl(&stored).unwrap()).unwrap();
    let before = String::from_utf8(before).unwrap();
    let turn = now() + LEFT;
    let made = |at: i64| Authority::generate("Fairlead control plane", at).unwrap();
    let begins = |authority: &Authority| Validity::of_pem(authority.certificate_pem()).unwrap().not_before;
    // Certificates begin a little before they are made.
    let next = made(2 * turn - begins(&made(turn)) - OVERLAP);
    assert_eq!(begins(&next) + OVERLAP, turn);
    let pair = json!({ "next.crt": next.certificate_pem(), "next.key": next.key_pem() });
    patch_ca(bed, "merge", &json!({ "stringData": pair }));
    // A line of each signature, as it stands in whatever holds the PEM.
    let line = |pem: &str| pem.lines().rev().nth(2).unwrap().to_owned();
    let (old, new) = (line(&before), line(next.certificate_pem()));
    let gateways = [bed.egress(), bed.ingress()].concat();
    let trusted = |wanted: (bool, bool)| {
        wait::attempt("gateways to trust the right CAs", LIMIT, || {
            for gateway in &gateways {
                let dump = gateway.config_dump()?.to_string();
                let trusted = (dump.contains(&old), dump.contains(&new));
                if trusted != wanted {
                    let name = gateway.pod().name();
                    return Err(Error::new(format!("{name}: {trusted:?}, not {wanted:?}")));
                }
            }
            Ok(())
        })
        .unwrap();
    };
    trusted((true, true));
    something_new_is_effective(bed, "two-cas");
    assert!(now() < turn, "too slow to show anything");
    wait::until("the time to sign", LIMIT, || (now() > turn).then_some(())).unwrap();
    patch_ca(bed, "merge", &json!({ "metadata": { "annotations": { "looked-at": "again" } } }));

    let gateway = bed.mesh.workload_certificate("fairlead-egress", "fairlead-egress").unwrap();
    let only_new = Tls::new().server_name(SERVER_NAME).roots(next.certificate_pem()).identity(&gateway);
    for program in bed.control() {
        let poll = Request::new("GET", "/feed/v1/egress?wait=0");
        wait::attempt("a certificate of the new CA", LIMIT, || {
            http::call_tls(program.port(8443), &only_new, &poll)?.expect(200).map(drop)
        })
        .unwrap();
    }
    something_new_is_effective(bed, "new-ca-signs");
    patch_ca(bed, "json", &json!([{ "op": "remove", "path": "/data/previous.crt" }]));
    trusted((false, true));
    something_new_is_effective(bed, "one-ca");
}

#[test]
fn a_leader_killed_and_a_ca_replaced_cost_no_warm_request() {
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
        bed.settle().unwrap();
        let before = bed.double.counts().unwrap().token_requests;
        assert_eq!(
            before, tokens,
            "the grant that gateways hold is good: nobody fetched another one for them"
        );
        replace_ca(&bed);
        drop(stopped);
        load.into_iter().for_each(|load| load.join().unwrap());
    });
    assert!(calls.load(Ordering::Relaxed) > 100);
    // One for each credential that came meanwhile.
    assert_eq!(bed.double.counts().unwrap().token_requests, tokens + 3);
    bed.finish().unwrap();
}

/// Ends the load however the test goes on.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
