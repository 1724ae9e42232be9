//! Routes: to the target that the plugin chose, and everything else to a refusal.

use std::time::Duration;

use fairlead_wire::{
    Reason, Refusal,
    header::{IDLE, PROFILE, REASON},
    idle::CLASSES,
    profile::{PLAIN, PREFIX, PROXIED_PREFIX},
    refusal::JSON_CONTENT_TYPE,
};
use serde_json::{Value, json};

use crate::{guard, headers, json::duration, tunnel};

/// Name of routes to targets.
pub(crate) const TARGET: &str = "target";

/// The routes of an egress gateway: for requests in which the plugin named a transport profile, and to no other cluster.
/// Last, the refusal of everything else.
///
/// Time to response headers is a per-try time-out without a try: Envoy starts it when the request is complete and
/// forgets it when the response begins, while a route's `timeout` would cut bodies. The plugin overrides it per
/// request by [`HEADERS_TIMEOUT`](fairlead_wire::header::HEADERS_TIMEOUT). `headers_timeout` zero: no limit. How long a
/// stream may be idle only a route can say, so that there is one for each [class](fairlead_wire::idle); the first ones,
/// which nearly all requests take, are for `idle`.
///
/// Envoy looks for a route before the plugin too, for every request: the second one ends that search, which would go
/// past them all (8 000 instructions of a request's 284 000).
#[must_use]
pub fn to_targets(headers_timeout: Duration, idle: Duration) -> Vec<Value> {
    let mut routes = Vec::new();
    let default = (idle, json!({ "name": IDLE, "present_match": false }));
    let classes = CLASSES
        .iter()
        .map(|(class, word)| (Duration::from_millis(class.ms()), matching(IDLE, &json!({ "exact": word }))));
    for (idle, class) in std::iter::once(default).chain(classes) {
        let times = Times { headers: headers_timeout, idle };
        routes.extend([plain(&times, Some(&class)), tls(&times, Some(&class)), proxied(&times, &class)]);
    }
    routes.insert(
        1,
        refused(&json!({ "prefix": "", "headers": [{ "name": PROFILE, "present_match": false }] })),
    );
    routes.push(not_routed());
    routes
}

/// The routes of an ingress gateway, to sinks. Otherwise as [`to_targets`].
#[must_use]
pub fn to_sinks(headers_timeout: Duration, idle: Duration) -> Vec<Value> {
    let times = Times { headers: headers_timeout, idle };
    vec![plain(&times, None), tls(&times, None), not_routed()]
}

/// See [`to_targets`].
struct Times {
    headers: Duration,
    idle: Duration,
}

/// The plain profile has its guard elsewhere ([`guard::upstream`]).
fn plain(times: &Times, class: Option<&Value>) -> Value {
    with_filters(target(times, &json!({ "exact": PLAIN }), class), guard::elsewhere())
}

fn tls(times: &Times, class: Option<&Value>) -> Value {
    target(times, &json!({ "prefix": PREFIX }), class)
}

/// So has what goes through a proxy. Where to is noted for the tunnel.
fn proxied(times: &Times, class: &Value) -> Value {
    let route = target(times, &json!({ "prefix": PROXIED_PREFIX }), Some(class));
    with_filters(with_filters(route, guard::elsewhere()), tunnel::noting())
}

/// The same with what it says to filters.
fn with_filters(mut route: Value, filters: Value) -> Value {
    if let (Some(route), Value::Object(filters)) = (route.as_object_mut(), filters) {
        let said = route.entry("typed_per_filter_config").or_insert_with(|| json!({}));
        if let Some(said) = said.as_object_mut() {
            said.extend(filters);
        }
    }
    route
}

fn matching(name: &str, value: &Value) -> Value {
    json!({ "name": name, "string_match": value })
}

fn target(times: &Times, profile: &Value, class: Option<&Value>) -> Value {
    let mut route = to(json!({ "cluster_header": PROFILE }), times.idle);
    if let (false, Some(action)) =
        (times.headers.is_zero(), route.pointer_mut("/route").and_then(Value::as_object_mut))
    {
        action.insert(
            "retry_policy".to_owned(),
            json!({ "num_retries": 0, "per_try_timeout": duration(times.headers) }),
        );
    }
    if let Some(route) = route.as_object_mut() {
        route.insert("name".to_owned(), json!(TARGET));
        let headers: Vec<Value> = std::iter::once(matching(PROFILE, profile)).chain(class.cloned()).collect();
        route.insert("match".to_owned(), json!({ "prefix": "/", "headers": headers }));
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
    refused(&json!({ "prefix": "" }))
}

fn refused(matching: &Value) -> Value {
    refusal(matching, &Refusal::json(403, Reason::NotRouted, "request is not routed"))
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

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use fairlead_wire::profile::pinned;

    use super::*;
    use crate::{Profile, tunnel::TUNNEL};

    #[test]
    fn routes_name_profiles_and_no_other_cluster() {
        let routes = to_targets(Duration::from_secs(10), Duration::from_secs(300));
        let accepted: Vec<&Value> =
            routes.iter().filter_map(|route| route.pointer("/match/headers/0/string_match")).collect();
        // For the default and each class: the plain profile, others, and those behind a proxy.
        assert_eq!(accepted.len(), 3 * (1 + CLASSES.len()));
        // And two refusals: of those without a profile, and of everything else.
        assert_eq!(accepted.len() + 2, routes.len());
        let twin = pinned(&Profile::plain().id).unwrap();
        let others = [twin, format!("{TUNNEL}0"), "fairlead.control".to_owned()];
        for value in accepted {
            let text = |kind: &str| value.get(kind).and_then(Value::as_str);
            let matches = |name: &String| {
                text("exact") == Some(name.as_str())
                    || text("prefix").is_some_and(|prefix| name.starts_with(prefix))
            };
            assert!(!others.iter().any(matches), "{value}");
        }
    }
}
