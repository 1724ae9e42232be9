//! Names and endpoints of Services.

use std::{net::Ipv4Addr, sync::Arc};

use fairlead_testkit::{Result, mesh::Mesh};
use serde_json::{Value, json};

use super::{OURS, Running};

/// Lets each Service of the installation lead to the pods that it selects: by name for pods, by `EndpointSlice` for
/// istiod.
pub(super) fn publish(mesh: &Mesh, pods: &[Arc<Running>]) -> Result {
    let list = mesh.kubectl_json(&[&["get", "services"], OURS].concat())?;
    let services = list.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut slices = Vec::new();
    for service in services.iter().filter(|service| service.pointer("/spec/selector").is_some()) {
        let selected: Vec<&Running> =
            pods.iter().map(Arc::as_ref).filter(|pod| selects(service, pod)).collect();
        let addresses: Vec<Ipv4Addr> = selected.iter().map(|running| running.pod().address()).collect();
        mesh.names().set(&full_name(service), &addresses);
        slices.push(slice(service, &selected));
    }
    // After the ones that they are other names of.
    for service in services {
        if let Some(name) = service.pointer("/spec/externalName").and_then(Value::as_str) {
            mesh.names().set(&full_name(service), &mesh.names().get(name));
        }
    }
    if slices.is_empty() { Ok(()) } else { mesh.apply(&slices).map(drop) }
}

fn text<'a>(service: &'a Value, pointer: &str) -> &'a str {
    service.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn full_name(service: &Value) -> String {
    format!("{}.{}.svc.cluster.local", text(service, "/metadata/name"), text(service, "/metadata/namespace"))
}

fn selects(service: &Value, running: &Running) -> bool {
    let labels = running.template.labels();
    let wanted = service.pointer("/spec/selector").and_then(Value::as_object);
    running.pod().namespace() == text(service, "/metadata/namespace")
        && wanted
            .into_iter()
            .flatten()
            .all(|(key, value)| value.as_str().is_some_and(|value| labels.contains(&(key.as_str(), value))))
}

fn slice(service: &Value, selected: &[&Running]) -> Value {
    let (namespace, name) = (text(service, "/metadata/namespace"), text(service, "/metadata/name"));
    let endpoint = |running: &&Running| {
        let pod = running.pod();
        json!({
            "addresses": [pod.address().to_string()],
            "conditions": { "ready": true, "serving": true, "terminating": false },
            "nodeName": "machine",
            "targetRef": { "kind": "Pod", "namespace": pod.namespace(), "name": pod.name() },
        })
    };
    let port = |port: &Value| {
        let target = port.get("targetPort").or_else(|| port.get("port"))?;
        // Pods of one Service have the same ports; without pods a number is all there is.
        let number = match selected.first() {
            Some(running) => running.template.port(target)?,
            None => u16::try_from(target.as_u64()?).ok()?,
        };
        Some(json!({ "name": port.get("name"), "port": number, "protocol": "TCP" }))
    };
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "namespace": namespace, "name": format!("{name}-pods"),
            "labels": { "kubernetes.io/service-name": name },
        },
        "endpoints": selected.iter().map(endpoint).collect::<Vec<_>>(),
        "ports": ports.filter_map(port).collect::<Vec<_>>(),
    })
}
