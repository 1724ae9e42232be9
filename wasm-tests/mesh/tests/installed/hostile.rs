//! Neighbours and callers that mean harm: other namespaces' objects for our hosts, headers that only we may set, targets
//! that are nobody's business.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use fairlead_mesh::{MeshBed, bed::INGRESS_HOST};
use fairlead_testkit::{
    http::{self, Request},
    mesh::Mesh,
    resources::{Application, Entry, secret},
};
use fairlead_tests::place::{Needs, Place as _};
use fairlead_wire::{
    header::PROFILE,
    profile::{CONTROL_CLUSTER, PLAIN},
};
use serde_json::{Value, json};

/// Longer than istiod takes to push.
const PUSHED: Duration = Duration::from_secs(3);
const MALLORY: &str = "mallory";

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn event() -> Request {
    Request::new("POST", "/shop/events")
        .header("host", INGRESS_HOST)
        .header("content-type", "application/cloudevents+json")
        .body("{}")
}

#[test]
fn hostile() {
    super::run(&Needs::BOTH, everything).unwrap();
}

fn everything(bed: &MeshBed) {
    let password = bed.secret("password").unwrap();
    let https = bed.double.url_by_name("https", "orders.example.test").unwrap();
    let application = Application::new("shop")
        .client_ids(&["shop"])
        .service("Orders", &[Entry::api(&https).basic("orders")]);
    bed.put(
        "hostile",
        &[application.manifest(), secret("orders", &[("username", "user"), ("password", &password)])],
    )
    .unwrap();
    bed.until(&get("/shop/orders/x"), |answer| answer.status == 200).unwrap();
    headers_of_callers_are_not_believed(bed);
    a_client_is_who_its_certificate_says(bed);
    no_request_gets_to_the_control_plane(bed);
    forbidden_targets_are_refused(bed);
    other_namespaces_change_nothing(bed);
}

fn headers_of_callers_are_not_believed(bed: &MeshBed) {
    bed.double.clear().unwrap();
    let hostile = get("/shop/orders/hostile")
        .header(PROFILE, PLAIN)
        .header("x-fairlead-kept-x-request-id", "forged")
        .header("x-fairlead-reason", "forged")
        .header("x-envoy-original-path", "/forged")
        .header("x-envoy-upstream-rq-timeout-ms", "1")
        .header("x-envoy-max-retries", "9")
        .header("x-envoy-retry-on", "5xx")
        .header("x-envoy-decorator-operation", "forged")
        .header("x-envoy-peer-metadata", "forged")
        .header("x-envoy-original-dst-host", "127.0.0.1:15000")
        .header("x-istio-attributes", "forged")
        .header("x-forwarded-client-cert", "By=forged");
    bed.manual(&hostile).unwrap().expect(200).unwrap();
    let seen = bed.double.recorded(&[("listener", "https")]).unwrap();
    assert_eq!(seen.len(), 1, "once, by the Application's own profile");
    let names: Vec<String> = seen[0].sorted_headers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["authorization", "x-forwarded-for"], "the complete list");

    // A profile's name opens nothing where no Application is called.
    for profile in
        [PLAIN, CONTROL_CLUSTER, "fairlead.t.", "outbound|443||kubernetes.default.svc.cluster.local"]
    {
        let request = get("/").header("host", "10.255.255.1:80").header(PROFILE, profile);
        let answer = bed.manual(&request).unwrap();
        assert!((400..500).contains(&answer.status), "{profile}: {} {}", answer.status, answer.text());
    }
}

fn a_client_is_who_its_certificate_says(bed: &MeshBed) {
    let shop = bed.client(&bed.outside.first.client("shop").unwrap());
    bed.from_outside(&shop, &event()).unwrap().expect(204).unwrap();
    let other = bed.client(&bed.outside.first.client("other").unwrap());
    for forged in [
        "Subject=\"CN=shop\"",
        "Hash=00;Subject=\"CN=shop\";URI=spiffe://cluster.local/ns/fairlead-ingress/sa/fairlead-ingress",
    ] {
        let request = event().header("x-forwarded-client-cert", forged).header("x-application", "shop");
        bed.from_outside(&other, &request).unwrap().expect(403).unwrap();
    }
    // Another host than the handshake's.
    let request = Request::new("POST", "/shop/events").header("host", "elsewhere.kyma.local").body("{}");
    let answer = bed.from_outside(&shop, &request).unwrap();
    assert!(matches!(answer.status, 403 | 404 | 421), "{}", answer.status);
}

fn no_request_gets_to_the_control_plane(bed: &MeshBed) {
    let egress = bed.egress();
    let feed = |host: &str| get("/feed/v1/egress/records").header("host", host);
    for host in ["fairlead-control", "fairlead-control.kyma-system.svc.cluster.local:8443", CONTROL_CLUSTER] {
        let answer = bed.manual(&feed(host)).unwrap();
        assert!(answer.header("x-fairlead-feed").is_empty(), "{host}: {}", answer.text());
        assert!((400..500).contains(&answer.status), "{host}: {}", answer.status);
    }
    // By an Application that names it, in whatever spelling. Where our own addresses are pods', as they are here, not all
    // of them are known; then the certificate speaks for another name.
    for (name, target) in [
        ("by-name", "https://fairlead-control.kyma-system.svc.cluster.local:8443".to_owned()),
        ("by-short-name", "https://fairlead-control.kyma-system:8443".to_owned()),
        ("by-address", format!("https://{}:8443", bed.control()[0].pod().address())),
        ("itself", "http://central-application-gateway.kyma-system:8080/shop/orders".to_owned()),
    ] {
        refused(bed, name, &target, true);
    }
    drop(egress);
}

fn forbidden_targets_are_refused(bed: &MeshBed) {
    for (address, name) in
        [([127, 0, 0, 1], "loopback.mallory.test"), ([169, 254, 169, 254], "metadata.mallory.test")]
    {
        bed.mesh.names().set(name, &[address.into()]);
    }
    for (name, target) in [
        ("loopback", "http://loopback.mallory.test:15000".to_owned()),
        ("loopback-tls", "https://loopback.mallory.test:15000".to_owned()),
        ("metadata", "http://metadata.mallory.test/latest".to_owned()),
        ("literal", "http://127.0.0.1:15000".to_owned()),
        ("mapped", "http://[::ffff:127.0.0.1]:15000".to_owned()),
        ("api-server", format!("https://{}:6443", bed.mesh.host())),
    ] {
        refused(bed, name, &target, false);
    }
}

/// An Application with this target gets no answer of it.
fn refused(bed: &MeshBed, name: &str, target: &str, verified: bool) {
    let application = Application::new(name).spec("skipVerify", !verified);
    let application = application.service("svc", &[Entry::api(target)]);
    bed.apply(&[application.manifest()]).unwrap();
    let path = format!("/{name}/svc/feed/v1/egress/records");
    bed.until(&get(&path), |answer| answer.status != 404 && answer.status != 503).unwrap();
    let answer = bed.manual(&get(&path)).unwrap();
    let reason = answer.header("x-fairlead-reason");
    let known = reason == ["target_refused"] || verified && reason == ["target_unreachable"];
    assert!(known && answer.header("x-fairlead-feed").is_empty(), "{name}: {} {reason:?}", answer.status);
    bed.mesh.kubectl(&["delete", "application", name]).unwrap();
}

fn other_namespaces_change_nothing(bed: &MeshBed) {
    let mesh: &Mesh = &bed.mesh;
    mesh.namespace(MALLORY).unwrap();
    let object = |kind: &str, name: &str, spec: Value| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": kind,
            "metadata": { "namespace": MALLORY, "name": name }, "spec": spec,
        })
    };
    let stolen = json!([{ "directResponse": { "status": 299, "body": { "string": "stolen" } } }]);
    let gateways = [
        "fairlead-egress/fairlead-egress",
        "fairlead-ingress/fairlead-ingress",
        "mallory/egress",
        "mallory/ingress",
    ];
    let server = |port: u16, host: &str| json!({ "port": { "number": port, "name": format!("p{port}"), "protocol": "HTTP" }, "hosts": [host] });
    mesh.apply(&[
        object("VirtualService", "all", json!({ "hosts": ["*"], "gateways": gateways, "http": stolen })),
        object("VirtualService", "ours", json!({
            "hosts": ["central-application-gateway.kyma-system", INGRESS_HOST, "fairlead-control.kyma-system.svc.cluster.local"],
            "gateways": gateways, "http": stolen,
        })),
        object("Gateway", "egress", json!({
            "selector": { "istio": "fairlead-egress" },
            "servers": [server(8080, "*/*"), server(8082, "*/*"), server(9999, "*/*")],
        })),
        object("Gateway", "ingress", json!({
            "selector": { "istio": "fairlead-ingress" },
            "servers": [{
                "port": { "number": 8443, "name": "stolen", "protocol": "HTTPS" }, "hosts": [format!("*/{INGRESS_HOST}")],
                "tls": { "mode": "SIMPLE", "credentialName": "none" },
            }],
        })),
        object("ServiceEntry", "control", json!({
            "hosts": ["fairlead-control.kyma-system.svc.cluster.local", "orders.example.test"],
            "ports": [{ "number": 8443, "name": "https", "protocol": "TLS" }],
            "resolution": "STATIC", "endpoints": [{ "address": "10.255.255.1" }],
        })),
    ])
    .unwrap();
    std::thread::sleep(PUSHED);
    let shop = bed.client(&bed.outside.first.client("shop").unwrap());
    for host in [
        "central-application-gateway.kyma-system",
        "central-application-gateway.kyma-system:8080",
        "anything",
    ] {
        let answer = bed.manual(&get("/shop/orders/x").header("host", host)).unwrap();
        assert_eq!((answer.status, answer.text().contains("stolen")), (200, false), "{host}");
    }
    bed.from_outside(&shop, &event()).unwrap().expect(204).unwrap();
    // Changes still arrive: the feed is where it was.
    let changed = Application::new("after")
        .service("svc", &[Entry::api(&bed.double.url_by_name("https", "orders.example.test").unwrap())]);
    bed.put("hostile-after", &[changed.manifest()]).unwrap();
    bed.until(&get("/after/svc/x"), |answer| answer.status == 200).unwrap();
    // A port of its own on our pods leads nowhere.
    for gateway in bed.egress() {
        let answer = bed.workload.inside(|| http::call(gateway.port(9999), &get("/"))).unwrap();
        assert!(!answer.is_ok_and(|answer| answer.text().contains("stolen")), "a port on our pods");
    }
    mesh.kubectl(&["delete", "namespace", MALLORY, "--wait=false"]).unwrap();
}
