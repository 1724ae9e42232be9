//! Each known weakness of Kyma's gateway (AG §19), and the tests that show that we do not have it; or the decision by which we
//! keep it. What stands here exists: a renamed test must be renamed here.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::path::Path;

/// Item, what it was about, and names of tests, or why there is none.
const ITEMS: &[(&str, &str, &[&str])] = &[
    ("1", "cache keys that collide", &["names_that_run_together_are_told_apart"]),
    (
        "2",
        "CSRF sessions shared by URL",
        &[
            "sessions_are_never_shared_across_credentials",
            "csrf_sessions_belong_to_a_credential_and_use_its_token",
        ],
    ),
    ("3", "tokens shared by different parameters", &["equal_grants_are_one_and_another_version_is_another"]),
    ("4", "cut answers that look complete", &["a_stream_without_progress_ends"]),
    ("5", "a caller's rejected token spends ours", &["streams_and_callers_own_tokens_are_not_repeated"]),
    ("6", "Connection strips injected headers", &["what_is_added_is_ours", "odd_lines_arrive"]),
    ("7", "sub-paths read as URIs", &["arrive_byte_for_byte"]),
    ("8", "the last slash is lost", &["decision 40"]),
    ("9", "dot segments leave the base path", &["nothing_leaves_the_base_path"]),
    ("10", "encodeUrl false encodes", &["arrive_byte_for_byte"]),
    ("11", "Location by string prefix", &["redirects_are_the_callers"]),
    ("12", "headers compared by spelling, no User-Agent", &["custom_headers_are_added_where_absent"]),
    ("13", "two statuses for one cause, which is hidden", &["decision 41", "each_failure_has_its_answer"]),
    ("14", "odd lifetimes of tokens", &["lifetimes_are_sane_for_every_expires_in"]),
    (
        "15",
        "any pod calls anything, reads Secrets, sets log levels",
        &[
            "decision 41",
            "rbac_holds_in_real_calls",
            "the_health_port_answers_as_the_contract_says_even_without_the_control_plane",
        ],
    ),
    ("16", "secrets in logs and errors", &["secrets_do_not_leak_and_a_planted_one_is_found"]),
    (
        "17",
        "bad characters give 500",
        &["an_application_segment_with_an_escape_is_unknown_and_dot_segments_are_refused"],
    ),
    ("18", "names that clash", &["decision 3", "names_that_become_one_segment_are_refused_and_told"]),
    ("19", "changes are late", &["changes_under_load_are_effective_at_once_and_break_nothing"]),
    (
        "20",
        "unknown names cost API calls",
        &["by construction: names are looked up in memory; bench first_call"],
    ),
    ("21", "bodies in memory", &["requests_stream_in_constant_memory"]),
    ("22", "two log lines a request", &["by construction: the plugin writes none"]),
    ("23", "connections do not stay", &["server_name_and_protocol_follow_the_target"]),
    ("24", "a token request for each caller", &["a_thousand_cold_calls_are_one_token_request"]),
    (
        "25",
        "connections left behind by tokens and rejections",
        &["by construction: a fetch's connection ends with it; a held answer is read to its end or reset"],
    ),
    ("26", "caches without bounds", &["what_nobody_uses_is_not_refreshed_and_leaves_memory"]),
    (
        "27",
        "everything is repeated",
        &["what_cannot_be_renewed_is_not_repeated", "a_403_repeats_only_methods_that_may_be_executed_twice"],
    ),
    ("28", "one time-out for all", &["time_until_headers_changes_live"]),
    (
        "29",
        "no upgrades, events, cancels",
        &["messages_flow_both_ways", "events_are_delivered_at_once", "who_leaves_is_missed"],
    ),
    ("29a", "second answers are cut", &["bodies_and_answers_are_kept_up_to_their_bounds"]),
    (
        "30",
        "no metrics, no traces",
        &[
            "requests_and_bytes_are_counted_exactly_by_application_service_entry_and_reason",
            "spans_name_application_service_and_reason_and_hold_no_secret",
        ],
    ),
    (
        "31",
        "no HTTP/2, no bulkheads",
        &["streams_flow_both_ways_at_once", "calls_at_a_time_are_an_applications_own"],
    ),
    ("32", "system CAs only", &["trust_changes_live_also_for_warm_connections"]),
];

/// How what is no test begins.
const REASONS: [&str; 2] = ["decision ", "by construction: "];

/// The text of all sources below `directory`.
fn sources(directory: &Path, out: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push_str(&std::fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

#[test]
fn each_weakness_has_tests_that_exist_or_a_decision() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut text = String::new();
    for directory in ["filters", "control-plane", "wasm-tests"] {
        sources(&root.join(directory), &mut text);
    }
    let mut missing = Vec::new();
    for (item, what, places) in ITEMS {
        assert!(!places.is_empty(), "{item}: {what}");
        let tests = places.iter().filter(|place| !REASONS.iter().any(|word| place.starts_with(word)));
        missing.extend(
            tests.filter(|test| !text.contains(&format!("{test}("))).map(|test| format!("{item}: {test}")),
        );
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    let numbers: Vec<_> = ITEMS.iter().map(|(item, ..)| *item).filter(|item| *item != "29a").collect();
    assert_eq!(numbers, (1..=32).map(|number| number.to_string()).collect::<Vec<_>>(), "each once, in order");
}
