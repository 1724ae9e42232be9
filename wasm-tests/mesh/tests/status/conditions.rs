//! `kubectl get app` tells the truth: conditions, call URLs, Events, beside other writers.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use fairlead_mesh::{MeshBed, bed, bed::LIMIT};
use fairlead_testkit::{
    Error, Result,
    http::{self, Request},
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::{Value, json};

const BASE: &str = "http://central-application-gateway.kyma-system";

fn get(bed: &MeshBed, name: &str) -> Value {
    bed.mesh.kubectl_json(&["get", "app", name]).unwrap()
}

fn condition<'a>(application: &'a Value, kind: &str) -> &'a Value {
    let conditions = application["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

/// The Application once its condition has this status, for this generation at least.
fn until(bed: &MeshBed, name: &str, kind: &str, status: &str) -> Value {
    wait::attempt(&format!("{kind}={status} of {name}"), LIMIT, || {
        let application = get(bed, name);
        let generation = application["metadata"]["generation"].as_i64();
        let current = application["status"]["observedGeneration"].as_i64() >= generation;
        if current && condition(&application, kind)["status"] == status {
            return Ok(application);
        }
        Err(Error::new(application["status"].to_string()))
    })
    .unwrap()
}

/// Events about an Application: reason and note.
fn events(bed: &MeshBed, name: &str) -> Result<Vec<(String, String)>> {
    let all = bed.mesh.kubectl_json(&["get", "events.events.k8s.io", "--namespace", "default"])?;
    let all = all["items"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = all.iter().filter(|event| event["regarding"]["name"] == name);
    Ok(about.map(|event| (text(&event["reason"]), text(&event["note"]))).collect())
}

/// Applies something else and waits for its status: whatever was marked before has been looked at then.
fn all_looked_at(bed: &MeshBed, name: &str) {
    bed.apply(&[Application::new(name).manifest()]).unwrap();
    until(bed, name, "Ready", "True");
}

#[test]
fn a_new_application_is_deployed_and_says_how_it_is_called() {
    let bed = bed().unwrap();
    let begin = Instant::now();
    let target = bed.double.url_by_name("http", "status.example.test").unwrap();
    let entries = [Entry::api(&target).name("Version 1"), Entry::api(&target).name("v2"), Entry::events()];
    let application = Application::new("status-new")
        .service("One API", &[Entry::api(&target)])
        .service("Two APIs", &entries)
        .manifest();
    bed.apply(&[application]).unwrap();
    let application = until(bed, "status-new", "Ready", "True");
    assert!(begin.elapsed() < Duration::from_secs(60));
    let status = &application["status"];
    assert_eq!(status["installationStatus"]["status"], "deployed");
    assert_eq!((&status["observedGeneration"], &status["serviceCount"]), (&json!(1), &json!(2)));
    assert_eq!(
        status["services"],
        json!([
            {
                "name": "one-api", "url": format!("{BASE}:8080/status-new/one-api"),
                "entries": [{ "name": "", "url": format!("{BASE}:8082/status-new/one-api/") }],
            },
            {
                "name": "two-apis",
                "entries": [
                    { "name": "v2", "url": format!("{BASE}:8082/status-new/two-apis/v2") },
                    { "name": "version-1", "url": format!("{BASE}:8082/status-new/two-apis/version-1") },
                ],
            },
        ])
    );
    // What the status says is so.
    let call = Request::new("GET", "/status-new/two-apis/version-1/x");
    wait::attempt("the call", LIMIT, || bed.ucl(&call)?.expect(200).map(drop)).unwrap();
    let line = bed.mesh.kubectl(&["get", "app", "status-new", "--no-headers"]).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..3], ["status-new", "True", "2"]);
}

#[test]
fn a_problem_comes_and_goes_with_conditions_and_events() {
    let bed = bed().unwrap();
    let target = bed.double.url_by_name("http", "status.example.test").unwrap();
    let broken = Application::new("status-broken")
        .service("Orders", &[Entry::api(&target).basic("status-secret")])
        .service("Twin", &[Entry::api(&target).name("a")])
        .service("TWIN!", &[Entry::api(&target).name("b")]);
    bed.apply(&[broken.manifest()]).unwrap();
    let before = until(bed, "status-broken", "SecretsFound", "False");
    let ready = condition(&before, "Ready");
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("SecretMissing")));
    assert_eq!(condition(&before, "NamesUnique")["reason"], "Ambiguous");
    assert!(condition(&before, "NamesUnique")["message"].as_str().unwrap().contains("'Twin'"));
    assert_eq!(before["status"]["services"][0]["entries"][0]["refused"], "secret_missing");
    assert_eq!(before["status"]["installationStatus"]["status"], "deployed");

    let password = bed.secret("status-password").unwrap();
    bed.apply(&[secret("status-secret", &[("username", "u"), ("password", &password)])]).unwrap();
    let after = until(bed, "status-broken", "SecretsFound", "True");
    // The names are still a problem, and since when has not changed.
    let (names, unchanged) = (condition(&before, "NamesUnique"), condition(&after, "NamesUnique"));
    assert_eq!(names["lastTransitionTime"], unchanged["lastTransitionTime"]);
    assert_eq!(condition(&after, "Ready")["lastTransitionTime"], ready["lastTransitionTime"]);
    assert_eq!(condition(&after, "Ready")["reason"], "Ambiguous");

    wait::attempt("Events", LIMIT, || {
        let events = events(bed, "status-broken")?;
        let count = |reason: &str| events.iter().filter(|(of, _)| of == reason).count();
        if (count("SecretMissing"), count("Ambiguous"), count("Resolved")) == (1, 1, 1) {
            return Ok(());
        }
        Err(Error::new(format!("{events:?}")))
    })
    .unwrap();
    let described = bed.mesh.kubectl(&["describe", "app", "status-broken"]).unwrap();
    assert!(described.contains("status-secret") && !described.contains(&password), "{described}");
}

#[test]
fn nothing_is_written_that_is_there() {
    let bed = bed().unwrap();
    let target = bed.double.url_by_name("http", "status.example.test").unwrap();
    let password = |name: &str| {
        let password = bed.secret(name).unwrap();
        bed.apply(&[secret("status-quiet", &[("username", "u"), ("password", &password)])]).unwrap();
    };
    password("status-quiet-1");
    let quiet = Application::new("status-quiet").service("S", &[Entry::api(&target).basic("status-quiet")]);
    bed.apply(&[quiet.manifest()]).unwrap();
    until(bed, "status-quiet", "Ready", "True");
    all_looked_at(bed, "status-quiet-before");
    let version = |of: &Value| of["metadata"]["resourceVersion"].clone();
    let before = version(&get(bed, "status-quiet"));
    password("status-quiet-2");
    all_looked_at(bed, "status-quiet-after");
    assert_eq!(version(&get(bed, "status-quiet")), before);
}

#[test]
fn other_writers_keep_what_is_theirs() {
    let bed = bed().unwrap();
    bed.apply(&[Application::new("status-shared").manifest()]).unwrap();
    until(bed, "status-shared", "Ready", "True");
    let theirs = json!({
        "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
        "metadata": { "name": "status-shared" },
        "status": {
            "installationStatus": { "status": "theirs" },
            "conditions": [
                { "type": "Theirs", "status": "True", "reason": "Theirs", "message": "stays",
                  "lastTransitionTime": "2026-01-01T00:00:00Z" },
                { "type": "Ready", "status": "Unknown", "reason": "Theirs", "message": "goes",
                  "lastTransitionTime": "2026-01-01T00:00:00Z" },
            ],
        },
    });
    let file = bed.mesh.directory().join("theirs.json");
    std::fs::write(&file, theirs.to_string()).unwrap();
    let apply =
        ["apply", "--server-side", "--subresource=status", "--field-manager=theirs", "--force-conflicts"];
    bed.mesh.kubectl(&[&apply[..], &["--filename", &file.display().to_string()]].concat()).unwrap();
    let before = get(bed, "status-shared");
    assert_eq!(condition(&before, "Ready")["reason"], "Theirs");

    bed.apply(&[Application::new("status-shared").spec("description", "changed").manifest()]).unwrap();
    let after = until(bed, "status-shared", "Ready", "True");
    assert_eq!(condition(&after, "Theirs"), condition(&before, "Theirs"));
    assert_eq!(after["status"]["installationStatus"]["status"], "theirs");
    assert_eq!(condition(&after, "Ready")["reason"], "InForce");
    assert_eq!(after["status"]["observedGeneration"], 2);
}

#[test]
fn an_application_that_comes_again_gets_its_status_again() {
    let bed = bed().unwrap();
    for _ in 0..2 {
        bed.apply(&[Application::new("status-again").spec("skipInstallation", true).manifest()]).unwrap();
        let status = until(bed, "status-again", "Ready", "True")["status"].clone();
        assert_eq!(status["installationStatus"]["status"], "INSTALLATION_SKIPPED");
        bed.mesh.kubectl(&["delete", "app", "status-again"]).unwrap();
    }
}

/// Metrics that people are told to look at, in operations.md and status.md, are there.
#[test]
fn metrics_have_the_names_that_the_documentation_says() {
    let bed = bed().unwrap();
    let target = bed.double.url_by_name("http", "status.example.test").unwrap();
    let broken =
        Application::new("status-metrics").service("S", &[Entry::api(&target).basic("status-nowhere")]);
    bed.apply(&[broken.manifest()]).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../istio/docs");
    let text = ["operations.md", "status.md"].map(|name| std::fs::read_to_string(docs.join(name)).unwrap());
    let named: BTreeSet<String> = text
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .filter(|word| word.starts_with("fairlead_"))
        .map(str::to_owned)
        .collect();
    assert!(named.len() >= 5, "{named:?}");
    wait::attempt("all metrics", LIMIT, || {
        let shown = http::get(bed.control()[0].port(9090), "/metrics")?.expect(200)?.text();
        // Of a histogram there are parts.
        let is = |name: &str, line: &str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']) || rest.starts_with("_bucket"))
        };
        let lacks = named.iter().filter(|name| !shown.lines().any(|line| is(name, line)));
        let lacks: Vec<&String> = lacks.collect();
        if lacks.is_empty() { Ok(()) } else { Err(Error::new(format!("{lacks:?}"))) }
    })
    .unwrap();
}
