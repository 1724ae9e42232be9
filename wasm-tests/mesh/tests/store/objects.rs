//! What is there, what changes, and what makes no sense.

use std::time::Duration;

use fairlead_mesh::mesh;
use serde_json::json;

use crate::cluster::{
    APPLICATIONS, Counter, Listener, admin, application, config, delete, install, log, namespace, put,
    secret, secrets, with_spec,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_application_comes_with_the_secrets_that_it_names_and_no_others() {
    let log = log();
    let kubeconfig = mesh().unwrap().kubeconfig();
    let client = admin(kubeconfig).await;
    install(&client, true).await;
    namespace(&client, "objects-a").await;
    let there = secrets("objects-a");
    for name in ["used", "parameters", "ca", "other"] {
        put(&client, &there, &secret(name, &format!("canary-{name}"))).await;
    }
    let mut shop = application("objects-shop", &["used", "missing"]);
    shop["spec"]["services"][0]["entries"][0]["requestParametersSecretName"] = json!("parameters");
    shop["spec"]["fairlead"] = json!({"caSecretName": "ca"});
    put(&client, APPLICATIONS, &shop).await;

    let counter = Counter::default();
    let counted = counter.client(config(kubeconfig).await);
    let mut store = Listener::new(counted, &["objects-a", "objects-b", "objects-a"]);
    store.begin().await;
    let names = |store: &Listener| -> Vec<String> {
        store.objects.keys().filter(|name| name.contains("objects-")).cloned().collect()
    };
    let expected = [
        "Application/objects-shop",
        "Secret/objects-a/ca",
        "Secret/objects-a/parameters",
        "Secret/objects-a/used",
    ];
    assert_eq!(names(&store), expected);
    assert_eq!(store.objects["Secret/objects-a/used"], "canary-used");
    let requests = counter.take();
    assert_eq!((requests.lists, requests.gets), (3, 3), "{requests:?}");

    // A change is fetched, a change of what nobody names is not.
    put(&client, &there, &secret("other", "canary-changed")).await;
    put(&client, &there, &secret("used", "canary-again")).await;
    store.wait("the new password", |store| store.objects["Secret/objects-a/used"] == "canary-again").await;
    assert_eq!(counter.take().gets, 1);

    // Named now, it comes in the same batch as the Application that names it.
    put(&client, APPLICATIONS, &application("objects-second", &["other"])).await;
    let batch = loop {
        let batch = store.next(Duration::from_secs(20)).await.unwrap();
        if store.has("Application/objects-second") {
            break batch;
        }
    };
    assert_eq!(batch.events.len(), 2, "{batch:?}");
    assert_eq!(store.objects["Secret/objects-a/other"], "canary-changed");

    // A namespace that comes later, and the same name in it.
    namespace(&client, "objects-b").await;
    put(&client, &secrets("objects-b"), &secret("missing", "canary-b")).await;
    store.wait("the second namespace", |store| store.has("Secret/objects-b/missing")).await;

    // Named no longer, or gone.
    put(&client, APPLICATIONS, &application("objects-second", &[])).await;
    store.wait("the release", |store| !store.has("Secret/objects-a/other")).await;
    delete(&client, &there, "used").await;
    store.wait("the deletion", |store| !store.has("Secret/objects-a/used")).await;
    delete(&client, APPLICATIONS, "objects-shop").await;
    store.wait("the end of it", |store| names(store) == ["Application/objects-second"]).await;
    delete(&client, APPLICATIONS, "objects-second").await;
    store.wait("the end", |store| names(store).is_empty()).await;
    assert!(!log.text().contains("canary"), "a secret in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_makes_no_sense_is_a_problem_of_its_own() {
    log();
    let kubeconfig = mesh().unwrap().kubeconfig();
    let client = admin(kubeconfig).await;
    install(&client, true).await;
    put(&client, APPLICATIONS, &with_spec("nonsense-first", &json!({"services": {"canary": 1}}))).await;
    put(&client, APPLICATIONS, &application("nonsense-good", &["x"])).await;
    let mut store = Listener::new(client.clone(), &["nonsense"]);
    store.begin().await;
    assert!(store.has("Application/nonsense-good") && !store.has("Application/nonsense-first"));
    let told = |store: &Listener, name: &str| -> Vec<String> {
        let of = store.problems.iter().filter(|problem| problem.file == format!("Application/{name}"));
        of.map(|problem| format!("{}: {}", problem.field, problem.reason)).collect()
    };
    let first = told(&store, "nonsense-first");
    assert!(first.len() == 1 && first[0].starts_with("spec.services"), "{:?}", store.problems);
    assert!(!first[0].contains("canary"), "{first:?}");

    // The last good state of one that was good stays.
    put(&client, APPLICATIONS, &with_spec("nonsense-good", &json!({"skipVerify": "perhaps"}))).await;
    store.wait("the problem", |store| !told(store, "nonsense-good").is_empty()).await;
    assert!(store.has("Application/nonsense-good"));
    // Others are not held up.
    put(&client, APPLICATIONS, &application("nonsense-other", &["x"])).await;
    store.wait("the other one", |store| store.has("Application/nonsense-other")).await;
    // And it is over when it makes sense again.
    put(&client, APPLICATIONS, &application("nonsense-good", &["y"])).await;
    store.wait("the end of the problem", |store| told(store, "nonsense-good").is_empty()).await;
    delete(&client, APPLICATIONS, "nonsense-first").await;
    store.wait("the end of problems", |store| told(store, "nonsense-first").is_empty()).await;
    for name in ["nonsense-good", "nonsense-other"] {
        delete(&client, APPLICATIONS, name).await;
    }
}
