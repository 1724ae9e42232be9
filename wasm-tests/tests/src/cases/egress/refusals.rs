//! What is refused, with exact bodies (AG §3, §4, §13, §14).

use fairlead_testkit::Result;
use fairlead_wire::Reason;
use serde_json::json;

use super::{Application, Case, Entry, Expected, Place, Way, get, manual, secret, ucl, url};
use crate::case::{Answer, Text};

pub(super) fn plant(place: &dyn Place) -> Result {
    let (target, nobody) = (url(place, "http")?, place.nobody());
    let base = format!("{target}/base");
    let api = || Entry::api(&base);
    let named = |listener: &str, name: &str| -> Result<[Entry; 1]> {
        Ok([Entry::api(&format!("{}/base", place.double().url_by_name(listener, name)?))])
    };
    let address = |listener: &str, ip: &str| -> Result<[Entry; 1]> {
        Ok([Entry::api(&format!("http://{ip}:{}/base", place.double().address(listener)?.port()))])
    };
    let token = |url: &str| [api().oauth("refusals-oauth", url)];
    let app = Application::new("refusals")
        .spec("fairlead", json!({ "timeouts": { "headers": "400ms" } }))
        .service("Events Only", &[Entry::events()])
        .service("Empty", &[])
        .service("Several", &[api().name("one"), api().name("two"), api().name("two")])
        .service("Twin A", &[api().name("x")])
        .service("Twin-A", &[api().name("x")])
        .service("No Secret", &[api().basic("refusals-missing")])
        .service("Bad Headers", &[api().parameters("refusals-bad-headers")])
        .service("Bad Query", &[api().parameters("refusals-bad-query")])
        .service("Bad Url", &[Entry::api("http://[bad")])
        .service("No Target", &[Entry::api("")])
        .service("Ftp", &[Entry::api("ftp://x/base")])
        .service("Nobody", &[Entry::api(&format!("{nobody}/base"))])
        .service("No Name", &[Entry::api("http://nowhere.invalid/base")])
        .service("Self Signed", &named("self-signed", super::HOST)?)
        .service("Wrong Name", &named("wrong-name", super::HOST)?)
        .service("Expired", &named("expired", super::HOST)?)
        .service("Other CA", &named("other", super::HOST)?)
        .service("Loopback", &named("http", "loopback.example.test")?)
        .service("Metadata", &named("http", "metadata.example.test")?)
        .service("Loopback Address", &address("http", "127.0.0.1")?)
        .service("Mapped Address", &address("http", "[::ffff:127.0.0.1]")?)
        .service("Reset", &[Entry::api(&format!("{target}/reset"))])
        .service("Slow", &[Entry::api(&format!("{target}/delay/60000"))])
        .service("Token Url", &token("http://[bad"))
        .service("Token Nobody", &token(&format!("{nobody}/token")))
        .service("Token Status", &token(&format!("{target}/status/403")))
        .service("Token Cut", &token(&format!("{target}/truncate/100/5")))
        .service("Token Text", &token(&format!("{target}/bytes/5")))
        .service("Token Slow", &token(&format!("{target}/delay/60000")));
    place.put(
        "refusals",
        &[
            app.manifest(),
            secret("refusals-oauth", &[("clientId", "id"), ("clientSecret", "secret")]),
            secret("refusals-bad-headers", &[("headers", r#"{"X": "not a list"}"#)]),
            secret("refusals-bad-query", &[("queryParameters", "no JSON")]),
        ],
    )
}

fn listed(parts: &[(&str, &str)]) -> String {
    let one = |(service, entry): &(&str, &str)| {
        format!("service.ID: 'id-of-{service}', service.DisplayName: '{service}', entry.Name: '{entry}'")
    };
    parts.iter().map(one).collect::<Vec<_>>().join(" | ")
}

pub(super) fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let mut cases = names();
    cases.extend(compiled());
    cases.extend(transport());
    cases.extend(tokens(place)?);
    Ok(cases)
}

fn refused(way: &Way, rows: &[&'static str], path: &str, answer: Answer) -> Case {
    let case = if matches!(way, Way::Ucl) { ucl } else { manual };
    case(path, rows, get(path), Expected::Refused(answer))
}

fn names() -> Vec<Case> {
    let short = || Answer::json(400, Reason::PathTooShort, "failed to extract API Identifier from path");
    let odd = || Answer { body: Text::Any, ..Answer::json(400, Reason::PathRefused, "") };
    let leaves = || Answer::json(400, Reason::PathLeavesBase, "the path leaves the base path of the target");
    let unknown = |service: &str| {
        let text = format!("service with name {service} not found");
        Answer::json(404, Reason::UnknownService, &text)
    };
    let unknown_entry = |service: &str, entry: &str| {
        let text = format!("service with name {service} and entry name {entry} not found");
        Answer::json(404, Reason::UnknownService, &text)
    };
    let ambiguous = |service: &str, list: &str| {
        let text = format!("failed to get service with name '{service}': multiple services found: {list}");
        Answer::json(400, Reason::Ambiguous, &text)
    };
    let ambiguous_entry = |service: &str, entry: &str, list: &str| {
        let text = format!(
            "failed to get service with name '{service}' and entry name '{entry}': multiple services found: {list}"
        );
        Answer::json(400, Reason::Ambiguous, &text)
    };
    let twins = listed(&[("Twin A", "x"), ("Twin-A", "x")]);
    let several = listed(&[("Several", "one"), ("Several", "two"), ("Several", "two")]);
    let two = listed(&[("Several", "two"), ("Several", "two")]);
    let (manual, ucl) = (|| &Way::Manual, || &Way::Ucl);
    vec![
        refused(manual(), &["AG-14-r01", "AG-14-r24"], "/", short()),
        refused(manual(), &["AG-14-r01"], "/refusals", short()),
        refused(manual(), &["AG-14-r01"], "/refusals/", short()),
        refused(ucl(), &["AG-14-r01"], "/refusals/several", short()),
        refused(manual(), &["AG-4-r02", "AG-14-r02", "AG-14-r25"], "/refusals/nothing/x", unknown("nothing")),
        refused(manual(), &["AG-4-r02"], "/refusals/events-only", unknown("events-only")),
        refused(manual(), &["AG-4-r02"], "/refusals/empty", unknown("empty")),
        refused(manual(), &[], "/refusals/Several", unknown("Several")),
        refused(manual(), &["AG-4-r04"], "/nobody/several", unknown("several")),
        refused(manual(), &["AG-4-r04"], "/nobody/%3Cb%3E", unknown("%3Cb%3E")),
        refused(
            ucl(),
            &["AG-14-r03", "AG-14-r25"],
            "/refusals/several/three",
            unknown_entry("several", "three"),
        ),
        refused(ucl(), &["AG-4-r04"], "/nobody/several/one", unknown_entry("several", "one")),
        refused(
            manual(),
            &["AG-4-r03", "AG-14-r04", "AG-14-r06", "AG-14-r26"],
            "/refusals/several/x",
            ambiguous("several", &several),
        ),
        refused(manual(), &["AG-4-r03"], "/refusals/twin-a", ambiguous("twin-a", &twins)),
        refused(
            ucl(),
            &["AG-4-r03", "AG-14-r05", "AG-14-r06"],
            "/refusals/several/two",
            ambiguous_entry("several", "two", &two),
        ),
        refused(manual(), &["AG-4-r06"], "/a%20b/svc", unknown("svc")),
        refused(manual(), &[], "/refusals//x", unknown("")),
        refused(manual(), &[], "/refusals/nobody%2Fx/y", odd()),
        refused(manual(), &[], "/refusals%2Fnobody/x/y", odd()),
        // Envoy's own normalisation refuses it before the plugin sees it.
        refused(manual(), &[], "/refusals/no%00body/x", Answer::status(400)),
        refused(manual(), &[], "/refusals/no%5Cbody/x", odd()),
        // Decision 20: whatever a target would make of it, nothing leaves the base path.
        refused(manual(), &[], "/encode/svc/..%2Fx", leaves()),
        refused(manual(), &[], "/encode/svc/a/..%2F..%2Fx", leaves()),
        refused(manual(), &[], "/verbatim/svc/..%2fx", leaves()),
        refused(manual(), &[], "/verbatim/svc/a%2F..%2F..%2Fx", leaves()),
        refused(manual(), &[], "/verbatim/svc/..%5Cx", leaves()),
    ]
}

fn compiled() -> Vec<Case> {
    let failed =
        |service: &str, what: &str| format!("failed to read API for name-of-{service} service, {what}");
    let manual = || &Way::Manual;
    vec![
        refused(
            manual(),
            &["AG-14-r09", "AG-14-r28"],
            "/refusals/no-secret/x",
            Answer::json(
                500,
                Reason::SecretMissing,
                &failed("No Secret", "secret 'refusals-missing' not found"),
            ),
        ),
        refused(
            manual(),
            &["AG-14-r11", "AG-14-r28"],
            "/refusals/bad-headers",
            Answer::json_begins(
                500,
                Reason::SecretInvalid,
                &failed("Bad Headers", "Failed to unmarshal headers, "),
            ),
        ),
        refused(
            manual(),
            &["AG-14-r12", "AG-14-r28"],
            "/refusals/bad-query",
            Answer::json_begins(
                500,
                Reason::SecretInvalid,
                &failed("Bad Query", "Failed to unmarshal query parameters, "),
            ),
        ),
        refused(
            manual(),
            &["AG-14-r13", "AG-14-r29"],
            "/refusals/bad-url",
            Answer::json_begins(500, Reason::TargetInvalid, "failed to parse target url 'http://[bad': '"),
        ),
        refused(
            manual(),
            &["AG-14-r30"],
            "/refusals/no-target",
            Answer::empty(502, Reason::TargetUnsupported),
        ),
        refused(manual(), &["AG-14-r30"], "/refusals/ftp", Answer::empty(502, Reason::TargetUnsupported)),
    ]
}

fn transport() -> Vec<Case> {
    let unreachable = || Answer::empty(502, Reason::TargetUnreachable);
    let guarded = || Answer::empty(502, Reason::TargetRefused);
    let rows: &[&'static str] = &["AG-13-r06", "AG-14-r36"];
    let mut cases: Vec<Case> = ["nobody", "no-name", "self-signed", "wrong-name", "expired", "other-ca"]
        .iter()
        .map(|service| refused(&Way::Manual, rows, &format!("/refusals/{service}/x"), unreachable()))
        .collect();
    for service in ["loopback", "metadata", "loopback-address", "mapped-address"] {
        cases.push(refused(&Way::Manual, &[], &format!("/refusals/{service}/x"), guarded()));
    }
    cases.push(manual("reset", rows, get("/refusals/reset"), Expected::Answer(unreachable())));
    let slow = Answer::empty(504, Reason::TargetTimeout);
    cases.push(manual("slow", &["AG-13-r03", "AG-14-r37"], get("/refusals/slow"), Expected::Answer(slow)));
    cases
}

fn tokens(place: &dyn Place) -> Result<Vec<Case>> {
    let (target, nobody) = (url(place, "http")?, place.nobody());
    let json = |status, reason, text: String| Answer::json_begins(status, reason, &text);
    let case = |rows: &[&'static str], service: &str, answer| {
        refused(&Way::Manual, rows, &format!("/refusals/{service}/x"), answer)
    };
    Ok(vec![
        case(
            &["AG-14-r14"],
            "token-url",
            json(500, Reason::TokenEndpointInvalid, "failed to create token request: ".to_owned()),
        ),
        case(
            &["AG-14-r15", "AG-14-r31"],
            "token-nobody",
            json(
                502,
                Reason::TokenEndpointUnreachable,
                format!("failed to make a request to '{nobody}/token': "),
            ),
        ),
        case(
            &["AG-14-r16", "AG-14-r31"],
            "token-status",
            Answer::json(
                502,
                Reason::TokenEndpointStatus,
                &format!("incorrect response code '403' while getting token from {target}/status/403"),
            ),
        ),
        case(
            &["AG-14-r17", "AG-14-r31"],
            "token-cut",
            json(
                502,
                Reason::TokenEndpointAnswer,
                format!("failed to read token response body from '{target}/truncate/100/5': "),
            ),
        ),
        case(
            &["AG-14-r18", "AG-14-r31"],
            "token-text",
            json(502, Reason::TokenEndpointAnswer, "failed to unmarshal token response body: ".to_owned()),
        ),
        case(
            &["AG-13-r05", "AG-14-r31"],
            "token-slow",
            json(
                502,
                Reason::TokenEndpointUnreachable,
                format!("failed to make a request to '{target}/delay/60000': "),
            ),
        ),
    ])
}
