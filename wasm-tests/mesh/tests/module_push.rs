//! A gateway that could not fetch the plugin refuses everything; once the module can be had again it is given the plugin,
//! and gateways that have it notice nothing.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use fairlead_mesh::{MeshBed, bed::LIMIT};
use fairlead_testkit::{
    Error, Result, http,
    mesh::{Gateway, HOST},
    wait,
};
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "fairlead-egress";
const MANUAL: u16 = 8080;
/// Longer than it takes to push a second time: what must not happen can only be waited for.
const QUIET: Duration = Duration::from_secs(12);

/// The status of a call of an unknown Application: 404 is the plugin's.
fn status(gateway: &Gateway) -> Result<u16> {
    Ok(http::get(gateway.port(MANUAL), "/none/none/")?.status)
}

fn until(gateway: &Gateway, wanted: u16) -> Result {
    wait::attempt("a status", 3 * LIMIT, || match status(gateway)? {
        status if status == wanted => Ok(()),
        status => Err(Error::new(format!("{status} instead of {wanted}"))),
    })
}

/// How often Envoy took another configuration of the plugin.
fn reloads(gateway: &Gateway) -> u64 {
    gateway
        .stat(|name| name.contains("extension_config_discovery") && name.ends_with("config_reload"))
        .unwrap()
}

#[test]
fn a_gateway_that_could_not_fetch_the_module_gets_the_plugin_later() {
    let bed = MeshBed::start(|setup| {
        setup.values["config"]["kubernetes"]["module"] = json!({ "pushAgainAfter": "5s" });
        Ok(())
    })
    .unwrap();
    let good = bed.egress().into_iter().next().unwrap();
    assert_eq!(status(&good).unwrap(), 404);
    let plugins = bed.mesh.kubectl_json(&["get", "wasmplugins", "--namespace", NAMESPACE]).unwrap();
    let url = plugins.pointer("/items/0/spec/url").and_then(Value::as_str).unwrap();
    let host = url.trim_start_matches("http://").split([':', '/']).next().unwrap();
    let control: Vec<_> = bed.control().iter().map(|program| program.pod().address()).collect();

    // Nothing listens there.
    bed.mesh.names().set(host, &[HOST]);
    let labels: Vec<(&str, &str)> =
        good.pod().labels().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let late = bed.mesh.gateway(NAMESPACE, "fairlead-egress", "late", &labels).unwrap();
    until(&late, 403).unwrap();
    bed.mesh.names().set(host, &control);
    let before = reloads(&good);
    let labels: Map<String, Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "late", "namespace": NAMESPACE, "labels": labels },
        "spec": { "containers": [{ "name": "istio-proxy", "image": "auto" }] },
    });
    bed.apply(&[pod]).unwrap();
    let address =
        json!({ "status": { "podIP": late.pod().address(), "podIPs": [{ "ip": late.pod().address() }] } });
    let patch = ["patch", "pod", "late", "--namespace", NAMESPACE, "--subresource", "status", "--patch"];
    bed.mesh.kubectl(&[&patch[..], &[&address.to_string()]].concat()).unwrap();
    until(&late, 404).unwrap();
    assert_eq!((status(&good).unwrap(), reloads(&good)), (404, before));

    // It ends there: one that polls is left alone.
    let pushed = || {
        let plugins = bed.mesh.kubectl_json(&["get", "wasmplugins", "--namespace", NAMESPACE]).unwrap();
        plugins.pointer("/items/0/metadata/resourceVersion").cloned()
    };
    let version = pushed();
    std::thread::sleep(QUIET);
    assert_eq!(pushed(), version);
    bed.finish().unwrap();
}
