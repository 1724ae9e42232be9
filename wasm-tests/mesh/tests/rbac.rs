//! Rights: what the API server grants is, word by word, the table in `istio/docs/operations.md`; each right has a neighbour
//! that is denied; and real calls say the same.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use fairlead_mesh::mesh;
use fairlead_testkit::mesh::Mesh;
use serde_json::{Value, json};

/// Namespace of each account in the table.
const ACCOUNTS: &[(&str, &str)] = &[
    ("fairlead-core", "kyma-system"),
    ("fairlead-egress", "fairlead-egress"),
    ("fairlead-ingress", "fairlead-ingress"),
];
/// Every namespace of the table, and one that is none of our business.
const NAMESPACES: &[&str] = &[
    "kyma-system",
    "kyma-integration",
    "fairlead-egress",
    "fairlead-ingress",
    "istio-system",
    "default",
    "neighbour",
];

/// One verb on one thing. Without a namespace: everywhere; without a name: on all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    namespace: Option<String>,
    group: String,
    /// With its subresource, if it is about one: `applications/status`.
    resource: String,
    name: Option<String>,
    verb: String,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The mesh with the chart installed, once.
fn installed() -> &'static Mesh {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let mesh = mesh().unwrap();
    INSTALLED.get_or_init(|| {
        let chart = repository().join("istio/chart").display().to_string();
        mesh.helm(&["install", "fairlead", &chart, "--namespace", "kyma-system", "--create-namespace"])
            .unwrap();
        for namespace in ["neighbour", "shop"] {
            mesh.namespace(namespace).unwrap();
        }
        mesh.service_account("shop", "nobody").unwrap();
    });
    mesh
}

/// The table: account → rights.
fn documented() -> BTreeMap<String, BTreeSet<Right>> {
    let text = std::fs::read_to_string(repository().join("istio/docs/operations.md")).unwrap();
    let mut rights = BTreeMap::<String, BTreeSet<Right>>::new();
    for line in text.lines().filter(|line| line.starts_with("| `fairlead-")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [account, namespaces, object, verbs, why] = cells.try_into().unwrap_or_else(|cells: Vec<_>| {
            assert_eq!(cells.len(), 3, "neither a row of rights nor of namespaces: {line}");
            [""; 5]
        });
        if account.is_empty() {
            continue;
        }
        assert!(why.len() > 8, "a right without a reason: {line}");
        let bare = |text: &str| text.trim_matches('`').to_owned();
        let object = bare(object);
        let (resource, name) = match object.split_once(": ") {
            Some((resource, name)) => (resource.to_owned(), Some(name.to_owned())),
            None => (object, None),
        };
        let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let resource = format!("{resource}/{subresource}");
        for namespace in namespaces.split(", ").map(bare) {
            for verb in verbs.split(", ") {
                rights.entry(bare(account)).or_default().insert(Right {
                    namespace: (namespace != "every").then(|| namespace.clone()),
                    group: group.to_owned(),
                    resource: resource.trim_end_matches('/').to_owned(),
                    name: name.clone(),
                    verb: verb.to_owned(),
                });
            }
        }
    }
    rights
}

/// What the API server says that `account` may do in a namespace, as the account itself.
fn granted(mesh: &Mesh, kubeconfig: &Path, namespace: &str) -> BTreeSet<Right> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": { "namespace": namespace },
    });
    let name = format!("review-{}-{namespace}.json", kubeconfig.file_stem().unwrap().to_string_lossy());
    let file = mesh.directory().join(name);
    std::fs::write(&file, review.to_string()).unwrap();
    let file = file.display().to_string();
    let answer = mesh
        .kubectl_as(kubeconfig, &["create", "--validate=false", "--output", "json", "--filename", &file])
        .unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_ne!(answer["status"]["incomplete"], true, "{answer}");
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in answer["status"]["resourceRules"].as_array().unwrap() {
        let mut names: Vec<_> = texts(&rule["resourceNames"]).into_iter().map(Some).collect();
        if names.is_empty() {
            names.push(None);
        }
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for name in &names {
                    for verb in texts(&rule["verbs"]) {
                        rights.insert(Right {
                            namespace: None,
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                            verb,
                        });
                    }
                }
            }
        }
    }
    rights
}

#[test]
fn rbac_grants_exactly_what_is_documented() {
    let mesh = installed();
    let documented = documented();
    assert_eq!(documented.len(), ACCOUNTS.len());
    let nobody = mesh.service_account_kubeconfig("shop", "nobody").unwrap();
    for (account, home) in ACCOUNTS {
        let kubeconfig = mesh.service_account_kubeconfig(home, account).unwrap();
        for namespace in NAMESPACES {
            // Everybody may ask what he may; that is not ours.
            let common = granted(mesh, &nobody, namespace);
            let is: BTreeSet<_> =
                granted(mesh, &kubeconfig, namespace).difference(&common).cloned().collect();
            let said: BTreeSet<_> = documented[*account]
                .iter()
                .filter(|right| right.namespace.as_deref().is_none_or(|there| there == *namespace))
                .map(|right| Right { namespace: None, ..right.clone() })
                .collect();
            let surplus: Vec<_> = is.difference(&said).collect();
            let lacking: Vec<_> = said.difference(&is).collect();
            assert!(
                surplus.is_empty() && lacking.is_empty(),
                "{account} in {namespace}: granted and not documented {surplus:#?}, the other way round {lacking:#?}"
            );
        }
    }
}

/// The nearest thing that `right` does not give: the same in a foreign namespace, with another name, of another kind.
fn neighbours(right: &Right, all: &BTreeSet<Right>) -> Vec<Right> {
    let mut near = Vec::new();
    if right.namespace.is_some() {
        near.push(Right { namespace: Some("neighbour".to_owned()), ..right.clone() });
    } else {
        near.push(Right {
            resource: right.resource.replace("applications", "tokenrequests"),
            ..right.clone()
        });
    }
    if right.name.is_some() {
        near.push(Right { name: Some("another".to_owned()), ..right.clone() });
    }
    for verb in ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"] {
        near.push(Right { verb: verb.to_owned(), ..right.clone() });
    }
    let given = |right: &Right| all.contains(right) || all.contains(&Right { name: None, ..right.clone() });
    near.retain(|right| !given(right));
    near
}

#[test]
fn rbac_denies_the_neighbour_of_each_right() {
    let mesh = installed();
    let mut asked = Vec::new();
    for (account, rights) in documented() {
        let home = ACCOUNTS.iter().find(|(name, _)| *name == account).unwrap().1;
        let mut cases: BTreeMap<Right, bool> = rights.iter().map(|right| (right.clone(), true)).collect();
        for right in &rights {
            let near = neighbours(right, &rights);
            assert!(!near.is_empty(), "{right:?} has no neighbour that is denied");
            cases.extend(near.into_iter().map(|right| (right, false)));
        }
        asked.extend(cases.into_iter().map(|(right, allowed)| (format!("{home}:{account}"), right, allowed)));
    }
    let reviews: Vec<Value> = asked
        .iter()
        .map(|(account, right, _)| {
            let (resource, subresource) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
            let attributes = json!({
                "namespace": right.namespace, "group": right.group, "resource": resource,
                "subresource": subresource, "name": right.name, "verb": right.verb,
            });
            let user = format!("system:serviceaccount:{account}");
            let spec =
                json!({ "user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes });
            json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec })
        })
        .collect();
    let file = mesh.directory().join("reviews.json");
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": reviews });
    std::fs::write(&file, list.to_string()).unwrap();
    let file = file.display().to_string();
    let answers = mesh
        .kubectl(&["create", "--output", "jsonpath={.status.allowed}{'\\n'}", "--filename", &file])
        .unwrap();
    let answers: Vec<bool> = answers.lines().map(|line| line == "true").collect();
    assert_eq!(answers.len(), asked.len());
    let wrong: Vec<_> = asked.iter().zip(answers).filter(|((_, _, want), is)| want != is).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let denied = asked.iter().filter(|(_, _, allowed)| !allowed).count();
    assert!(denied > 100 && denied < asked.len(), "{denied} of {}", asked.len());
}

#[test]
fn rbac_holds_in_real_calls() {
    let mesh = installed();
    mesh.apply(&[
        json!({
            "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
            "metadata": { "name": "rights" }, "spec": { "description": "d", "services": [] },
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "namespace": "shop", "name": "theirs" },
            "stringData": { "password": "p" },
        }),
    ])
    .unwrap();
    let core = mesh.service_account_kubeconfig("kyma-system", "fairlead-core").unwrap();
    let egress = mesh.service_account_kubeconfig("fairlead-egress", "fairlead-egress").unwrap();
    let allowed = |who: &Path, call: &str| {
        let arguments: Vec<&str> = call.split(' ').collect();
        mesh.kubectl_as(who, &arguments).unwrap_or_else(|error| panic!("{call}: {error}"));
    };
    let denied = |who: &Path, call: &str| {
        let arguments: Vec<&str> = call.split(' ').collect();
        let error = mesh.kubectl_as(who, &arguments).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("orbidden")), "{call}: {error:?}");
    };
    allowed(&core, "get applications rights");
    denied(&core, "label applications rights mine=yes");
    denied(&core, "delete applications rights");
    let status = mesh.directory().join("status.json");
    let found = json!({
        "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
        "metadata": { "name": "rights" }, "status": { "observedGeneration": 1 },
    });
    std::fs::write(&status, found.to_string()).unwrap();
    let apply = format!("apply --server-side --validate=false --filename {}", status.display());
    allowed(&core, &format!("{apply} --subresource status"));
    denied(&core, &apply);
    denied(&core, "patch applications rights --type merge -p {\"spec\":{\"description\":\"other\"}}");
    allowed(&core, "get secrets -n kyma-integration");
    denied(&core, "get secrets -n shop");
    denied(&core, "get secrets --all-namespaces");
    allowed(&core, "create secret generic fairlead-ca -n kyma-system");
    denied(&core, "delete secret fairlead-ca -n kyma-system");
    mesh.kubectl(&["delete", "secret", "fairlead-ca", "-n", "kyma-system"]).unwrap();
    denied(&core, "create secret generic mine -n kyma-integration");
    mesh.kubectl(&["create", "secret", "generic", "credentials", "-n", "kyma-system"]).unwrap();
    allowed(&core, "get secret credentials -n kyma-system");
    denied(&core, "delete secret credentials -n kyma-system");
    denied(&core, "get secrets -n istio-system");
    denied(&core, "get pods -n kyma-system");
    denied(&core, "create serviceaccount more -n kyma-system");
    allowed(&egress, "get secrets -n fairlead-egress");
    denied(&egress, "get secrets -n fairlead-ingress");
    denied(&egress, "get secrets -n kyma-system");
    denied(&egress, "get configmaps -n fairlead-egress");
    denied(&egress, "get applications");
}
