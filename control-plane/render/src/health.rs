//! Port 8081 of the egress gateway (AG §17).
//!
//! Health is Envoy's own word: it answers as long as it serves, whatever became of the control plane. The log level
//! is the control plane's.

use fairlead_wire::refusal::error_body;
use serde_json::{Map, Value, json};

use crate::{EgressGateway, cluster::HEALTH_CLUSTER, egress::router_only, listener::Listener, route};

const HEALTH: &str = "/v1/health";
const LOG_LEVEL: &str = "/v1/loglevel";

/// The listener.
#[must_use]
pub(crate) fn listener(gateway: &EgressGateway) -> Value {
    Listener {
        name: "egress_health",
        port: gateway.health_port,
        codec: "HTTP1",
        strip: &[],
        filters: router_only(),
        routes: route::configuration("egress_health", &routes()),
        more: Map::new(),
        tls: None,
        server_name: None,
    }
    .render(&gateway.gateway)
}

pub(crate) fn routes() -> [Value; 6] {
    let refuse_method = |path: &str| {
        route::answer(&json!({ "path": path }), 405, &error_body(405, "Method not allowed."), None)
    };
    [
        route::answer(&method("GET", HEALTH), 200, "", None),
        log_level("GET"),
        log_level("PUT"),
        refuse_method(HEALTH),
        refuse_method(LOG_LEVEL),
        route::answer(
            &json!({ "prefix": "" }),
            404,
            &error_body(404, "Requested resource could not be found."),
            None,
        ),
    ]
}

fn log_level(name: &str) -> Value {
    json!({
        "match": method(name, LOG_LEVEL),
        "route": { "cluster": HEALTH_CLUSTER, "timeout": "10s" },
    })
}

fn method(name: &str, path: &str) -> Value {
    json!({ "path": path, "headers": [{ "name": ":method", "string_match": { "exact": name } }] })
}
