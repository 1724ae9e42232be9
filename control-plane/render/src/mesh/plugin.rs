//! The plugin as a `WasmPlugin`.

use fairlead_wire::config::PluginConfig;
use serde_json::{Value, json};

use super::{
    MeshGateway, Module,
    object::{object, selector},
};

/// Behind all other plugins of its phase, third parties' included: nobody sees what it added to a request.
const PRIORITY: i32 = -1000;

/// The `WasmPlugin` that has this gateway load the module. Apply it last, once the control plane serves the module: a
/// download that fails replaces even a working plugin by one that refuses everything.
///
/// No phase is named, which puts it behind authorization: an operator's policies judge what callers sent. `FAIL_RELOAD`
/// (since Istio 1.27) is the embedded gateways' policy.
#[must_use]
pub fn plugin(
    gateway: &MeshGateway,
    root_id: &str,
    name: &str,
    config: &PluginConfig,
    module: &Module,
) -> Value {
    // Listeners are matched by the ports that they are bound to.
    let ports: Vec<Value> = config.listeners.keys().map(|port| json!({ "number": port })).collect();
    let spec = json!({
        "selector": selector(gateway),
        "url": module.url,
        "sha256": module.sha256,
        "imagePullPolicy": "IfNotPresent",
        "pluginName": root_id,
        "priority": PRIORITY,
        "failStrategy": "FAIL_RELOAD",
        "type": "HTTP",
        "match": [{ "ports": ports }],
        "pluginConfig": config,
    });
    object("extensions.istio.io/v1alpha1", "WasmPlugin", gateway, name, &spec)
}
