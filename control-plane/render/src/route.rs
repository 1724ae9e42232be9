//! Routes: to the target that the plugin chose, and everything else to a refusal.

use std::time::Duration;

use fairlead_wire::{
    Reason, Refusal,
    header::{PROFILE, REASON},
    profile::{PLAIN, PREFIX},
    refusal::JSON_CONTENT_TYPE,
};
use serde_json::{Value, json};

use crate::{guard, headers, json::duration};

/// Name of routes to targets.
pub(crate) const TARGET: &str = "target";

/// The routes to targets: for requests in which the plugin named a transport profile, and to no other cluster. The plain
/// profile comes first, which has its guard elsewhere ([`guard::upstream`]). Last, the refusal of everything else.
///
/// Time to response headers is a per-try time-out without a try: Envoy starts it when the request is complete and
/// forgets it when the response begins, while a route's `timeout` would cut bodies. The plugin overrides it per
/// request by [`HEADERS_TIMEOUT`](fairlead_wire::header::HEADERS_TIMEOUT). `headers_timeout` zero: no limit.
#[must_use]
pub fn targets(headers_timeout: Duration, idle: Duration) -> [Value; 3] {
    let mut plain = target(headers_timeout, idle, &json!({ "exact": PLAIN }));
    if let Some(plain) = plain.as_object_mut() {
        plain.insert("typed_per_filter_config".to_owned(), guard::elsewhere());
    }
    [plain, target(headers_timeout, idle, &json!({ "prefix": PREFIX })), not_routed()]
}

fn target(headers_timeout: Duration, idle: Duration, profile: &Value) -> Value {
    let mut route = to(json!({ "cluster_header": PROFILE }), idle);
    if let (false, Some(action)) =
        (headers_timeout.is_zero(), route.pointer_mut("/route").and_then(Value::as_object_mut))
    {
        action.insert(
            "retry_policy".to_owned(),
            json!({ "num_retries": 0, "per_try_timeout": duration(headers_timeout) }),
        );
    }
    if let Some(route) = route.as_object_mut() {
        route.insert("name".to_owned(), json!(TARGET));
        route.insert(
            "match".to_owned(),
            json!({ "prefix": "/", "headers": [{ "name": PROFILE, "string_match": profile }] }),
        );
        route.insert("request_headers_to_remove".to_owned(), json!(headers::request_removals()));
        route.insert("request_headers_to_add".to_owned(), headers::put_back());
    }
    route
}

/// A route of everything to one fixed cluster (`identify` mode). Behind it is our own network: XFCC, and what Envoy says
/// of the request, stay.
#[must_use]
pub fn everything_to(cluster: &str, idle: Duration) -> Value {
    let mut route = to(json!({ "cluster": cluster }), idle);
    if let Some(route) = route.as_object_mut() {
        route.insert("match".to_owned(), json!({ "prefix": "/" }));
        route.insert("request_headers_to_remove".to_owned(), json!(headers::own_network_removals()));
    }
    route
}

fn to(cluster: Value, idle: Duration) -> Value {
    let mut action = json!({
        "timeout": "0s",
        "idle_timeout": duration(idle),
        "cluster_not_found_response_code": "SERVICE_UNAVAILABLE",
    });
    if let (Some(action), Value::Object(cluster)) = (action.as_object_mut(), cluster) {
        action.extend(cluster);
    }
    json!({
        "route": action,
        "response_headers_to_remove": headers::response_removals(),
    })
}

/// Everything that did not pass the plugin (design decision 11).
#[must_use]
pub fn not_routed() -> Value {
    refusal(&json!({ "prefix": "" }), &Refusal::json(403, Reason::NotRouted, "request is not routed"))
}

/// A direct answer with the refusal's status, body and reason.
#[must_use]
pub fn refusal(matching: &Value, refusal: &Refusal) -> Value {
    answer(matching, refusal.status, &refusal.body, Some(refusal.reason.as_str()))
}

/// A direct answer. A body is JSON.
#[must_use]
pub fn answer(matching: &Value, status: u16, body: &str, reason: Option<&str>) -> Value {
    let mut response = json!({ "status": status });
    let mut headers = Vec::new();
    if let (false, Some(response)) = (body.is_empty(), response.as_object_mut()) {
        response.insert("body".to_owned(), json!({ "inline_string": body }));
        headers.push(set("content-type", JSON_CONTENT_TYPE));
    }
    headers.extend(reason.map(|reason| set(REASON, reason)));
    json!({ "match": matching, "direct_response": response, "response_headers_to_add": headers })
}

/// A route configuration with one virtual host for all names.
#[must_use]
pub fn configuration(name: &str, routes: &[Value]) -> Value {
    json!({ "name": name, "virtual_hosts": [virtual_host(name, routes)] })
}

/// A virtual host for all names.
#[must_use]
pub fn virtual_host(name: &str, routes: &[Value]) -> Value {
    json!({
        "name": name,
        "domains": ["*"],
        "request_headers_to_remove": headers::kept_removals(),
        "routes": routes,
    })
}

fn set(name: &str, value: &str) -> Value {
    json!({
        "header": { "key": name, "value": value },
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    })
}
