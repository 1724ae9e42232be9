//! The definitions in `istio/crds`, given to a real API server, and resources as Kyma's users and tools write them.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use fairlead_mesh::mesh;
use fairlead_testkit::{Error, mesh::Mesh, wait};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn sample(name: &str) -> String {
    repository(&format!("wasm-tests/mesh/tests/kyma/{name}.yaml")).display().to_string()
}

/// A mesh with the definitions.
fn defined() -> &'static Mesh {
    static DEFINED: OnceLock<()> = OnceLock::new();
    let mesh = mesh().unwrap();
    DEFINED.get_or_init(|| {
        mesh.kubectl(&["apply", "--filename", &repository("istio/crds").display().to_string()]).unwrap();
        wait::attempt("the definitions", LIMIT, || {
            mesh.kubectl(&["wait", "--for=condition=Established", "--all", "crd", "--timeout=10s"])
        })
        .unwrap();
        // Established is not yet served.
        wait::attempt("Applications", LIMIT, || mesh.kubectl(&["get", "app"])).unwrap();
    });
    mesh
}

fn application(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
        "metadata": { "name": name }, "spec": spec,
    })
}

fn service(entry: &Value) -> Value {
    json!({ "services": [{
        "id": "i", "name": "n", "displayName": "d", "providerDisplayName": "p", "description": "x", "entries": [entry],
    }] })
}

/// Applies what only the API server checks, not `kubectl`.
fn apply_unchecked(mesh: &Mesh, file: &str, manifest: &Value) -> Result<String, Error> {
    let file = mesh.directory().join(format!("{file}.json"));
    std::fs::write(&file, manifest.to_string()).unwrap();
    mesh.kubectl(&["apply", "--validate=ignore", "--filename", &file.display().to_string()])
}

fn get(mesh: &Mesh, name: &str) -> Value {
    mesh.kubectl_json(&["get", "app", name]).unwrap()
}

#[test]
fn the_api_server_takes_them_as_structural() {
    let list = defined().kubectl_json(&["get", "crd"]).unwrap();
    let ours: Vec<&Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|crd| crd["spec"]["group"] == "applicationconnector.kyma-project.io")
        .collect();
    assert_eq!(ours.len(), 4);
    for crd in ours {
        let conditions = crd["status"]["conditions"].as_array().unwrap();
        let bad = conditions.iter().find(|c| c["type"] == "NonStructuralSchema" || c["status"] != "True");
        assert_eq!(bad, None, "{}", crd["metadata"]["name"]);
        assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
}

#[test]
fn kymas_resources_apply_unchanged_and_come_back() {
    let mesh = defined();
    for file in ["minimal", "everything", "runtime_agent", "others"] {
        let written = mesh.kubectl(&["apply", "--filename", &sample(file)]).unwrap();
        assert!(written.lines().all(|line| line.ends_with("created")), "{written}");
        let local = ["create", "--dry-run=client", "--validate=false", "--filename", &sample(file)];
        let text = mesh.kubectl(&[&local[..], &["--output", "json"]].concat()).unwrap();
        // Several documents come one after the other.
        for manifest in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            let mut manifest = manifest.unwrap();
            let kind = manifest["kind"].as_str().unwrap().to_owned();
            let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
            let stored = mesh.kubectl_json(&["get", &kind, &name, "--namespace", "default"]).unwrap();
            if kind == "Application" && manifest["spec"]["encodeUrl"].is_null() {
                manifest["spec"]["encodeUrl"] = json!(true);
            }
            for field in ["spec", "context"] {
                assert_eq!(stored[field], manifest[field], "{kind} {name}");
            }
        }
        let again = mesh.kubectl(&["apply", "--filename", &sample(file)]).unwrap();
        assert!(again.lines().all(|line| line.ends_with("unchanged")), "{again}");
    }
}

#[test]
fn what_kyma_does_not_know_is_pruned() {
    let mesh = defined();
    let mut spec = service(&json!({ "type": "API", "surprise": { "a": 1 } }));
    spec["surprise"] = json!("x");
    spec["fairlead"] = json!({ "surprise": 1, "timeouts": { "headers": "1m30s" } });
    apply_unchecked(mesh, "pruned", &application("pruned", &spec)).unwrap();
    let stored = get(mesh, "pruned");
    assert!(!stored["spec"].to_string().contains("surprise"), "{stored}");
    assert_eq!(stored["spec"]["fairlead"]["timeouts"]["headers"], "1m30s");
    assert_eq!(stored["spec"]["encodeUrl"], true);
}

#[test]
fn what_kymas_definition_demands_is_demanded() {
    let mesh = defined();
    let long = "a".repeat(64);
    for (spec, words) in [
        (json!({ "services": [{ "id": "i" }] }), "displayName: Required value"),
        (service(&json!({})), "type: Required value"),
        (service(&json!({ "type": "Rpc" })), "Unsupported value"),
        (service(&json!({ "type": "API", "credentials": { "type": "Basic" } })), "secretName: Required"),
        (service(&json!({ "type": "API", "accessLabel": "-a" })), "should match"),
        (json!({ "accessLabel": long }), "Too long"),
        (json!({ "compassMetadata": {} }), "authentication: Required"),
        (json!({ "skipVerify": "yes" }), "boolean"),
        (json!({ "fairlead": { "sink": {} } }), "exactly one"),
        (json!({ "fairlead": { "sink": { "nats": "a", "publisher": "http://b" } } }), "exactly one"),
        (json!({ "fairlead": { "proxy": "nowhere" } }), "none or http://"),
        (json!({ "fairlead": { "timeouts": { "headers": "10" } } }), "should match"),
    ] {
        let error = apply_unchecked(mesh, "refused", &application("refused", &spec)).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

/// Decision 2: upstream accepted this, and served the rest of such an Application.
#[test]
fn what_makes_no_sense_is_accepted_as_by_kyma() {
    let mesh = defined();
    let twin = |id: &str| {
        json!({
            "id": id, "name": "n", "displayName": "Twin", "providerDisplayName": "", "description": "",
            "entries": [
                { "type": "API", "targetUrl": "not a URL", "credentials": { "type": "Word", "secretName": "" } },
                { "type": "API" },
            ],
        })
    };
    let spec = json!({ "labels": null, "tags": null, "services": [twin("1"), twin("1")] });
    mesh.apply(&[application("senseless", &spec)]).unwrap();
    assert_eq!(get(mesh, "senseless")["spec"]["services"].as_array().unwrap().len(), 2);
    let bare = json!({
        "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
        "metadata": { "name": "without-spec" },
    });
    mesh.apply(&[bare]).unwrap();
}

/// The registry and Kyma's operator write the whole object, status included: they still can, and the status stays as
/// it is.
#[test]
fn a_tool_that_writes_the_whole_object_still_works() {
    let mesh = defined();
    mesh.apply(&[application("whole", &json!({ "description": "one" }))]).unwrap();
    let mut object = get(mesh, "whole");
    object["spec"]["description"] = json!("two");
    object["status"] = json!({ "installationStatus": { "status": "theirs" } });
    let file = mesh.directory().join("whole.json");
    std::fs::write(&file, object.to_string()).unwrap();
    mesh.kubectl(&["replace", "--filename", &file.display().to_string()]).unwrap();
    let stored = get(mesh, "whole");
    assert_eq!((&stored["spec"]["description"], &stored["status"]), (&json!("two"), &Value::Null));
    let patch = r#"{"status":{"installationStatus":{"status":"deployed","description":"Install complete"}}}"#;
    mesh.kubectl(&["patch", "app", "whole", "--subresource=status", "--type=merge", "--patch", patch])
        .unwrap();
    assert_eq!(get(mesh, "whole")["status"]["installationStatus"]["status"], "deployed");
}

#[test]
fn people_see_columns_and_short_names() {
    let mesh = defined();
    mesh.apply(&[application("columns", &json!({}))]).unwrap();
    let head = |arguments: &[&str]| {
        let text = mesh.kubectl(arguments).unwrap();
        let words = text.lines().next().unwrap_or_default().split_whitespace();
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(head(&["get", "app", "columns"]), ["NAME", "READY", "SERVICES", "AGE"]);
    let wide = head(&["get", "app", "columns", "--output", "wide"]);
    assert_eq!(wide, ["NAME", "READY", "SERVICES", "AGE", "REASON", "MESSAGE"]);
    for short in ["am", "ea", "tokenrequests"] {
        mesh.kubectl(&["get", short, "--all-namespaces"]).unwrap();
    }
    let explained = mesh.kubectl(&["explain", "application.spec.services.entries.targetUrl"]).unwrap();
    assert!(explained.contains("Where calls go"), "{explained}");
    wait::attempt("an Application is gone", LIMIT, || {
        mesh.kubectl(&["delete", "app", "columns", "--ignore-not-found"])?;
        match mesh.kubectl(&["get", "app", "columns"]) {
            Ok(_) => Err(Error::new("it is there")),
            Err(_) => Ok(()),
        }
    })
    .unwrap();
}
