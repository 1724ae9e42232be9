//! What the leader brings to gateways: calls work both ways, targets see nothing of ours or of Istio's, drift is undone,
//! and nothing is written without need.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_mesh::{MeshBed, bed::LIMIT};
use fairlead_testkit::{
    Error,
    http::Request,
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::{Value, json};

/// Kinds that are written for gateways.
const KINDS: &str =
    "telemetries,envoyfilters,virtualservices,gateways.networking.istio.io,wasmplugins,secrets";
/// Longer than a change takes to be written.
const QUIET: Duration = Duration::from_secs(2);

fn get(path: &str) -> Request {
    Request::new("GET", path).header("host", "central-application-gateway.kyma-system")
}

/// All objects of ours in the gateways' namespaces: kind, namespace and name → the object.
fn objects(bed: &MeshBed) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for namespace in ["fairlead-egress", "fairlead-ingress"] {
        let selector = "app.kubernetes.io/managed-by=fairlead";
        let list = bed.mesh.kubectl_json(&["get", KINDS, "-n", namespace, "-l", selector]).unwrap();
        for object in list.pointer("/items").and_then(Value::as_array).unwrap() {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let name = format!("{} {namespace}/{}", text("/kind"), text("/metadata/name"));
            all.insert(name, object.clone());
        }
    }
    all
}

fn versions(bed: &MeshBed) -> BTreeMap<String, String> {
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").unwrap().to_string();
    objects(bed).iter().map(|(name, object)| (name.clone(), version(object))).collect()
}

/// Repeats until objects are as wanted.
fn until(bed: &MeshBed, what: &str, wanted: impl Fn(&BTreeMap<String, Value>) -> bool) {
    wait::attempt(what, LIMIT, || {
        let all = objects(bed);
        if wanted(&all) { Ok(()) } else { Err(Error::new(format!("{:?}", all.keys()))) }
    })
    .unwrap();
}

#[test]
fn delivery() {
    let bed = MeshBed::start(|setup| {
        setup.values["config"]["profiles"] = json!({ "grace": "3s" });
        Ok(())
    })
    .unwrap();
    calls_out_and_in(&bed);
    targets_see_nothing_of_ours_or_of_istio(&bed);
    a_changed_password_writes_nothing(&bed);
    a_new_profile_holds_up_nobody(&bed);
    drift_is_undone(&bed);
    foreign_objects_stay_and_unused_ones_of_ours_go(&bed);
    secrets_follow_their_sources(&bed);
    envoy_refused_nothing(&bed);
    bed.finish().unwrap();
}

fn calls_out_and_in(bed: &MeshBed) {
    let password = bed.secret("password").unwrap();
    let parameter = bed.secret("parameter").unwrap();
    let (http, https) = (
        bed.double.url_by_name("http", "plain.example.test").unwrap(),
        bed.double.url_by_name("https", "orders.example.test").unwrap(),
    );
    let application = Application::new("shop")
        .client_ids(&["shop"])
        .service("Orders", &[Entry::api(&https).basic("orders").parameters("more")])
        .service("Plain", &[Entry::api(&http)]);
    let parameters = json!({ "key": [parameter] }).to_string();
    bed.apply(&[
        application.manifest(),
        secret("orders", &[("username", "user"), ("password", &password)]),
        secret("more", &[("queryParameters", &parameters)]),
    ])
    .unwrap();
    bed.until(&get("/shop/orders/anything/1"), |answer| answer.status == 200).unwrap();
    bed.until(&get("/shop/plain/anything/1"), |answer| answer.status == 200).unwrap();
    let ucl = Request::new("GET", "/shop/orders/none/x");
    assert_ne!(bed.ucl(&ucl).unwrap().header("x-fairlead-reason"), ["not_routed"], "8082 passes the plugin");

    let client = bed.client(&bed.outside.first.client("shop").unwrap());
    let event = Request::new("POST", "/shop/events")
        .header("host", fairlead_mesh::bed::INGRESS_HOST)
        .header("content-type", "application/cloudevents+json")
        .body("{}");
    wait::attempt("an event to pass", LIMIT, || bed.from_outside(&client, &event)?.expect(204)).unwrap();
    let stranger = bed.client(&bed.outside.first.client("somebody-else").unwrap());
    bed.from_outside(&stranger, &event).unwrap().expect(403).unwrap();
}

fn targets_see_nothing_of_ours_or_of_istio(bed: &MeshBed) {
    bed.double.clear().unwrap();
    for listener in ["http", "https"] {
        let service = if listener == "http" { "plain" } else { "orders" };
        let request = get(&format!("/shop/{service}/anything/headers")).header("user-agent", "own/1");
        bed.manual(&request).unwrap().expect(200).unwrap();
        let seen = bed.double.recorded(&[("listener", listener)]).unwrap();
        let mut names: Vec<String> =
            seen.last().unwrap().sorted_headers().into_iter().map(|(name, _)| name).collect();
        names.dedup();
        // HTTP/2 with TLS, where the authority is no header.
        let own = if listener == "https" { "authorization" } else { "host" };
        assert_eq!(names, [own, "user-agent", "x-forwarded-for"], "the complete list, {listener}");
    }
    // Events: as the sink gets them.
    let client = bed.client(&bed.outside.first.client("shop").unwrap());
    let event = Request::new("POST", "/shop/events")
        .header("host", fairlead_mesh::bed::INGRESS_HOST)
        .header("content-type", "application/cloudevents+json")
        .body("{}");
    bed.from_outside(&client, &event).unwrap().expect(204).unwrap();
    let seen = bed.double.recorded(&[("listener", "sink")]).unwrap();
    let names: Vec<String> =
        seen.last().unwrap().sorted_headers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["content-length", "content-type", "host", "x-forwarded-for"],
        "the complete list, sink"
    );
}

fn a_changed_password_writes_nothing(bed: &MeshBed) {
    let before = versions(bed);
    let password = bed.secret("password-2").unwrap();
    bed.apply(&[secret("orders", &[("username", "user"), ("password", &password)])]).unwrap();
    let expected = bed.double.last_id().unwrap();
    wait::attempt("the new password", LIMIT, || {
        bed.manual(&get("/shop/orders/anything/2"))?.expect(200)?;
        let seen = bed.double.recorded(&[("listener", "https")])?;
        let last = seen.last().filter(|request| request.id > expected);
        let value = last.map(|request| request.header("authorization")).unwrap_or_default().concat();
        if value == basic("user", &password) { Ok(()) } else { Err(Error::new("another password")) }
    })
    .unwrap();
    std::thread::sleep(QUIET);
    assert_eq!(versions(bed), before);
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Profiles come and go by objects of their own, after their grace, and the fixed objects stay as they are.
fn a_new_profile_holds_up_nobody(bed: &MeshBed) {
    let before = versions(bed);
    let target = bed.double.url_by_name("self-signed", "other.example.test").unwrap();
    let application = Application::new("unverified").spec("skipVerify", true);
    let application = application.service("svc", &[Entry::api(&target)]);
    bed.apply(&[application.manifest()]).unwrap();
    bed.until(&get("/unverified/svc/anything"), |answer| answer.status == 200).unwrap();
    let after = versions(bed);
    let new: Vec<&String> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    assert_eq!(new.len(), 1, "one small object: {new:?}");
    assert!(before.iter().all(|(name, version)| after.get(name) == Some(version)));
    bed.mesh.kubectl(&["delete", "application", "unverified"]).unwrap();
    until(bed, "the profile to go after its grace", |all| !all.contains_key(new[0]));
    assert_eq!(versions(bed), before);
}

fn drift_is_undone(bed: &MeshBed) {
    let before = objects(bed);
    let spec = |all: &BTreeMap<String, Value>| {
        let spec = |object: &Value| (object.get("spec").cloned(), object.get("data").cloned());
        all.iter().map(|(name, object)| (name.clone(), spec(object))).collect::<BTreeMap<_, _>>()
    };
    for (what, words) in [
        (
            "a value",
            "patch gateways.networking.istio.io fairlead-egress -n fairlead-egress --type json -p [{\"op\":\"replace\",\"path\":\"/spec/servers/0/hosts\",\"value\":[\"*/*\"]}]",
        ),
        (
            "a field more",
            "patch envoyfilter fairlead-egress -n fairlead-egress --type merge -p {\"spec\":{\"priority\":7}}",
        ),
        (
            "a label",
            "label wasmplugin fairlead-egress -n fairlead-egress app.kubernetes.io/part-of=other --overwrite",
        ),
        ("an object", "delete virtualservice fairlead-ingress -n fairlead-ingress"),
        (
            "a Secret",
            "patch secret fairlead-ingress-server-cacert -n fairlead-ingress --type merge -p {\"data\":{\"ca.crt\":\"AAAA\"}}",
        ),
    ] {
        bed.mesh.kubectl(&words.split(' ').collect::<Vec<_>>()).unwrap();
        until(bed, what, |all| spec(all) == spec(&before));
    }
    bed.manual(&get("/shop/orders/anything/3")).unwrap().expect(200).unwrap();
    // Then it is quiet.
    let settled = versions(bed);
    std::thread::sleep(QUIET);
    assert_eq!(versions(bed), settled);
}

fn foreign_objects_stay_and_unused_ones_of_ours_go(bed: &MeshBed) {
    let object = |name: &str| {
        json!({
            "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
            "metadata": { "name": name, "namespace": "fairlead-egress", "labels": {
                "app.kubernetes.io/managed-by": "fairlead", "app.kubernetes.io/part-of": "fairlead",
            } },
            "spec": { "workloadSelector": { "labels": { "nobody": "has-it" } }, "configPatches": [] },
        })
    };
    bed.apply(&[object("somebody-elses")]).unwrap();
    let file = bed.mesh.directory().join("left-over.json");
    std::fs::write(&file, object("left-over").to_string()).unwrap();
    let file = file.display().to_string();
    bed.mesh.kubectl(&["apply", "--server-side", "--field-manager", "fairlead", "-f", &file]).unwrap();
    until(bed, "what we once wrote to go", |all| !all.contains_key("EnvoyFilter fairlead-egress/left-over"));
    assert!(objects(bed).contains_key("EnvoyFilter fairlead-egress/somebody-elses"), "it is not ours");
    bed.mesh.kubectl(&["delete", "envoyfilter", "somebody-elses", "-n", "fairlead-egress"]).unwrap();
}

fn secrets_follow_their_sources(bed: &MeshBed) {
    let source = ["get", "secret", "kyma-gateway-certs", "-n", "istio-system"];
    let copy = ["get", "secret", "fairlead-ingress-server", "-n", "fairlead-ingress"];
    let data = |words: &[&str]| bed.mesh.kubectl_json(words).unwrap().get("data").cloned().unwrap();
    let original = data(&source);
    assert_eq!(data(&copy).get("tls.key"), original.get("tls.key"));
    for namespace in ["fairlead-egress", "kyma-system", "default"] {
        let all = bed.mesh.kubectl(&["get", "secrets", "-n", namespace, "-o", "yaml"]).unwrap();
        assert!(!all.contains(original.get("tls.key").unwrap().as_str().unwrap()), "{namespace}");
    }
    // Without the source a self-signed one serves.
    bed.mesh.kubectl(&["delete", "secret", "kyma-gateway-certs", "-n", "istio-system"]).unwrap();
    until(bed, "a self-signed pair", |all| {
        let pair = all.get("Secret fairlead-ingress/fairlead-ingress-server");
        pair.is_some_and(|pair| {
            pair.pointer("/metadata/labels/fairlead.kyma-project.io~1self-signed").is_some()
        })
    });
    trusted(bed, "False");
    let files = original.as_object().unwrap();
    let again = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "data": files,
        "metadata": { "name": "kyma-gateway-certs", "namespace": "istio-system" },
    });
    bed.apply(&[again]).unwrap();
    wait::attempt("the pair again", LIMIT, || {
        if data(&copy) == original { Ok(()) } else { Err(Error::new("another pair")) }
    })
    .unwrap();
    trusted(bed, "True");
}

/// Until an Application says this of what external systems see, which is a warning and no more.
fn trusted(bed: &MeshBed, status: &str) {
    wait::attempt(&format!("ServerTrusted={status}"), LIMIT, || {
        let shop = bed.mesh.kubectl_json(&["get", "app", "shop"])?;
        let conditions =
            shop.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let of = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind);
        let is = |kind: &str, status: &str| of(kind).is_some_and(|condition| condition["status"] == status);
        if is("ServerTrusted", status) && is("Ready", "True") {
            Ok(())
        } else {
            Err(Error::new(format!("{conditions:?}")))
        }
    })
    .unwrap();
}

fn envoy_refused_nothing(bed: &MeshBed) {
    for gateway in [bed.egress(), bed.ingress()].concat() {
        let name = gateway.pod().name();
        let refused = gateway.stat(|stat| stat.ends_with("update_rejected")).unwrap();
        assert_eq!(refused, 0, "{name}");
    }
    let istiod = String::from_utf8_lossy(&bed.mesh.istiod().log()).into_owned();
    assert!(!istiod.contains("ACK ERROR"), "istiod was told of a refusal");
}
