//! Many Applications and Secrets in a real API server: how soon the control plane has them, in how much memory, how soon a
//! change is in the feed and its status is there, while all others' statuses are written too. A small size in every run; the full one (10 000 × 3) with `FAIRLEAD_FULL=1`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "store/cluster.rs"]
mod cluster;
mod replicas_fleet;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cluster::{APPLICATIONS, Counter, Listener, admin, application, call, config, secret, secrets};
use fairlead_mesh::mesh;
use fairlead_testkit::{http::Tls, wait};
use kube::Client;
use replicas_fleet::{Fleet, Replica};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

/// Where the Secrets are.
const NAMESPACE: &str = "kyma-system";
/// Secrets, and entries, of an Application.
const EACH: usize = 3;
/// Until the control plane has everything.
const SYNC: Duration = Duration::from_secs(300);
/// Until the status of one change is there, while others wait.
const STATUS: Duration = Duration::from_secs(5);
const MIB: u64 = 1024 * 1024;

struct Size {
    applications: usize,
    /// Changes whose way is measured, each of a Secret and of an Application.
    changes: usize,
    /// Most memory of the control plane, bytes: with nothing to do, and with all of it.
    idle: u64,
    memory: u64,
    /// Most time that a change takes from the API server's answer to the feed.
    propagation: Duration,
    /// At most so many statuses are written in a second.
    statuses: u32,
}

impl Size {
    fn wanted() -> Self {
        if std::env::var_os("FAIRLEAD_FULL").is_some() {
            let propagation = Duration::from_millis(100);
            let (idle, memory) = (40 * MIB, 120 * MIB);
            Self { applications: 10_000, changes: 200, idle, memory, propagation, statuses: 100 }
        } else {
            // An unoptimised build, whose code alone is large, on a machine that does other things meanwhile: this
            // only finds what is absurd.
            let propagation = Duration::from_secs(2);
            let (idle, memory) = (64 * MIB, 80 * MIB);
            Self { applications: 500, changes: 40, idle, memory, propagation, statuses: 40 }
        }
    }
}

fn name(at: usize) -> String {
    format!("application-{at:05}")
}

fn secret_name(at: usize, entry: usize) -> String {
    format!("credential-{at:05}-{entry}")
}

fn manifest(at: usize) -> Value {
    let secrets: Vec<String> = (0..EACH).map(|entry| secret_name(at, entry)).collect();
    let mut manifest = application(&name(at), &secrets.iter().map(String::as_str).collect::<Vec<_>>());
    manifest["metadata"]["annotations"] = json!({"note": "x".repeat(500)});
    manifest["spec"]["description"] =
        json!("An external system, and what people want to know of it. ".repeat(4));
    manifest
}

/// Creates everything, some at a time.
async fn fill(client: &Client, applications: usize) {
    let room = Arc::new(Semaphore::new(32));
    let mut tasks = JoinSet::new();
    for at in 0..applications {
        for entry in 0..=EACH {
            let place = Arc::clone(&room).acquire_owned().await.unwrap();
            let client = client.clone();
            tasks.spawn(async move {
                let (path, object) = match entry {
                    EACH => (APPLICATIONS.to_owned(), manifest(at)),
                    _ => (
                        secrets(NAMESPACE),
                        secret(&secret_name(at, entry), &format!("password-{at}-{entry}")),
                    ),
                };
                let done = call(&client, "POST", &path, &object).await;
                assert!(matches!(done, Ok(_) | Err(409)), "{path}: {done:?}");
                drop(place);
            });
        }
        while tasks.try_join_next().is_some_and(|done| done.is_ok()) {}
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// Median and 99th percentile.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    (at(50), at(99))
}

fn memory(replica: &Replica) -> u64 {
    replica.component.memory().unwrap()
}

/// Resident memory, and how much of it is not a file's: the program itself is one.
fn told(replica: &Replica) -> String {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", replica.component.id().unwrap())).unwrap();
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let anonymous: u64 = anonymous.trim_end_matches("kB").trim().parse().unwrap();
    format!("{} MiB, {} MiB of it its own", memory(replica) / MIB, anonymous / 1024)
}

/// An Application whose status is not written yet is changed: how long until its status says so, while the others wait.
#[allow(clippy::print_stdout, reason = "figures are what it is for")]
fn status_of_a_change(
    runtime: &tokio::runtime::Runtime,
    client: &Client,
    replica: &Replica,
    applications: usize,
) -> Duration {
    let path = |at: usize| format!("{APPLICATIONS}/{}", name(at));
    let read = |at: usize| runtime.block_on(call(client, "GET", &path(at), &Value::Null)).unwrap();
    let at = (0..applications).rev().find(|at| read(*at)["status"].is_null()).expect("one without a status");
    let patch = json!({"spec": {"description": "changed"}});
    let changed = runtime.block_on(call(client, "PATCH", &path(at), &patch)).unwrap();
    let begun = Instant::now();
    wait::until("the status of a change", SYNC, || {
        (read(at)["status"]["observedGeneration"] == changed["metadata"]["generation"]).then_some(())
    })
    .unwrap();
    let took = begun.elapsed();
    let waiting = replica.metric("fairlead_control_statuses_waiting").unwrap();
    println!("a change has its status after {took:.1?}, while {waiting} others wait for theirs");
    assert!(waiting > 0.0, "all statuses were there already: this shows nothing");
    took
}

/// How long each change takes from the API server's answer until the feed has it.
fn propagation(
    runtime: &tokio::runtime::Runtime,
    client: &Client,
    replica: &Replica,
    tls: &Tls,
    changes: usize,
    change: impl Fn(usize) -> (String, Value),
) -> Vec<Duration> {
    let first = replica.poll(tls, "", 0).unwrap();
    let (epoch, mut revision) =
        (first["epoch"].as_str().unwrap().to_owned(), first["revision"].as_u64().unwrap());
    (0..changes)
        .map(|at| {
            let (path, patch) = change(at);
            runtime.block_on(call(client, "PATCH", &path, &patch)).unwrap();
            let begun = Instant::now();
            let path = format!("/feed/v1/egress?epoch={epoch}&revision={revision}&wait=20000");
            let poll = replica.get(tls, &path).unwrap();
            let time = begun.elapsed();
            assert!(!poll["changed"].as_array().unwrap().is_empty(), "{poll}");
            revision = poll["revision"].as_u64().unwrap();
            time
        })
        .collect()
}

#[test]
fn a_large_installation_is_read_fast_in_little_memory_and_followed_at_once() {
    let size = Size::wanted();
    let mesh = mesh().unwrap();
    let mut fleet = Fleet::new(mesh, "scale").unwrap();
    fleet.statuses = json!({ "perSecond": size.statuses });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().unwrap();
    let client = runtime.block_on(admin(mesh.kubeconfig()));

    let idle = fleet.start().unwrap();
    let idle_memory = memory(&idle);
    println!("control plane without Applications: {}", told(&idle));
    drop(idle);

    let begun = Instant::now();
    runtime.block_on(fill(&client, size.applications));
    println!(
        "{} Applications and {} Secrets created in {:.1?}",
        size.applications,
        size.applications * EACH,
        begun.elapsed()
    );

    // The store alone: how long, and by how many requests.
    let counter = Counter::default();
    let mut store = runtime
        .block_on(async { Listener::new(counter.client(config(mesh.kubeconfig()).await), &[NAMESPACE]) });
    let begun = Instant::now();
    runtime.block_on(store.begin());
    println!("the store alone has all of it after {:.1?}, {:?}", begun.elapsed(), counter.take());
    assert_eq!(store.said, size.applications * (EACH + 1));
    drop(store);

    let begun = Instant::now();
    let replica = fleet.start_unready(&replicas_fleet::module_file().unwrap()).unwrap();
    let health = replica.port(8081);
    wait::attempt("the control plane to serve", SYNC, || {
        fairlead_testkit::http::get(health, "/v1/health")?.expect(200).map(drop)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", replica.log()));
    println!("a control plane serves after {:.1?} in {}", begun.elapsed(), told(&replica));
    let served = Instant::now();
    let status = status_of_a_change(&runtime, &client, &replica, size.applications);
    let tls = fleet.tls(&fleet.gateway().unwrap()).unwrap();
    let one = size.applications / 2;

    // One first, so that connections are there.
    let password = |at: usize, password: String| {
        let path = format!("{}/{}", secrets(NAMESPACE), secret_name(at, 1));
        (path, json!({"stringData": {"password": password}}))
    };
    propagation(&runtime, &client, &replica, &tls, 1, |_| password(one, "first".to_owned()));
    let of_secrets = propagation(&runtime, &client, &replica, &tls, size.changes, |at| {
        password(at * size.applications / size.changes, format!("changed-{at}"))
    });
    let of_applications = propagation(&runtime, &client, &replica, &tls, size.changes, |at| {
        let at = at * size.applications / size.changes;
        (format!("{APPLICATIONS}/{}", name(at)), json!({"spec": {"encodeUrl": false}}))
    });
    let (p50, p99) = percentiles(of_secrets);
    println!("a changed Secret is in the feed after p50 {p50:.1?}, p99 {p99:.1?}");
    let (p50_application, p99_application) = percentiles(of_applications);
    println!(
        "a changed Application is in the feed after p50 {p50_application:.1?}, p99 {p99_application:.1?}"
    );
    wait::until("all statuses", SYNC, || {
        (replica.metric("fairlead_control_statuses_waiting").unwrap() == 0.0).then_some(())
    })
    .unwrap();
    let statuses = served.elapsed();
    println!("all statuses are written {statuses:.1?} after the control plane served");
    let after = memory(&replica);
    println!("control plane after {} changes: {}", size.changes * 2, told(&replica));
    for (name, bytes) in mesh.memory().unwrap() {
        println!("{name}: {} MiB", bytes / MIB);
    }
    assert!(status <= STATUS, "{status:?}");
    let least = Duration::from_secs(size.applications as u64 / u64::from(size.statuses));
    assert!(statuses >= least.mul_f64(0.9), "faster than the limit: {statuses:?}");
    assert!(idle_memory <= size.idle, "idle: {} MiB", idle_memory / MIB);
    assert!(after <= size.memory, "{} MiB", after / MIB);
    assert!(p99 <= size.propagation && p99_application <= size.propagation, "{p99:?}, {p99_application:?}");
}
