//! Several replicas of the control plane: one CA, one leader, grants once a fleet, trust that follows the mesh root.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::replicas_fleet::{Fleet, LIMIT, OUTSIDE, Replica};
use fairlead_mesh::mesh;
use fairlead_testkit::{
    certs::Authority,
    double::{self, Double},
    http::{Connection, Request, Tls},
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::{Value, json};

/// An external system with a token endpoint.
fn double() -> Double {
    let setup =
        double::Setup { binds: vec![IpAddr::V4(OUTSIDE)], dns: Vec::new(), ..double::Setup::default() };
    Double::start(&setup).unwrap()
}

/// Applies an Application with an OAuth credential and waits until all of these serve it; the id of its grant.
fn with_grant(fleet: &Fleet, tls: &Tls, replicas: &[Replica], double: &Double, name: &str) -> String {
    let url = double.url("http").unwrap();
    let entry = Entry::api(&format!("{url}/echo")).oauth(name, &format!("{url}/oauth/token"));
    let application = Application::new(name).service("orders", &[entry.name("api")]).manifest();
    fleet.apply(&[secret(name, &[("clientId", "id"), ("clientSecret", "secret")]), application]).unwrap();
    let ids: BTreeSet<String> = replicas
        .iter()
        .map(|replica| {
            wait::until("the record", LIMIT, || {
                let records = replica.get(tls, "/feed/v1/egress/records").ok()?;
                let records = records["records"].as_array()?.clone();
                let ours = records.iter().find(|record| {
                    record["key"].as_str().is_some_and(|key| key.starts_with(&format!("{name}/")))
                })?;
                Some(ours["record"]["outcome"]["route"]["credential"]["grant"].as_str()?.to_owned())
            })
            .unwrap_or_else(|error| panic!("{error}\n{}", replica.log()))
        })
        .collect();
    assert_eq!(ids.len(), 1, "all replicas name the same grant");
    ids.into_iter().next().unwrap()
}

fn authorization(answer: &Value) -> String {
    answer["granted"]["authorization"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn replicas_that_start_together_share_one_ca_and_one_leads() {
    let fleet = Fleet::new(mesh().unwrap(), "together").unwrap();
    let replicas = fleet.start_together(3).unwrap();
    let leader = fleet.leader(&replicas).unwrap();
    // Each shows a certificate of the CA in the Secret, and takes the gateway's.
    let tls = fleet.tls(&fleet.gateway().unwrap()).unwrap();
    let epochs: BTreeSet<String> = replicas
        .iter()
        .map(|replica| replica.poll(&tls, "", 0).unwrap()["epoch"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(epochs.len(), 3, "an epoch each");
    // A clean stop hands over at once, not after the Lease's time.
    let begin = Instant::now();
    replicas[leader].component.stop(LIMIT).unwrap();
    let next = fleet.leader(&replicas).unwrap();
    assert!(next != leader && begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    // A Secret that somebody deleted comes again as it was.
    let ca = fleet.ca().unwrap();
    mesh().unwrap().kubectl(&["delete", "secret", "fairlead-ca", "--namespace", "together"]).unwrap();
    wait::until("the CA again", LIMIT, || fleet.ca().ok().filter(|again| *again == ca)).unwrap();
}

#[test]
fn others_are_refused() {
    let fleet = Fleet::new(mesh().unwrap(), "refused").unwrap();
    let replica = fleet.start().unwrap();
    let poll = Request::new("GET", "/feed/v1/egress?wait=0");
    let status = |uri: &str, request: &Request| {
        let tls = fleet.tls(&fleet.identity(uri).unwrap()).unwrap();
        replica.call(&tls, request).unwrap().status
    };
    let own = "spiffe://cluster.local/ns/refused-egress/sa/fairlead-egress";
    wait::until("the mesh root", LIMIT, || {
        let tls = fleet.tls(&fleet.identity(own).unwrap()).unwrap();
        replica.call(&tls, &poll).ok().filter(|answer| answer.status == 200)
    })
    .unwrap();
    for other in [
        "spiffe://cluster.local/ns/refused-egress/sa/default",
        "spiffe://cluster.local/ns/shop/sa/fairlead-egress",
        "spiffe://other.domain/ns/refused-egress/sa/fairlead-egress",
        "spiffe://cluster.local/ns/refused-egress/sa/fairlead-egress/x",
    ] {
        assert_eq!(status(other, &poll), 403, "{other}");
        assert_eq!(status(other, &Request::new("POST", "/grants/v1/x").body("{}")), 403, "{other}");
    }
    assert_eq!(status(own, &Request::new("GET", "/feed/v1/ingress?wait=0")), 403);
    // What only replicas may do takes a certificate of Fairlead's own CA: neither a gateway, nor what the mesh calls a replica.
    let ours = "spiffe://cluster.local/ns/refused/sa/fairlead-control";
    for path in ["/replica/v1/grants/x", "/replica/v1/reports"] {
        let request = Request::new("POST", path).header("content-type", "application/json").body("{}");
        assert_eq!(status(own, &request), 403, "{path}");
        assert_eq!(status(ours, &request), 403, "{path}");
    }
    assert_eq!(status(ours, &poll), 403);
    // Without a certificate, with one of another authority, for another server name, and without TLS there is no answer.
    let ca = fleet.ca().unwrap();
    let gateway = fleet.gateway().unwrap();
    let stranger = Authority::new("stranger").unwrap().client("fairlead-egress").unwrap();
    let named = || Tls::new().roots(&ca).server_name("fairlead-control");
    assert!(replica.call(&named(), &poll).is_err());
    assert!(replica.call(&named().identity(&stranger), &poll).is_err());
    assert!(replica.call(&Tls::new().server_name("other").identity(&gateway), &poll).is_err());
    let plain = fairlead_testkit::http::call(replica.port(8443), &poll);
    assert!(plain.as_ref().map_or(true, |answer| answer.status >= 400), "{plain:?}");
}

#[test]
fn a_new_mesh_root_is_taken_without_a_restart() {
    let fleet = Fleet::new(mesh().unwrap(), "root").unwrap();
    let replica = fleet.start().unwrap();
    let poll = Request::new("GET", "/feed/v1/egress?wait=0");
    let old = fleet.tls(&fleet.gateway().unwrap()).unwrap();
    let accepted = |tls: &Tls| replica.call(tls, &poll).is_ok_and(|answer| answer.status == 200);
    wait::until("the mesh root", LIMIT, || accepted(&old).then_some(())).unwrap();
    let mut open = Connection::open_tls(replica.port(8443), &old).unwrap();
    open.send(&poll).unwrap().expect(200).unwrap();

    let next = Authority::new("next mesh root").unwrap();
    let uri = "spiffe://cluster.local/ns/root-egress/sa/fairlead-egress";
    let new = next.issue(&fairlead_testkit::certs::Request::client(&[]).uri(uri)).unwrap();
    let new = fleet.tls(&new).unwrap();
    assert!(!accepted(&new));
    fleet.set_root(&format!("{}{}", fleet.root.pem(), next.pem())).unwrap();
    wait::until("the new root", LIMIT, || accepted(&new).then_some(())).unwrap();
    assert!(accepted(&old));
    fleet.set_root(next.pem()).unwrap();
    wait::until("the end of the old root", LIMIT, || (!accepted(&old)).then_some(())).unwrap();
    assert!(accepted(&new));
    // What was open goes on.
    open.send(&poll).unwrap().expect(200).unwrap();
    // Nonsense changes nothing.
    fleet.set_root("nonsense").unwrap();
    assert!(accepted(&new));
}

#[test]
fn a_grant_is_fetched_once_whichever_replicas_are_asked() {
    let fleet = Fleet::new(mesh().unwrap(), "once").unwrap();
    let replicas = fleet.start_together(3).unwrap();
    fleet.leader(&replicas).unwrap();
    let (double, tls) = (double(), fleet.tls(&fleet.gateway().unwrap()).unwrap());
    double.change(|settings| settings.token.delay_ms = 300).unwrap();
    let id = with_grant(&fleet, &tls, &replicas, &double, "once");
    let ask = |rejected: Option<u64>| -> Vec<Value> {
        thread::scope(|scope| {
            let asks: Vec<_> = (0..30)
                .map(|n| {
                    let (replica, tls, id) = (&replicas[n % 3], &tls, &id);
                    scope.spawn(move || replica.grant(tls, id, rejected).unwrap())
                })
                .collect();
            asks.into_iter().map(|ask| ask.join().unwrap()).collect()
        })
    };
    let first: BTreeSet<String> = ask(None).iter().map(authorization).collect();
    assert_eq!((first.len(), double.counts().unwrap().token_requests), (1, 1));
    // A rejection that followers hear of leads to one new token as well.
    let serial = replicas[0].grant(&tls, &id, None).unwrap()["granted"]["serial"].as_u64();
    let second: BTreeSet<String> = ask(serial).iter().map(authorization).collect();
    assert_eq!((second.len(), double.counts().unwrap().token_requests), (1, 2));
    assert!(first.is_disjoint(&second));
}

#[test]
fn a_leader_that_dies_while_it_fetches_costs_one_more_token_request() {
    let fleet = Fleet::new(mesh().unwrap(), "killed").unwrap();
    let replicas = fleet.start_together(3).unwrap();
    let leader = fleet.leader(&replicas).unwrap();
    let (double, tls) = (double(), fleet.tls(&fleet.gateway().unwrap()).unwrap());
    let id = with_grant(&fleet, &tls, &replicas, &double, "killed");
    double.change(|settings| settings.token.delay_ms = 1_500).unwrap();
    let followers: Vec<&Replica> =
        replicas.iter().enumerate().filter(|(at, _)| *at != leader).map(|(_, replica)| replica).collect();
    let answers: Vec<Value> = thread::scope(|scope| {
        let asks: Vec<_> = (0..20)
            .map(|n| {
                let (replica, tls, id) = (followers[n % 2], &tls, &id);
                scope.spawn(move || replica.grant(tls, id, None).unwrap())
            })
            .collect();
        wait::until("the token request", LIMIT, || {
            (!double.recorded(&[("path", "/oauth/token")]).unwrap().is_empty()).then_some(())
        })
        .unwrap();
        replicas[leader].component.kill().unwrap();
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    let tokens: BTreeSet<String> = answers.iter().map(authorization).collect();
    assert_eq!(tokens.len(), 1);
    let requests = double.recorded(&[("path", "/oauth/token")]).unwrap().len();
    assert!(requests <= 2, "{requests} token requests");
}

/// By the API server's own notes.
#[test]
fn a_follower_changes_nothing_but_the_sign_that_it_lives() {
    let mut fleet = Fleet::new(mesh().unwrap(), "follows").unwrap();
    // On a busy machine a leader may be late; to take over from it would be right.
    fleet.lease = json!({ "duration": "60s", "renew": "1s" });
    let leader = fleet.start().unwrap();
    fleet.leader(std::slice::from_ref(&leader)).unwrap();
    let follower = fleet.start().unwrap();
    let changes = |replica: &Replica| mesh().unwrap().changes_from(replica.pod.address()).unwrap();

    // A transport profile, a problem with its Event, a status each.
    let entry = || Entry::api(&format!("https://{OUTSIDE}")).name("api");
    let authority = Authority::new("follows").unwrap();
    let profile = Application::new("follows").spec("fairlead", json!({ "caSecretName": "follows" }));
    let problem = Application::new("follows-not").service("S", &[entry().basic("follows-nowhere")]);
    fleet
        .apply(&[
            secret("follows", &[("ca.crt", authority.pem())]),
            profile.service("S", &[entry()]).manifest(),
            problem.manifest(),
        ])
        .unwrap();
    for what in ["patch applications/status /follows", "patch envoyfilters ", "create events default/"] {
        wait::until(what, LIMIT, || changes(&leader).iter().any(|line| line.starts_with(what)).then_some(()))
            .unwrap_or_else(|error| panic!("{error}: {:#?}", changes(&leader)));
    }
    let sign = format!("patch leases follows/fairlead-core-{}", follower.pod.name());
    wait::until("some signs", LIMIT, || (changes(&follower).len() > 5).then_some(())).unwrap();
    let others: Vec<String> =
        changes(&follower).into_iter().filter(|line| !line.starts_with(&sign)).collect();
    assert!(others.is_empty(), "{others:#?}\n{}", follower.log());
    // The same notes tell when it leads.
    leader.component.stop(LIMIT).unwrap();
    fleet.leader(std::slice::from_ref(&follower)).unwrap();
    assert!(changes(&follower).contains(&"update leases follows/fairlead-core".to_owned()));
}

#[test]
fn without_a_leader_a_grant_is_refused_in_time_and_with_its_reason() {
    let fleet = Fleet::new(mesh().unwrap(), "nobody").unwrap();
    let replicas = fleet.start_together(1).unwrap();
    fleet.leader(&replicas).unwrap();
    let tls = fleet.tls(&fleet.gateway().unwrap()).unwrap();
    // Somebody who is not there holds the Lease and renews it.
    let steal = |n: u32| {
        let annotations = json!({ "fairlead.kyma-project.io/address": "127.0.0.1:1" });
        let spec = json!({ "holderIdentity": "ghost", "leaseTransitions": 1000 + n });
        let patch = json!({ "metadata": { "annotations": annotations }, "spec": spec }).to_string();
        let lease = ["patch", "lease", "fairlead-core", "--namespace", "nobody"];
        let _ = mesh().unwrap().kubectl(&[&lease[..], &["--type", "merge", "--patch", &patch]].concat());
    };
    let (answer, took) = thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut renewals = 0..;
            while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                steal(renewals.next().unwrap());
            }
        });
        // Moved here, so that a failed condition stops the thief too.
        let stop = stop;
        let lost = || replicas[0].metric("fairlead_control_leading").ok().filter(|leading| *leading == 0.0);
        wait::until("the ghost to lead", LIMIT, lost).unwrap();
        let begin = Instant::now();
        let answer = replicas[0].grant(&tls, "some", None).unwrap();
        drop(stop);
        (answer, begin.elapsed())
    });
    let refusal = &answer["refused"];
    assert_eq!(
        (refusal["status"].as_u64(), refusal["reason"].as_str()),
        (Some(503), Some("grant_timeout")),
        "{answer}"
    );
    assert!(took > Duration::from_secs(8) && took < Duration::from_millis(12_000), "{took:?}");
    // The ghost gone, it leads again.
    wait::until("the leader again", LIMIT, || {
        replicas[0].grant(&tls, "some", None).ok().filter(|answer| *answer == json!("unknown"))
    })
    .unwrap();
}

#[test]
fn a_plugin_that_moves_to_another_replica_fetches_differences_only() {
    let fleet = Fleet::new(mesh().unwrap(), "moves").unwrap();
    let replicas = fleet.start_together(2).unwrap();
    let tls = fleet.tls(&fleet.gateway().unwrap()).unwrap();
    let application = |name: &str, port: u16| {
        let entry = Entry::api(&format!("http://{OUTSIDE}:{port}")).name("api");
        Application::new(name).service("s", &[entry]).manifest()
    };
    let names: Vec<String> = (0..50).map(|n| format!("moves-{n}")).collect();
    let all: Vec<Value> = names.iter().map(|name| application(name, 80)).collect();
    fleet.apply(&all).unwrap();
    let hashes = |replica: &Replica| -> Option<Vec<(String, String)>> {
        let answer = replica.get(&tls, "/feed/v1/egress/hashes?bytes=1000000").ok()?;
        let pairs = answer["hashes"].as_array()?.iter().filter_map(|pair| {
            let (key, hash) = (pair[0].as_str()?, pair[1].as_str()?);
            key.starts_with("moves-").then(|| (key.to_owned(), hash.to_owned()))
        });
        Some(pairs.collect())
    };
    for replica in &replicas {
        wait::until("all records", LIMIT, || hashes(replica).filter(|all| all.len() == 50)).unwrap();
    }
    let before = hashes(&replicas[0]).unwrap();
    assert_eq!(before, hashes(&replicas[1]).unwrap(), "the same records have the same hashes everywhere");
    // A poll is open at the first when it dies.
    let epoch = replicas[0].poll(&tls, "", 0).unwrap();
    let (epoch, revision) =
        (epoch["epoch"].as_str().unwrap().to_owned(), epoch["revision"].as_u64().unwrap());
    thread::scope(|scope| {
        let path = format!("/feed/v1/egress?epoch={epoch}&revision={revision}&wait=20000");
        let (replica, tls) = (&replicas[0], &tls);
        let poll = scope.spawn(move || replica.call(tls, &Request::new("GET", path)));
        replica.component.kill().unwrap();
        assert!(poll.join().unwrap().is_err());
    });
    fleet.apply(&[application("moves-7", 81)]).unwrap();
    let after =
        wait::until("the change", LIMIT, || hashes(&replicas[1]).filter(|after| *after != before)).unwrap();
    let resync = replicas[1].poll(&tls, &epoch, revision).unwrap();
    assert_eq!(resync["resync"], true, "{resync}");
    let wanted: Vec<&String> = after
        .iter()
        .zip(&before)
        .filter(|(after, before)| after != before)
        .map(|(after, _)| &after.0)
        .collect();
    assert_eq!(wanted.len(), 1, "{wanted:?}");
    let body = json!({ "epoch": resync["epoch"], "keys": wanted }).to_string();
    let request =
        Request::new("POST", "/feed/v1/egress/records").header("content-type", "application/json").body(body);
    let records: Value = replicas[1].call(&tls, &request).unwrap().expect(200).unwrap().json().unwrap();
    assert_eq!(records["records"].as_array().unwrap().len(), 1, "{records}");
    // From there on polls go on as with any replica.
    let revision = resync["revision"].as_u64().unwrap();
    let poll = replicas[1].poll(&tls, resync["epoch"].as_str().unwrap(), revision).unwrap();
    assert!(poll.get("resync").is_none(), "{poll}");
}
