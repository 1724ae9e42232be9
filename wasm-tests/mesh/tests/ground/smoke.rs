//! The bed itself: real istiod, gateways, certificates, a plugin of ours. Nothing here needs a control plane.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use fairlead_mesh::mesh;
use fairlead_testkit::{
    certs::Authority,
    http::{self, Request, Tls},
    mesh::{Gateway, Mesh},
    process, wait,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const LIMIT: Duration = Duration::from_secs(30);

/// A gateway in a namespace of its own, which may list the Secrets there.
fn gateway(mesh: &Mesh, name: &str) -> Gateway {
    mesh.namespace(name).unwrap();
    mesh.service_account(name, name).unwrap();
    let rbac = "rbac.authorization.k8s.io";
    let metadata = json!({ "namespace": name, "name": name });
    let rule = json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["list"] });
    let binding = json!({
        "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": metadata,
        "roleRef": { "apiGroup": rbac, "kind": "Role", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "namespace": name, "name": name }],
    });
    let role = json!({
        "apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": metadata, "rules": [rule],
    });
    mesh.apply(&[role, binding]).unwrap();
    mesh.gateway(name, name, name, &[("istio", name)]).unwrap()
}

fn gateway_object(name: &str, server: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": { "namespace": name, "name": name },
        "spec": { "selector": { "istio": name }, "servers": [server] },
    })
}

/// Every path of `name`'s gateway answers 200 by itself.
fn answering(name: &str) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": { "namespace": name, "name": name },
        "spec": {
            "hosts": ["*"], "gateways": [name],
            "http": [{ "directResponse": { "status": 200, "body": { "string": "routed" } } }],
        },
    })
}

/// What is served to a GET of a path, with its type.
type Content = Box<dyn Fn(&str) -> Option<(String, Vec<u8>)> + Send>;

/// Serves GETs until the program ends.
fn serve(content: Content) -> SocketAddr {
    let listener = TcpListener::bind((fairlead_testkit::mesh::HOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, (kind, body)) = match content(path) {
                Some(content) => ("200 OK", content),
                None => ("404 Not Found", Default::default()),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    address
}

/// Serves the same to every GET.
fn serve_all(body: Vec<u8>) -> SocketAddr {
    serve(Box::new(move |_| Some(("application/octet-stream".to_owned(), body.clone()))))
}

/// A registry with one image, as its layout has it; what the image is called there, by digest.
fn registry(layout: &Path) -> String {
    let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest = index["manifests"][0].clone();
    let blobs = layout.join("blobs/sha256");
    let kind = manifest["mediaType"].as_str().unwrap().to_owned();
    let address = serve(Box::new(move |path| {
        if path == "/v2/" {
            return Some(("application/json".to_owned(), b"{}".to_vec()));
        }
        let (what, digest) = path.strip_prefix("/v2/fairlead-module/")?.split_once("/sha256:")?;
        let kind = if what == "manifests" { kind.clone() } else { "application/octet-stream".to_owned() };
        Some((kind, std::fs::read(blobs.join(digest)).ok()?))
    }));
    format!("{address}/fairlead-module@{}", manifest["digest"].as_str().unwrap())
}

#[test]
fn a_gateway_with_mutual_tls_takes_its_secret_and_tells_clients_apart() {
    let mesh = mesh().unwrap();
    let name = "smoke-ingress";
    let gateway = gateway(mesh, name);
    let authority = Authority::new("outside").unwrap();
    let server = authority.server(&["gateway.example.test"]).unwrap();
    let (certificate, key) = server.write(mesh.directory(), "server").unwrap();
    let ca = mesh.directory().join("outside-ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let from = |key: &str, file: &Path| format!("--from-file={key}={}", file.display());
    let files = [from("tls.crt", &certificate), from("tls.key", &key), from("ca.crt", &ca)];
    let create = ["create", "secret", "generic", "server", "--namespace", name];
    mesh.kubectl(&[&create[..], &files.each_ref().map(String::as_str)].concat()).unwrap();
    let tls = json!({ "mode": "MUTUAL", "credentialName": "server" });
    let server = json!({
        "port": { "number": 8443, "name": "https", "protocol": "HTTPS" }, "hosts": ["./*"], "tls": tls,
    });
    mesh.apply(&[answering(name), gateway_object(name, &server)]).unwrap();

    let address = gateway.wait_listener(8443, LIMIT).unwrap();
    let call = |tls: &Tls| http::call_tls(address, tls, &Request::new("GET", "/"));
    let outside = Tls::new().server_name("gateway.example.test").roots(authority.pem());
    let known = outside.clone().identity(&authority.client("shop").unwrap());
    let response = wait::attempt("an answer over mTLS", LIMIT, || call(&known)?.expect(200)).unwrap();
    assert_eq!(response.text(), "routed");
    call(&outside).unwrap_err();
    let stranger = Authority::new("nobody").unwrap().client("shop").unwrap();
    call(&outside.identity(&stranger)).unwrap_err();

    gateway.agent().start_again().unwrap();
    gateway.wait_listener(8443, LIMIT).unwrap();
    wait::attempt("an answer after a restart", LIMIT, || call(&known)?.expect(200)).unwrap();
    let programs: Vec<String> = gateway.memory().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(programs, ["pilot-agent", "envoy"]);
}

#[test]
fn a_plugin_fetched_by_digest_refuses_while_it_has_no_control_plane() {
    let module = std::fs::read(process::program("FAIRLEAD_MODULE", "fairlead.wasm").unwrap()).unwrap();
    let sha256: String = Sha256::digest(&module).iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("http://{}/{sha256}.wasm", serve_all(module));
    is_the_plugin("smoke-egress", &json!({ "url": url, "sha256": sha256 }));
}

/// The image that `cargo xtask images` makes, for those who pull plugins from a registry.
#[test]
fn the_plugin_is_fetched_from_a_registry() {
    let layout = process::program("FAIRLEAD_MODULE_IMAGE", "images/fairlead-module").unwrap();
    is_the_plugin("smoke-registry", &json!({ "url": format!("oci://{}", registry(&layout)) }));
}

/// A gateway loads the plugin from there, which then refuses what it knows nothing about.
fn is_the_plugin(name: &str, from: &Value) {
    let mesh = mesh().unwrap();
    let gateway = gateway(mesh, name);
    let server = json!({ "port": { "number": 8080, "name": "http", "protocol": "HTTP" }, "hosts": ["./*"] });
    mesh.apply(&[answering(name), gateway_object(name, &server)]).unwrap();
    let address = gateway.wait_listener(8080, LIMIT).unwrap();
    let call = |path: &str| http::get(address, path);
    wait::attempt("an answer without the plugin", LIMIT, || call("/shop/orders/1")?.expect(200)).unwrap();

    let mut spec = json!({
        "selector": { "matchLabels": { "istio": name } },
        "pluginName": "egress", "failStrategy": "FAIL_RELOAD", "type": "HTTP",
        "pluginConfig": { "hosts": ["*"], "listeners": { "8080": "manual" }, "holdMs": 50 },
    });
    let all = spec.as_object_mut().unwrap();
    all.extend(from.as_object().unwrap().clone());
    mesh.apply(&[json!({
        "apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin",
        "metadata": { "namespace": name, "name": name },
        "spec": spec,
    })])
    .unwrap();
    let refused = wait::attempt("a refusal by the plugin", LIMIT, || call("/shop/orders/1")?.expect(503));
    let refused = refused.unwrap();
    assert!(refused.text().contains("code"), "{}", refused.text());
    assert_eq!(
        gateway.stat(|name| name.contains("wasm") && name.ends_with("remote_load_fetch_failures")).unwrap(),
        0
    );
}

#[test]
fn a_workload_has_a_certificate_a_network_and_names_of_its_own() {
    let mesh = mesh().unwrap();
    let name = "smoke-workload";
    mesh.namespace(name).unwrap();
    mesh.service_account(name, "cart").unwrap();
    let identity = mesh.workload_certificate(name, "cart").unwrap();
    assert!(identity.certificate_pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let pod = mesh.pod(name, "cart", "cart", &[]).unwrap();
    mesh.names().set("other.elsewhere.svc.cluster.local", &[mesh.host()]);
    let address = serve_all(b"from the machine".to_vec());
    let url = format!("http://other.elsewhere:{}/", address.port());
    let ran = pod.run(&["curl", "--silent", "--show-error", &url]).unwrap();
    assert_eq!((ran.output.as_str(), ran.errors.as_str()), ("from the machine", ""));
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    pod.inside(|| http::get(loopback, "/")).unwrap().unwrap_err();
}

#[test]
fn a_service_account_has_its_own_rights_and_no_more() {
    let mesh = mesh().unwrap();
    let name = "smoke-rights";
    mesh.namespace(name).unwrap();
    mesh.service_account(name, "nobody").unwrap();
    let kubeconfig = mesh.service_account_kubeconfig(name, "nobody").unwrap();
    let error =
        mesh.kubectl_as(&kubeconfig, &["get", "secrets", "--namespace", name]).unwrap_err().to_string();
    assert!(
        error.contains("forbidden") && error.contains("system:serviceaccount:smoke-rights:nobody"),
        "{error}"
    );
}
