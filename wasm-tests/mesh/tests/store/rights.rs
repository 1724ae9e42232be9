//! What the store says and does when it may not do something.

use std::time::Duration;

use fairlead_mesh::mesh;
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::cluster::{
    APPLICATIONS, Listener, admin, application, call, config, delete, install, log, namespace, put, secret,
    secrets, until,
};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const USER: &str = "store-of-the-test";

/// The same client in another's name.
fn in_the_name_of(mut config: Config, user: &str) -> Client {
    config.auth_info.impersonate = Some(user.to_owned());
    Client::try_from(config).unwrap()
}

/// Exactly the rights that the store's documentation asks for.
async fn allow_applications(client: &Client) {
    let rule = json!({
        "apiGroups": ["applicationconnector.kyma-project.io"], "resources": ["applications"], "verbs": ["list", "watch"],
    });
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": USER}, "rules": [rule],
    });
    put(client, &format!("{RBAC}/clusterroles"), &role).await;
    put(client, &format!("{RBAC}/clusterrolebindings"), &binding("ClusterRoleBinding", "ClusterRole")).await;
}

async fn allow_secrets(client: &Client, namespace: &str) {
    let rule = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": USER}, "rules": [rule],
    });
    put(client, &format!("{RBAC}/namespaces/{namespace}/roles"), &role).await;
    put(client, &format!("{RBAC}/namespaces/{namespace}/rolebindings"), &binding("RoleBinding", "Role"))
        .await;
}

fn binding(kind: &str, role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": USER},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": USER}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_said_in_a_sentence_and_asked_for_again() {
    let log = log();
    let kubeconfig = mesh().unwrap().kubeconfig();
    let client = admin(kubeconfig).await;
    install(&client, true).await;
    for name in ["rights-a", "rights-b"] {
        namespace(&client, name).await;
    }
    put(&client, &secrets("rights-a"), &secret("rights-key", "canary-one")).await;
    put(&client, APPLICATIONS, &application("rights-shop", &["rights-key"])).await;

    let mut store = Listener::new(in_the_name_of(config(kubeconfig).await, USER), &["rights-a", "rights-b"]);
    // What others serve must not be refused because we may not look: nothing begins before everything was seen once.
    until("the sentences", async || {
        assert!(store.next(Duration::from_millis(20)).await.is_none_or(|batch| batch.more));
        let log = log.text();
        let said = [
            "we may not list applications.applicationconnector.kyma-project.io: bind a ClusterRole with list and watch",
            "we may not list secrets in namespace rights-a: bind a Role there with get, list and watch on secrets",
            "we may not list secrets in namespace rights-b: bind a Role there",
        ];
        said.iter().all(|said| log.contains(said)).then_some(())
    })
    .await;
    allow_applications(&client).await;
    allow_secrets(&client, "rights-a").await;
    allow_secrets(&client, "rights-b").await;
    store.begin().await;
    assert_eq!(store.objects["Secret/rights-a/rights-key"], "canary-one");
    assert_eq!(store.problems, [], "all of it is over");

    // A watch that is open goes on; what is fetched anew is denied, and what was known stays.
    delete(&client, &format!("{RBAC}/namespaces/rights-a/rolebindings"), USER).await;
    let denied = in_the_name_of(config(kubeconfig).await, USER);
    let one = format!("{}/rights-key", secrets("rights-a"));
    until("the denial", async || (call(&denied, "GET", &one, &Value::Null).await == Err(403)).then_some(()))
        .await;
    put(&client, &secrets("rights-a"), &secret("rights-key", "canary-two")).await;
    store.wait("the problem", |store| !store.problems.is_empty()).await;
    assert_eq!(store.problems[0].file, "secrets in namespace rights-a");
    let reason = &store.problems[0].reason;
    assert!(
        reason.starts_with("we may not get secrets in namespace rights-a: bind a Role there"),
        "{reason}"
    );
    assert_eq!(store.objects["Secret/rights-a/rights-key"], "canary-one");
    // Others go on.
    put(&client, &secrets("rights-b"), &secret("rights-key", "canary-three")).await;
    store.wait("the other namespace", |store| store.has("Secret/rights-b/rights-key")).await;

    allow_secrets(&client, "rights-a").await;
    store.wait("the new password", |store| store.objects["Secret/rights-a/rights-key"] == "canary-two").await;
    store.wait("the end of it", |store| store.problems.is_empty()).await;
    delete(&client, APPLICATIONS, "rights-shop").await;
    assert!(!log.text().contains("canary"), "a secret in the log");
}
