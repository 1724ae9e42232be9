//! The Kubernetes store while the API server is away, comes back, and has forgotten what we knew.

use std::time::Duration;

use crate::cluster::{
    APPLICATIONS, Counter, Listener, admin, application, config, delete, install, log, namespace, put,
    secret, secrets, until,
};
use crate::way::{State, Way};
use fairlead_mesh::mesh;

#[tokio::test(flavor = "multi_thread")]
async fn what_vanished_while_the_api_server_was_away_is_gone_and_nothing_is_asked_for_twice() {
    let _alone = crate::ALONE.lock().await;
    let log = log();
    let mesh = mesh().unwrap();
    let client = admin(mesh.kubeconfig()).await;
    install(&client, false).await;
    namespace(&client, "away").await;
    let there = secrets("away");
    for number in 0..20 {
        let key = format!("key-{number}");
        put(&client, &there, &secret(&key, &format!("canary-{number}"))).await;
        put(&client, APPLICATIONS, &application(&format!("away-{number}"), &[&key])).await;
    }
    let way = Way::to(mesh).await;
    let counter = Counter::default();
    let client_of_ours = counter.client(way.config(mesh.kubeconfig()).await);
    let mut store = Listener::new(client_of_ours, &["away", "away-too"]);
    store.begin().await;
    assert_eq!((store.objects.len(), store.said), (40, 40));
    counter.take();

    // A short loss: the watch goes on where it was.
    way.is(State::Cut);
    put(&client, &there, &secret("key-0", "canary-changed")).await;
    delete(&client, APPLICATIONS, "away-1").await;
    way.is(State::Open);
    store
        .wait("what happened meanwhile", |store| {
            store.objects["Secret/away/key-0"] == "canary-changed" && !store.has("Application/away-1")
        })
        .await;
    let requests = counter.take();
    assert_eq!(requests.lists, 0, "{requests:?}");
    assert!(requests.gets <= 3 && requests.watches <= 12, "{requests:?}");

    // A long one: what is known stays, and the tries become rare.
    way.is(State::Cut);
    store.wait("the problem", |store| store.problems.len() >= 3).await;
    assert!(
        store.problems.iter().all(|problem| problem.reason.contains("cannot be reached")),
        "{:?}",
        store.problems
    );
    assert_eq!(store.objects.len(), 38);
    put(&client, &there, &secret("key-2", "canary-later")).await;
    delete(&client, &there, "key-3").await;
    delete(&client, APPLICATIONS, "away-4").await;
    put(&client, APPLICATIONS, &application("away-new", &["key-1"])).await;
    // Another server, which remembers nothing of what was before: it answers 410.
    mesh.api_server().kill().unwrap();
    mesh.api_server().start_again().unwrap();
    let away = counter.take();
    assert!(away.watches <= 60 && away.lists == 0 && away.gets == 0, "{away:?}");
    way.is(State::Open);
    store
        .wait("what happened meanwhile", |store| {
            store.objects["Secret/away/key-2"] == "canary-later"
                && !store.has("Secret/away/key-3")
                && !store.has("Application/away-4")
                && store.has("Application/away-new")
                && store.has("Secret/away/key-1")
                && store.problems.is_empty()
        })
        .await;
    let back = counter.take();
    println!("requests: while it was away {away:?}, after it was back {back:?}");
    assert!(back.gets <= 2, "only what changed is fetched: {back:?}");
    assert!(back.lists <= 9 && back.watches <= 30, "{back:?}");
    assert!(!store.has("Secret/away/key-4"), "nobody names it any longer");

    // And it still follows.
    put(&client, &there, &secret("key-5", "canary-last")).await;
    store.wait("a change", |store| store.objects["Secret/away/key-5"] == "canary-last").await;
    assert!(!log.text().contains("canary"), "a secret in the log");
}

/// The store in the name of a service account whose token expires and is replaced in its file. Half a minute and more:
/// the client reads the file once a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_replaced_is_used() {
    if std::env::var_os("FAIRLEAD_FULL").is_none() {
        println!("skipped: it takes a minute (FAIRLEAD_FULL=1)");
        return;
    }
    let _alone = crate::ALONE.lock().await;
    let log = log();
    let mesh = mesh().unwrap();
    let client = admin(mesh.kubeconfig()).await;
    install(&client, false).await;
    namespace(&client, "token").await;
    mesh.service_account("token", "reader").unwrap();
    mesh.kubectl(&[
        "create",
        "clusterrolebinding",
        "token-reader",
        "--clusterrole=cluster-admin",
        "--serviceaccount=token:reader",
    ])
    .unwrap();
    let file = mesh.directory().join("token");
    std::fs::write(&file, "header.expired.signature").unwrap();
    let mut config = config(mesh.kubeconfig()).await;
    config.auth_info =
        kube::config::AuthInfo { token_file: Some(file.display().to_string()), ..Default::default() };
    let mut store = Listener::new(kube::Client::try_from(config).unwrap(), &["token"]);
    until("the sentence", async || {
        assert!(store.next(Duration::from_millis(20)).await.is_none_or(|batch| batch.more));
        log.text().contains("does not believe who we are").then_some(())
    })
    .await;
    std::fs::write(&file, mesh.token("token", "reader", None).unwrap()).unwrap();
    store.begin().await;
}
