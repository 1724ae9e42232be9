//! Keys and ambiguity (AG §4, §14 E4, E5; decision 3).

use fairlead_cases::cover;
use fairlead_model::Effect;
use fairlead_wire::Reason;
use serde_json::json;

use crate::support::{World, application, error, service};

const TARGET: &str = "http://t.example";

fn api(name: &str) -> serde_json::Value {
    json!({"type": "API", "name": name, "targetUrl": TARGET})
}

#[test]
fn one_candidate_is_reached_on_both_ports() {
    cover("AG-4-r01");
    let mut world = World::new();
    world.apply(application(
        "shop",
        json!({"services": [service("My API (v2)", json!([{"type": "Events", "name": "e"}, api("Price Lists")]))]}),
    ));
    assert_eq!(world.egress.keys().collect::<Vec<_>>(), ["shop/my-api-v2/price-lists"]);
    assert!(world.egress["shop/my-api-v2/price-lists"].manual);
    assert_eq!(world.index.problems("shop"), []);
}

#[test]
fn what_has_no_api_entry_has_no_record() {
    cover("AG-4-r02");
    cover("AG-14-r25");
    let mut world = World::new();
    let services =
        json!([service("only events", json!([{"type": "Events"}])), service("nothing", json!([]))]);
    world.apply(application("shop", json!({"services": services})));
    assert!(world.egress.is_empty());
    world.apply(application("empty", json!({})));
    assert!(world.egress.is_empty() && world.ingress.contains_key("empty"));
}

#[test]
fn several_entries_of_one_service_are_ambiguous_on_the_manual_port_only() {
    cover("AG-4-r03");
    cover("AG-14-r04");
    cover("AG-14-r26");
    let mut world = World::new();
    world.apply(application(
        "shop",
        json!({"services": [service("Commerce", json!([api("Carts"), api("Prices")]))]}),
    ));
    let refusal = world.refusal("shop/commerce");
    assert_eq!((refusal.status, refusal.reason), (400, Reason::Ambiguous));
    assert_eq!(
        error(refusal),
        "failed to get service with name 'commerce': multiple services found: \
         service.ID: 'id of Commerce', service.DisplayName: 'Commerce', entry.Name: 'Carts' | \
         service.ID: 'id of Commerce', service.DisplayName: 'Commerce', entry.Name: 'Prices'"
    );
    for key in ["shop/commerce/carts", "shop/commerce/prices"] {
        assert!(!world.egress[key].manual);
        assert_eq!(world.route(key).authority, "t.example");
    }
    assert_eq!(world.index.problems("shop"), [], "it is how UCL writes bundles");
}

#[test]
fn names_that_become_one_segment_are_refused_and_told() {
    cover("AG-14-r05");
    let mut world = World::new();
    world.apply(application(
        "shop",
        json!({"services": [service("Twin", json!([api("one")])), service("other", json!([api("x")])),
                            service("TWIN!", json!([api("One")]))]}),
    ));
    assert_eq!(
        error(world.refusal("shop/twin")),
        "failed to get service with name 'twin': multiple services found: \
         service.ID: 'id of Twin', service.DisplayName: 'Twin', entry.Name: 'one' | \
         service.ID: 'id of TWIN!', service.DisplayName: 'TWIN!', entry.Name: 'One'"
    );
    let refusal = world.refusal("shop/twin/one");
    assert_eq!((refusal.status, refusal.reason), (400, Reason::Ambiguous));
    assert_eq!(
        error(refusal),
        "failed to get service with name 'twin' and entry name 'one': multiple services found: \
         service.ID: 'id of Twin', service.DisplayName: 'Twin', entry.Name: 'one' | \
         service.ID: 'id of TWIN!', service.DisplayName: 'TWIN!', entry.Name: 'One'"
    );
    assert!(world.egress["shop/other/x"].manual, "the others go on");
    assert_eq!(
        world.problems("shop"),
        [
            ("spec.services[2].displayName", Reason::Ambiguous, Effect::Refused),
            ("spec.services[2].entries[0].name", Reason::Ambiguous, Effect::Refused)
        ]
    );
    let message = &world.index.problems("shop")[0].message;
    assert!(message.contains("'Twin'") && message.contains("'TWIN!'"), "{message}");
}

#[test]
fn an_application_that_goes_takes_its_records_along_and_no_others() {
    cover("AG-4-r04");
    let mut world = World::new();
    for name in ["a", "a.b"] {
        world.apply(application(name, json!({"services": [service("s", json!([api("e")]))]})));
    }
    let changes = world.delete_application("a");
    assert_eq!(changes.egress, [("a/s/e".into(), None)]);
    assert_eq!(changes.ingress, [("a".into(), None)]);
    assert!(changes.profiles.is_empty(), "the other still uses it: {changes:?}");
    let mut waiting = application("a.b", json!({}));
    waiting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let changes = world.apply(waiting);
    assert_eq!((world.egress.len(), world.ingress.len(), changes.profiles.unused.len()), (0, 0, 1));
}

#[test]
fn a_renamed_service_moves() {
    let mut world = World::new();
    world.apply(application("a", json!({"services": [service("old", json!([api("e")]))]})));
    let changes = world.apply(application("a", json!({"services": [service("new", json!([api("e")]))]})));
    assert_eq!(changes.egress.len(), 2);
    assert_eq!(world.egress.keys().collect::<Vec<_>>(), ["a/new/e"]);
    assert!(world.settle().is_empty());
    let changes = world.apply(application("a", json!({"services": [service("new", json!([api("e")]))]})));
    assert!(changes.is_empty(), "the same again is no change: {changes:?}");
}

/// AG §19, 1: Kyma's key was the concatenation, by which one was called with the other's credentials.
#[test]
fn names_that_run_together_are_told_apart() {
    let mut world = World::new();
    for (name, display_name, entry) in
        [("ab", "c", "d"), ("a", "bc", "d"), ("a-b", "c", "d"), ("a", "b-c", "d")]
    {
        let target = format!("http://{name}.{display_name}.example");
        let entries = json!([{"type": "API", "name": entry, "targetUrl": target}]);
        let mut services = vec![service(display_name, entries)];
        if name == "a" {
            services.push(service("x", json!([api("d")])));
        }
        let full = if display_name == "b-c" { "a.two" } else { name };
        world.apply(application(full, json!({"services": services})));
    }
    for (key, host) in [
        ("ab/c/d", "ab.c.example"),
        ("a/bc/d", "a.bc.example"),
        ("a-b/c/d", "a-b.c.example"),
        ("a.two/b-c/d", "a.b-c.example"),
    ] {
        assert_eq!(world.route(key).authority, host, "{key}");
    }
}
