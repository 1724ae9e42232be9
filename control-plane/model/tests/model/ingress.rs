//! Who may call as an Application, and where events go (CV §4.2, §5; decisions 5, 12).

use fairlead_cases::cover;
use fairlead_model::Installation;
use fairlead_resources::Sink;
use fairlead_wire::feed::Organization;
use serde_json::{Value, json};

use crate::support::{World, application};

fn ids(ids: Value) -> Value {
    json!({"compassMetadata": {"authentication": {"clientIds": ids}}})
}

#[test]
fn names_are_the_client_ids_or_the_applications_own() {
    cover("CV-4.2-r01");
    cover("CV-4.2-r02");
    for (spec, names, problems) in [
        (json!({}), vec!["shop"], 0),
        (ids(json!([])), vec!["shop"], 0),
        (ids(json!(["a", "B"])), vec!["a", "B"], 0),
        (ids(json!(["", "a"])), vec!["a"], 1),
        (ids(json!([""])), vec![], 1),
    ] {
        let mut world = World::new();
        world.apply(application("shop", spec));
        assert_eq!(world.ingress["shop"].common_names, names);
        assert_eq!(world.index.problems("shop").len(), problems);
    }
}

#[test]
fn tenant_and_group_count_together() {
    let both = Organization { organization: "t".to_owned(), unit: "g".to_owned() };
    for (spec, organization, problems) in [
        (json!({"tenant": "t", "group": "g"}), Some(both), 0),
        (json!({"tenant": "t"}), None, 1),
        (json!({"group": "g", "tenant": ""}), None, 1),
        (json!({"group": "", "tenant": ""}), None, 0),
    ] {
        let mut world = World::new();
        world.apply(application("shop", spec));
        assert_eq!(world.ingress["shop"].organization, organization);
        assert_eq!(world.index.problems("shop").len(), problems);
    }
}

#[test]
fn events_go_to_the_applications_sink_or_the_installations() {
    let sink = Some(Sink::Publisher("http://publisher.example".to_owned()));
    let installation = Installation { sink, ..Installation::default() };
    for (spec, authority, path) in [
        (json!({}), "publisher.example", "/publish"),
        (
            json!({"fairlead": {"sink": {"publisher": "https://own.example:8443/in"}}}),
            "own.example:8443",
            "/in",
        ),
    ] {
        let mut world = World::with(&installation);
        let changes = world.apply(application("shop", spec));
        let sink = world.ingress["shop"].sink.as_ref().unwrap();
        assert_eq!((sink.authority.as_str(), sink.publish_path.as_str()), (authority, path));
        assert_eq!(changes.sink_profiles.added.keys().collect::<Vec<_>>(), [&sink.profile]);
        assert!(changes.profiles.is_empty(), "the egress gateway has no use for it");
        assert_eq!(world.delete_application("shop").sink_profiles.unused.len(), 1);
    }
}

#[test]
fn a_sink_that_cannot_be_is_told_and_never_replaced_by_another() {
    let sink = Some(Sink::Publisher("http://publisher.example".to_owned()));
    let installation = Installation { sink, ..Installation::default() };
    for sink in [
        json!({"nats": "events"}),
        json!({"cloudevents": "http://broker.example"}),
        json!({"publisher": "own.example"}),
        json!({"publisher": "https://kubernetes.default.svc"}),
    ] {
        let mut world = World::with(&installation);
        world.apply(application("shop", json!({"fairlead": {"sink": sink}})));
        assert_eq!(world.ingress["shop"].sink, None);
        assert_eq!(world.index.problems("shop")[0].field, "spec.fairlead.sink");
    }
    let mut world = World::new();
    world.apply(application("shop", json!({})));
    assert_eq!(world.ingress["shop"].sink, None);
    assert_eq!(world.index.problems("shop"), []);
}
