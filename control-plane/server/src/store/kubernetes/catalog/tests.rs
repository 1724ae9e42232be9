use fairlead_resources::Secret;
use serde_json::json;

use super::*;

const SHOP: Source = Source::Applications;
const FIRST: Source = Source::Secrets(0);

fn catalog() -> Catalog {
    Catalog::new(&["first".into(), "second".into()])
}

/// An Application that names these Secrets.
fn application(name: &str, version: &str, secrets: &[&str]) -> Found {
    let entry =
        |secret: &&str| json!({"type": "API", "credentials": {"type": "Basic", "secretName": secret}});
    let entries: Vec<_> = secrets.iter().map(entry).collect();
    let service = json!({
        "id": "i", "name": "n", "displayName": "d", "providerDisplayName": "", "description": "", "entries": entries,
    });
    item(name, version, &json!({"services": [service]}))
}

fn item(name: &str, version: &str, spec: &serde_json::Value) -> Found {
    use super::super::decode::{ApplicationItem, Item};
    let object = json!({"metadata": {"name": name, "resourceVersion": version}, "spec": spec});
    serde_json::from_value::<ApplicationItem>(object).unwrap().found()
}

fn secret(name: &str, version: &str) -> Found {
    Found { name: name.into(), version: version.into(), content: Content::Secret }
}

fn whole(at: usize, name: &str, version: &str) -> Fetched {
    let namespace = ["first", "second"][at];
    let content = Ok(Secret::new(namespace, name, version, []));
    Fetched { key: (at, name.into()), version: version.into(), content, current: true }
}

/// What an update says, in short.
fn said(update: Update) -> (Vec<String>, Vec<String>) {
    let event = |event: Event| match event {
        Event::Apply { object, origin: told } => {
            assert_eq!(*origin(&object.reference()), *told);
            format!("+{told}")
        }
        Event::Delete(reference) => format!("-{}", origin(&reference)),
        Event::Release(reference) => format!("~{}", origin(&reference)),
    };
    let events = update.events.into_iter().map(event).collect();
    (events, update.wanted.into_iter().map(|(at, name)| format!("{at}/{name}")).collect())
}

fn found(catalog: &mut Catalog, source: Source, found: Found) -> (Vec<String>, Vec<String>) {
    let mut update = Update::default();
    catalog.found(source, found, &mut update);
    said(update)
}

fn gone(catalog: &mut Catalog, source: Source, name: &str) -> (Vec<String>, Vec<String>) {
    let mut update = Update::default();
    catalog.gone(source, &name.into(), &mut update);
    said(update)
}

fn fetched(catalog: &mut Catalog, whole: Fetched) -> (Vec<String>, Vec<String>) {
    let mut update = Update::default();
    catalog.fetched(whole, &mut update);
    said(update)
}

fn told(events: &[&str], wanted: &[&str]) -> (Vec<String>, Vec<String>) {
    let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    (owned(events), owned(wanted))
}

/// A catalog whose Application `shop` names Secret `key`, which the model has.
fn with_secret() -> Catalog {
    let mut catalog = catalog();
    assert_eq!(found(&mut catalog, FIRST, secret("key", "1")), told(&[], &[]), "nobody names it");
    assert_eq!(
        found(&mut catalog, SHOP, application("shop", "2", &["key"])),
        told(&["+Application/shop"], &["0/key"])
    );
    assert_eq!(fetched(&mut catalog, whole(0, "key", "1")), told(&["+Secret/first/key"], &[]));
    assert_eq!(catalog.len(), 2);
    catalog
}

#[test]
fn only_secrets_that_are_named_are_wanted_in_every_namespace() {
    let mut catalog = with_secret();
    assert_eq!(found(&mut catalog, FIRST, secret("other", "3")), told(&[], &[]));
    assert_eq!(found(&mut catalog, Source::Secrets(1), secret("key", "4")), told(&[], &["1/key"]));
    assert_eq!(
        found(&mut catalog, SHOP, application("second", "5", &["key", "missing"])),
        told(&["+Application/second"], &[]),
        "it is wanted already"
    );
    assert_eq!(found(&mut catalog, FIRST, secret("missing", "6")), told(&[], &["0/missing"]));
    assert!(catalog.wants(&(0, "missing".into())) && !catalog.wants(&(0, "other".into())));
}

#[test]
fn a_changed_secret_is_fetched_again_and_a_known_version_is_not() {
    let mut catalog = with_secret();
    assert_eq!(found(&mut catalog, FIRST, secret("key", "1")), told(&[], &[]));
    assert_eq!(found(&mut catalog, FIRST, secret("key", "3")), told(&[], &["0/key"]));
    assert_eq!(fetched(&mut catalog, whole(0, "key", "4")), told(&["+Secret/first/key"], &[]), "newer still");
    assert_eq!(found(&mut catalog, FIRST, secret("key", "4")), told(&[], &[]), "that is known now");
    assert_eq!(catalog.len(), 2);
}

#[test]
fn an_old_page_is_no_answer_to_a_change() {
    let mut catalog = with_secret();
    found(&mut catalog, FIRST, secret("key", "3"));
    let page = Fetched { current: false, ..whole(0, "key", "2") };
    assert_eq!(fetched(&mut catalog, page), told(&[], &["0/key"]));
    let page = Fetched { current: false, ..whole(0, "key", "3") };
    assert_eq!(fetched(&mut catalog, page), told(&["+Secret/first/key"], &[]));
}

#[test]
fn what_nobody_names_any_longer_is_released_and_a_deletion_still_told() {
    let mut catalog = with_secret();
    found(&mut catalog, FIRST, secret("new", "3"));
    assert_eq!(
        found(&mut catalog, SHOP, application("shop", "4", &["new"])),
        told(&["+Application/shop", "~Secret/first/key"], &["0/new"])
    );
    assert_eq!(catalog.len(), 1);
    assert_eq!(found(&mut catalog, FIRST, secret("key", "5")), told(&[], &[]));
    assert_eq!(
        gone(&mut catalog, FIRST, "key"),
        told(&["-Secret/first/key"], &[]),
        "a last good state may hold it"
    );
    assert_eq!(gone(&mut catalog, FIRST, "new"), told(&[], &[]), "the model never had it");
    found(&mut catalog, FIRST, secret("key", "6"));
    assert_eq!(
        found(&mut catalog, SHOP, application("shop", "7", &["key"])),
        told(&["+Application/shop"], &["0/key"]),
        "named again, it is fetched again"
    );
}

#[test]
fn an_answer_that_comes_after_the_deletion_is_dropped() {
    let mut catalog = with_secret();
    found(&mut catalog, FIRST, secret("key", "3"));
    assert_eq!(gone(&mut catalog, FIRST, "key"), told(&["-Secret/first/key"], &[]));
    assert_eq!(fetched(&mut catalog, whole(0, "key", "3")), told(&[], &[]));
    assert_eq!(catalog.len(), 1);
}

#[test]
fn what_a_list_does_not_find_is_gone_and_nothing_else_is_told() {
    let mut catalog = with_secret();
    found(&mut catalog, SHOP, application("other", "3", &[]));
    let mut update = Update::default();
    for source in [SHOP, FIRST] {
        // A list that broke off finds nothing out.
        catalog.listing(source);
        catalog.listing(source);
    }
    catalog.found(SHOP, application("other", "3", &[]), &mut update);
    catalog.listed(SHOP, &mut update);
    assert_eq!(said(update), told(&["~Secret/first/key", "-Application/shop"], &[]));
    let mut update = Update::default();
    catalog.listed(FIRST, &mut update);
    assert_eq!(said(update), told(&["-Secret/first/key"], &[]));
    assert_eq!(catalog.len(), 1);
}

#[test]
fn nonsense_keeps_the_last_good_state_and_is_told_until_it_is_over() {
    let mut catalog = with_secret();
    assert_eq!(found(&mut catalog, SHOP, item("shop", "3", &json!({"services": 5}))), told(&[], &[]));
    assert!(catalog.take_changed() && !catalog.take_changed());
    let problems: Vec<_> = catalog.problems().collect();
    assert_eq!(
        (problems[0].file.as_str(), problems[0].field.as_str()),
        ("Application/shop", "spec.services")
    );
    assert_eq!(
        found(&mut catalog, FIRST, secret("key", "4")),
        told(&[], &["0/key"]),
        "its Secrets still count"
    );
    found(&mut catalog, SHOP, item("new", "5", &json!("text")));
    assert_eq!((catalog.len(), catalog.problems().count()), (2, 2));
    assert_eq!(gone(&mut catalog, SHOP, "new"), told(&[], &[]), "the model never had it");
    found(&mut catalog, SHOP, application("shop", "6", &["key"]));
    assert_eq!((catalog.len(), catalog.problems().count()), (2, 0));
    assert!(catalog.take_changed());
}

#[test]
fn a_secret_that_cannot_be_used_keeps_the_last_good_state() {
    let mut catalog = with_secret();
    found(&mut catalog, FIRST, secret("key", "3"));
    let error = ObjectError { field: "data.password".to_owned(), reason: "is not base64".to_owned() };
    let broken = Fetched { content: Err(error), ..whole(0, "key", "3") };
    assert_eq!(fetched(&mut catalog, broken), told(&[], &[]));
    let problems: Vec<_> = catalog.problems().collect();
    assert_eq!((problems.len(), problems[0].file.as_str()), (1, "Secret/first/key"));
    assert_eq!(gone(&mut catalog, SHOP, "shop"), told(&["~Secret/first/key", "-Application/shop"], &[]));
    assert_eq!(catalog.problems().count(), 0, "nobody cares any longer");
}

#[test]
fn a_new_version_of_the_same_generation_is_no_change() {
    use super::super::decode::{ApplicationItem, Item};
    let mut catalog = catalog();
    let item = |uid: &str, version: &str, generation: i64, spec: &serde_json::Value| {
        let metadata =
            json!({"name": "shop", "uid": uid, "resourceVersion": version, "generation": generation});
        serde_json::from_value::<ApplicationItem>(json!({"metadata": metadata, "spec": spec}))
            .unwrap()
            .found()
    };
    let told = told(&["+Application/shop"], &[]);
    assert_eq!(found(&mut catalog, SHOP, item("a", "1", 1, &json!({}))), told);
    assert_eq!(found(&mut catalog, SHOP, item("a", "2", 1, &json!({}))).0.len(), 0, "a status was written");
    assert_eq!(found(&mut catalog, SHOP, item("a", "3", 2, &json!({}))), told);
    assert_eq!(found(&mut catalog, SHOP, item("b", "4", 2, &json!({}))), told, "another one of this name");
    found(&mut catalog, SHOP, item("b", "5", 3, &json!({"services": 5})));
    assert_eq!(catalog.problems().count(), 1);
    assert_eq!(found(&mut catalog, SHOP, item("b", "6", 4, &json!({}))), told);
    assert_eq!((catalog.problems().count(), catalog.len()), (0, 1));
}

#[test]
fn an_application_that_waits_for_its_deletion_names_nothing() {
    let mut catalog = with_secret();
    let mut found = application("shop", "3", &["key"]);
    let Content::Application(Ok(application)) = &mut found.content else { panic!("an Application") };
    application.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".to_owned());
    let mut update = Update::default();
    catalog.found(SHOP, found, &mut update);
    assert_eq!(said(update), told(&["+Application/shop", "~Secret/first/key"], &[]));
}
