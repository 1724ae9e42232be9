//! What all objects have.

use serde_json::{Map, Value, json};

use super::MeshGateway;

/// On everything that Fairlead writes; by them it finds what is its own.
pub const LABELS: &[(&str, &str)] =
    &[("app.kubernetes.io/managed-by", "fairlead"), ("app.kubernetes.io/part-of", "fairlead")];

/// Label of a transport profile's object; its value is the profile's id.
pub const PROFILE_LABEL: &str = "fairlead.kyma-project.io/profile";

/// Label of a client certificate's Secret, and of the object of each profile that needs it; its value is the fingerprint.
pub const CLIENT_LABEL: &str = "fairlead.kyma-project.io/client";

/// Networking objects, as far back as Istio 1.22.
pub(super) const NETWORKING: &str = "networking.istio.io/v1";
/// `EnvoyFilter` alone.
pub(super) const ENVOY_FILTER: &str = "networking.istio.io/v1alpha3";

/// An object in the gateway's namespace.
pub(super) fn object(api: &str, kind: &str, gateway: &MeshGateway, name: &str, spec: &Value) -> Value {
    let labels: Map<String, Value> =
        LABELS.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({
        "apiVersion": api,
        "kind": kind,
        "metadata": { "name": name, "namespace": gateway.namespace, "labels": labels },
        "spec": spec,
    })
}

/// The gateway's pods and no others.
pub(super) fn selector(gateway: &MeshGateway) -> Value {
    json!({ "matchLabels": gateway.selector })
}

/// Mesh-wide logging and tracing end before the egress gateway: both write the path as the plugin made it, whose query may
/// hold credentials, and tracing adds headers to what targets see.
pub(super) fn telemetry(gateway: &MeshGateway, name: &str) -> Value {
    let spec = json!({
        "selector": selector(gateway),
        // Without the provider's name a log that the mesh configuration switches on by `accessLogFile` would stay.
        "accessLogging": [{ "providers": [{ "name": "envoy" }], "disabled": true }],
        "tracing": [{ "disableSpanReporting": true }],
    });
    object("telemetry.istio.io/v1", "Telemetry", gateway, name, &spec)
}
