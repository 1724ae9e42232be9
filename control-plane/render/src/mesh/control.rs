//! How the gateway reaches the control plane: clusters that no route of anybody else's can name, because they are in no
//! service registry.

use serde_json::{Value, json};

use super::MeshGateway;
use crate::cluster::{Endpoint, HEALTH_CLUSTER, fixed, to_control};

/// `fairlead.control`: the gateway shows its mesh certificate, as Istio's agent gives it.
pub(super) fn control(gateway: &MeshGateway) -> Value {
    let control = &gateway.control;
    let pinned = |mut validation: Value| {
        if let Some(validation) = validation.as_object_mut() {
            validation.insert("trusted_ca".to_owned(), json!({ "inline_string": control.ca_pem }));
        }
        json!({ "validation_context": validation })
    };
    let to = Endpoint::Name(&control.host, control.port);
    to_control(&to, &control.server_name, &own_certificate(), pinned)
}

/// The health port, which answers `/v1/loglevel` (AG §17).
pub(super) fn health(gateway: &MeshGateway) -> Value {
    fixed(HEALTH_CLUSTER, &Endpoint::Name(&gateway.control.host, gateway.control.health_port))
}

/// SDS secret `default` from the agent beside Envoy, by the static cluster that Istio's bootstrap has for it.
fn own_certificate() -> Value {
    json!({
        "name": "default",
        "sds_config": {
            "api_config_source": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "sds-grpc" } }],
                "set_node_on_first_message_only": true,
            },
            "initial_fetch_timeout": "0s",
            "resource_api_version": "V3",
        },
    })
}
