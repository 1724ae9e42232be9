//! One entrance for all, as istio/docs/operations.md ("A shared ingress gateway") has it: another team's routes beside ours, and
//! neither notices the other.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use fairlead_mesh::{
    MeshBed,
    bed::{EXTERNAL, INGRESS_HOST, LIMIT},
};
use fairlead_testkit::{
    Result,
    http::{self, Request, Response, Tls},
    mesh::{Gateway, Mesh},
    resources::Application,
    wait,
};
use serde_json::{Value, json};

/// The gateway that was there before.
const NAMESPACE: &str = "istio-system";
const ACCOUNT: &str = "istio-ingressgateway";
const LABEL: (&str, &str) = ("istio", "ingressgateway");
/// The other team, and what it serves.
const TEAM: &str = "team";
const HOST: &str = "team.example.com";
const PORT: u16 = 8443;

fn object(kind: &str, group: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{group}/v1"), "kind": kind,
        "metadata": { "namespace": TEAM, "name": TEAM }, "spec": spec,
    })
}

/// What Istio's own installation brings: a gateway whose account may list the Secrets there.
fn gateway(mesh: &Mesh) -> Gateway {
    mesh.service_account(NAMESPACE, ACCOUNT).unwrap();
    let rbac = "rbac.authorization.k8s.io";
    let metadata = json!({ "namespace": NAMESPACE, "name": ACCOUNT });
    let rule = json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"] });
    mesh.apply(&[
        json!({ "apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": metadata, "rules": [rule] }),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": rbac, "kind": "Role", "name": ACCOUNT },
            "subjects": [{ "kind": "ServiceAccount", "namespace": NAMESPACE, "name": ACCOUNT }],
        }),
    ])
    .unwrap();
    mesh.gateway(NAMESPACE, ACCOUNT, ACCOUNT, &[LABEL]).unwrap()
}

/// The other team's host on the same port, by TLS without client certificates, to a target of theirs.
fn their_routes(bed: &MeshBed) {
    let mesh = &bed.mesh;
    mesh.namespace(TEAM).unwrap();
    let pair = bed.server_authority.server(&[HOST]).unwrap().write(mesh.directory(), TEAM).unwrap();
    let (certificate, key) = (format!("--cert={}", pair.0.display()), format!("--key={}", pair.1.display()));
    mesh.kubectl(&["create", "secret", "tls", TEAM, "--namespace", NAMESPACE, &certificate, &key]).unwrap();
    let url = bed.double.url("http").unwrap();
    let port: u16 = url.rsplit(':').next().unwrap().parse().unwrap();
    let group = "networking.istio.io";
    let server = json!({
        "port": { "number": PORT, "name": "https-team", "protocol": "HTTPS" }, "hosts": [HOST],
        "tls": { "mode": "SIMPLE", "credentialName": TEAM },
    });
    mesh.apply(&[
        object("Gateway", group, &json!({ "selector": { LABEL.0: LABEL.1 }, "servers": [server] })),
        object(
            "ServiceEntry",
            group,
            &json!({
                "hosts": ["target.team.example.com"], "resolution": "STATIC",
                "ports": [{ "number": port, "name": "http", "protocol": "HTTP" }],
                "endpoints": [{ "address": EXTERNAL.to_string() }],
            }),
        ),
        object(
            "VirtualService",
            group,
            &json!({
                "hosts": [HOST], "gateways": [TEAM],
                "http": [{ "route": [{ "destination": { "host": "target.team.example.com", "port": { "number": port } } }] }],
            }),
        ),
    ])
    .unwrap();
}

/// Their call; what headers of it their target saw.
fn their_call(bed: &MeshBed, gateway: &Gateway) -> Result<Vec<(String, String)>> {
    bed.double.clear()?;
    let tls = Tls::new().server_name(HOST).roots(bed.server_authority.pem());
    let request = Request::new("GET", "/echo")
        .header("host", HOST)
        .header("x-team", "theirs")
        .header("x-application", "theirs")
        .header("x-fairlead-profile", "theirs")
        .header("authorization", "Bearer theirs");
    http::call_tls(gateway.port(PORT), &tls, &request)?.expect(200)?;
    let seen = bed.double.recorded(&[("listener", "http")])?;
    Ok(seen.last().map(|seen| seen.sorted_headers()).unwrap_or_default())
}

fn event(bed: &MeshBed, gateway: &Gateway, name: &str) -> Result<Response> {
    let tls = bed.client(&bed.outside.first.client(name)?);
    let event = Request::new("POST", "/shop/events")
        .header("host", INGRESS_HOST)
        .header("content-type", "application/cloudevents+json")
        .body("{}");
    http::call_tls(gateway.port(PORT), &tls, &event)
}

#[test]
fn a_shared_ingress_gateway_serves_both() {
    let bed = MeshBed::start(|setup| {
        setup.values["gateways"]["ingress"] = json!({
            "shared": { "namespace": NAMESPACE, "serviceAccount": ACCOUNT, "selector": { LABEL.0: LABEL.1 } },
        });
        Ok(())
    })
    .unwrap();
    assert!(bed.ingress().is_empty(), "no gateway of our own");
    let gateway = gateway(&bed.mesh);
    their_routes(&bed);
    bed.apply(&[Application::new("shop").client_ids(&["shop"]).manifest()]).unwrap();
    wait::attempt("an event to pass", LIMIT, || event(&bed, &gateway, "shop")?.expect(204).map(drop))
        .unwrap();
    event(&bed, &gateway, "somebody-else").unwrap().expect(403).unwrap();

    // Theirs passes as they sent it, but for what no caller may set.
    let seen = wait::attempt("their answer", LIMIT, || their_call(&bed, &gateway)).unwrap();
    for (name, value) in [("x-team", "theirs"), ("authorization", "Bearer theirs")] {
        assert!(seen.contains(&(name.to_owned(), value.to_owned())), "{name}: {seen:?}");
    }
    for name in ["x-application", "x-fairlead-profile"] {
        assert!(seen.iter().all(|(other, _)| other != name), "{name}: {seen:?}");
    }
    // Their host by our server name, ours by theirs: neither leads to the other.
    let ours = bed.client(&bed.outside.first.client("shop").unwrap());
    let crossed = Request::new("GET", "/echo").header("host", HOST);
    let answer = http::call_tls(gateway.port(PORT), &ours, &crossed).unwrap();
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    let theirs = Tls::new().server_name(HOST).roots(bed.server_authority.pem());
    let crossed = Request::new("POST", "/shop/events").header("host", INGRESS_HOST).body("{}");
    let answer = http::call_tls(gateway.port(PORT), &theirs, &crossed).unwrap();
    // Who shows no certificate is nobody: 500 is the contract (CV, V1).
    assert!(answer.status >= 400, "{}", answer.status);

    // Without a control plane, theirs goes on as ours does.
    bed.control().iter().for_each(|program| program.component().kill().unwrap());
    event(&bed, &gateway, "shop").unwrap().expect(204).unwrap();
    their_call(&bed, &gateway).unwrap();
    // What is theirs is there still.
    bed.mesh.kubectl(&["get", "secret", TEAM, "--namespace", NAMESPACE]).unwrap();
}
