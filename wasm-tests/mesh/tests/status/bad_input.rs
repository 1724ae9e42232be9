//! Resources that the API server accepts and that make no sense: a condition and a metric for them, the last good state
//! where there was one, and nothing at all for everybody else.

use std::time::{Duration, Instant};

use fairlead_mesh::{MeshBed, bed, bed::LIMIT};
use fairlead_testkit::{
    Error, Result,
    certs::Authority,
    http::{self, Request},
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::{Value, json};

/// The port of the control plane's metrics (decision 28).
const METRICS: u16 = 9090;
/// Until a gateway's report of a missing profile is a condition: what it may take before it counts, a poll, and the
/// leader's news of it.
const REPORTED: Duration = Duration::from_secs(90);
/// For longer than Envoy waits for a Secret before it goes on without, and than a report counts.
const STAYS: Duration = Duration::from_secs(90);

fn condition(bed: &MeshBed, name: &str, kind: &str) -> Result<Value> {
    let application = bed.mesh.kubectl_json(&["get", "app", name])?;
    let conditions = application["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let found = conditions.iter().find(|condition| condition["type"] == kind).cloned();
    found.ok_or_else(|| Error::new(application["status"].to_string()))
}

/// Waits until a condition has this status; its message.
fn told(bed: &MeshBed, name: &str, kind: &str, status: &str, limit: Duration) -> String {
    wait::attempt(&format!("{kind}={status} of {name}"), limit, || {
        let condition = condition(bed, name, kind)?;
        let message = condition["message"].as_str().unwrap_or_default().to_owned();
        if condition["status"] == status { Ok(message) } else { Err(Error::new(condition.to_string())) }
    })
    .unwrap()
}

/// How many problems of this reason the control plane counts.
fn counted(bed: &MeshBed, reason: &str) -> Result<u64> {
    let control = bed.control();
    let first = control.first().ok_or_else(|| Error::new("no control plane"))?;
    let metrics = http::get(first.port(METRICS), "/metrics")?.text();
    let head = format!("fairlead_control_application_problems{{reason=\"{reason}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&head));
    line.and_then(|number| number.parse().ok()).ok_or_else(|| Error::new(metrics))
}

fn answers(bed: &MeshBed, path: &str, status: u16) {
    bed.until(&Request::new("GET", path), |response| response.status == status).unwrap();
}

#[test]
fn each_kind_of_nonsense_is_told_and_harms_nobody_else() {
    let bed = bed().unwrap();
    let target = bed.double.url_by_name("http", "bad.example.test").unwrap();
    let good = Application::new("bad-neighbour").service("S", &[Entry::api(&target)]);
    let nonsense = Application::new("bad-nonsense")
        .service("No URL", &[Entry::api("http://[")])
        .service("Nowhere", &[Entry::api("ftp://bad.example.test")])
        .service("Ours", &[Entry::api("https://kubernetes.default.svc")])
        .service("!!!", &[Entry::api(&target)])
        .service("Twin", &[Entry::api(&target)])
        .service("twin", &[Entry::api(&target)])
        .service("Secret", &[Entry::api(&target).parameters("bad-secret")])
        .service("Sound", &[Entry::api(&target)]);
    bed.apply(&[good.manifest(), nonsense.manifest(), secret("bad-secret", &[("headers", "no JSON")])])
        .unwrap();
    for (kind, words) in [
        ("TargetsValid", "targetUrl"),
        ("TargetsAllowed", "control plane"),
        ("NamesUnique", "'Twin'"),
        ("SecretsValid", "bad-secret"),
    ] {
        let message = told(bed, "bad-nonsense", kind, "False", LIMIT);
        assert!(message.contains(words), "{kind}: {message}");
        assert!(condition(bed, "bad-nonsense", "Ready").unwrap()["status"] == "False");
    }
    for reason in ["target_invalid", "target_unsupported", "target_refused", "ambiguous", "secret_invalid"] {
        assert!(counted(bed, reason).unwrap() >= 1, "{reason}");
    }
    told(bed, "bad-neighbour", "Ready", "True", LIMIT);
    answers(bed, "/bad-neighbour/s/x", 200);
    answers(bed, "/bad-nonsense/sound/x", 200);
    answers(bed, "/bad-nonsense/twin/x", 400);
}

#[test]
fn what_cannot_be_read_leaves_the_last_good_state() {
    let bed = bed().unwrap();
    let target = bed.double.url_by_name("http", "bad.example.test").unwrap();
    let application = Application::new("bad-later").service("S", &[Entry::api(&target)]);
    bed.apply(&[application.manifest()]).unwrap();
    answers(bed, "/bad-later/s/x", 200);
    let senseless = application.clone().spec("fairlead", json!({ "callers": 7 }));
    bed.apply(&[senseless.manifest()]).unwrap();
    let message = told(bed, "bad-later", "Ready", "False", LIMIT);
    assert!(message.contains("callers") && message.contains("last good"), "{message}");
    answers(bed, "/bad-later/s/x", 200);

    let never = Application::new("bad-never").spec("fairlead", json!({ "callers": 7 }));
    bed.apply(&[never.manifest()]).unwrap();
    let message = told(bed, "bad-never", "Ready", "False", LIMIT);
    assert!(message.contains("nothing of it is in force"), "{message}");

    bed.apply(&[application.spec("fairlead", Value::Null).manifest()]).unwrap();
    told(bed, "bad-later", "Ready", "True", LIMIT);
    told(bed, "bad-later", "FieldsValid", "True", LIMIT);
}

/// Only the gateway can know: its Envoy refuses a cluster whose CA is no certificate, and istiod writes no status.
#[test]
fn a_profile_that_does_not_arrive_becomes_a_condition() {
    let bed = bed().unwrap();
    let target = bed.double.url_by_name("https", "bad.example.test").unwrap();
    // A DER sequence, and no certificate.
    let no_certificate = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    let application = Application::new("bad-profile")
        .spec("fairlead", json!({ "caSecretName": "bad-ca" }))
        .service("S", &[Entry::api(&target)]);
    bed.apply(&[secret("bad-ca", &[("ca.crt", no_certificate)]), application.manifest()]).unwrap();
    let call = Request::new("GET", "/bad-profile/s/x");
    let message = wait::attempt("ProfilesDelivered=False", REPORTED, || {
        // A gateway notices when it is called.
        let answered = bed.manual(&call)?;
        let condition = condition(bed, "bad-profile", "ProfilesDelivered")
            .map_err(|error| Error::new(format!("{} {}: {error}", answered.status, answered.text())))?;
        Ok(condition["message"].as_str().unwrap_or_default().to_owned())
    })
    .unwrap();
    assert!(message.contains("egress gateway") && message.contains("fairlead.t."), "{message}");
    assert_eq!(condition(bed, "bad-profile", "Ready").unwrap()["reason"], "ProfileMissing");

    let ca = std::fs::read_to_string(bed.double.ca()).unwrap();
    bed.apply(&[secret("bad-ca", &[("ca.crt", &ca)])]).unwrap();
    answers(bed, "/bad-profile/s/x", 200);
    told(bed, "bad-profile", "ProfilesDelivered", "True", REPORTED);
    told(bed, "bad-profile", "Ready", "True", LIMIT);
    a_profile_that_cannot_be_written_becomes_a_condition(bed);
    a_certificate_that_the_gateway_may_not_read_becomes_a_condition(bed);
}

/// What an account may do in the egress gateway's namespace by the first rule of its role.
fn may(bed: &MeshBed, role: &str, verbs: &[&str]) {
    let patch = json!([{ "op": "replace", "path": "/rules/0/verbs", "value": verbs }]).to_string();
    let role = ["patch", "role", role, "--namespace", "fairlead-egress", "--type", "json"];
    bed.mesh.kubectl(&[&role[..], &["--patch", &patch]].concat()).unwrap();
}

/// A right was taken away: what needs it waits and says so, everything else goes on, and all is well when it is back.
fn a_profile_that_cannot_be_written_becomes_a_condition(bed: &MeshBed) {
    may(bed, "fairlead-core-egress", &["list", "watch"]);
    let target = bed.double.url_by_name("https", "bad.example.test").unwrap();
    let ca = std::fs::read_to_string(bed.double.ca()).unwrap();
    let later = Application::new("bad-unwritten")
        .spec("fairlead", json!({ "caSecretName": "bad-unwritten" }))
        .service("S", &[Entry::api(&target)]);
    let plain = bed.double.url_by_name("http", "bad.example.test").unwrap();
    let other = Application::new("bad-other").service("S", &[Entry::api(&plain)]);
    // Another bundle, and so another profile than any before.
    let bundle = format!("{ca}{}", Authority::new("further").unwrap().pem());
    bed.apply(&[secret("bad-unwritten", &[("ca.crt", &bundle)])]).unwrap();
    bed.apply(&[later.manifest(), other.manifest()]).unwrap();
    answers(bed, "/bad-other/s/x", 200);
    let message = told(bed, "bad-unwritten", "ProfilesDelivered", "False", REPORTED);
    assert!(message.contains("fairlead.t.") && message.contains("egress gateway"), "{message}");
    assert_eq!(condition(bed, "bad-unwritten", "Ready").unwrap()["reason"], "ProfileUndelivered");
    let log = bed.control().iter().flat_map(|program| program.component().log()).collect::<Vec<u8>>();
    assert!(String::from_utf8_lossy(&log).contains("forbidden"), "the log says why");

    may(bed, "fairlead-core-egress", &["list", "watch", "create", "patch", "delete"]);
    answers(bed, "/bad-unwritten/s/x", 200);
    told(bed, "bad-unwritten", "ProfilesDelivered", "True", REPORTED);
}

/// istiod gives a gateway no Secret that the gateway's own account may not list, and Envoy has no cluster without it.
fn a_certificate_that_the_gateway_may_not_read_becomes_a_condition(bed: &MeshBed) {
    may(bed, "fairlead-egress", &["watch"]);
    let target = bed.double.url_by_name("mtls", "bad.example.test").unwrap();
    let identity = Authority::new("Customers").unwrap().client("unreadable").unwrap();
    let application = Application::new("bad-unreadable").service(
        "S",
        &[Entry::api(&target)
            .field("credentials", json!({ "type": "CertificateGen", "secretName": "bad-unreadable" }))],
    );
    bed.apply(&[
        secret("bad-unreadable", &[("crt", &identity.certificate_pem), ("key", &identity.key_pem)]),
        application.manifest(),
    ])
    .unwrap();
    let call = || bed.manual(&Request::new("GET", "/bad-unreadable/s/x"));
    let message = wait::attempt("ProfilesDelivered=False", REPORTED, || {
        // A gateway notices when it is called.
        let answered = call()?;
        let condition = condition(bed, "bad-unreadable", "ProfilesDelivered")
            .map_err(|error| Error::new(format!("{} {}: {error}", answered.status, answered.text())))?;
        Ok(condition["message"].as_str().unwrap_or_default().to_owned())
    })
    .unwrap();
    assert!(message.contains("egress gateway") && message.contains("fairlead.t."), "{message}");
    assert_eq!(condition(bed, "bad-unreadable", "Ready").unwrap()["reason"], "ProfileMissing");
    let full = std::env::var_os("FAIRLEAD_FULL").is_some();
    let begin = Instant::now();
    // That it stays so takes a minute and more.
    while full && begin.elapsed() < STAYS {
        assert!(call().unwrap().status >= 500, "no call goes without its certificate");
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(condition(bed, "bad-unreadable", "ProfilesDelivered").unwrap()["status"], "False");
    may(bed, "fairlead-egress", &["list"]);
}
