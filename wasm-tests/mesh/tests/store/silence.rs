//! A way to the API server that loses everything without a word, as a firewall that forgot a connection, or a node that
//! died: watches are silent then, as good ones are.

use std::time::{Duration, Instant};

use fairlead_mesh::mesh;

use crate::{
    cluster::{
        APPLICATIONS, Counter, Listener, admin, application, install, namespace, put, secret, secrets,
    },
    way::{State, Way},
};

/// Until a connection is found dead, and what happened meanwhile is there.
const NOTICED: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_nobody_answers_on_is_given_up_within_half_a_minute() {
    let mesh = mesh().unwrap();
    let client = admin(mesh.kubeconfig()).await;
    install(&client, false).await;
    namespace(&client, "silence").await;
    put(&client, &secrets("silence"), &secret("silent", "before")).await;
    put(&client, APPLICATIONS, &application("silent", &["silent"])).await;
    let way = Way::to(mesh).await;
    let counter = Counter::default();
    let mut store = Listener::new(counter.client(way.config(mesh.kubeconfig()).await), &["silence"]);
    store.begin().await;
    assert_eq!(store.objects["Secret/silence/silent"], "before");
    counter.take();

    way.is(State::Silent);
    put(&client, &secrets("silence"), &secret("silent", "meanwhile")).await;
    let begun = Instant::now();
    store
        .wait("what happened meanwhile", |store| store.objects["Secret/silence/silent"] == "meanwhile")
        .await;
    let took = begun.elapsed();
    let requests = counter.take();
    println!(
        "a silent connection was given up, and what happened meanwhile read, after {took:.1?}, {requests:?}"
    );
    assert!(took < NOTICED, "{took:?}");
    assert_eq!(requests.lists, 0, "watches go on where they were: {requests:?}");
}
