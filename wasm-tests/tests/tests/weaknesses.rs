//! Each known weakness of Kyma's gateway (AG §19), and the tests that show that we do not have it; or the decision by which we
//! keep it. What stands here exists: a renamed test must be renamed here.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

use std::path::Path;

/// Item, what it was about, and tests as `file::function`, or decisions.
const ITEMS: &[(&str, &str, &[&str])] = &[
    (
        "1",
        "cache keys that collide",
        &["control-plane/model/tests/model/names.rs::names_that_run_together_are_told_apart"],
    ),
    (
        "2",
        "CSRF sessions shared by URL",
        &[
            "control-plane/model/tests/model/csrf.rs::sessions_are_never_shared_across_credentials",
            "control-plane/server/src/grants/broker/tests.rs::csrf_sessions_belong_to_a_credential_and_use_its_token",
        ],
    ),
    (
        "3",
        "tokens shared by different parameters",
        &["control-plane/model/tests/model/oauth.rs::equal_grants_are_one_and_another_version_is_another"],
    ),
    ("4", "cut answers that look complete", &["wasm-tests/tests/src/cases/idle.rs::a_stream_without_progress_ends"]),
    (
        "5",
        "a caller's rejected token spends ours",
        &["wasm-tests/tests/src/cases/replay.rs::streams_and_callers_own_tokens_are_not_repeated"],
    ),
    ("6", "Connection strips injected headers", &["wasm-tests/tests/src/cases/egress.rs::headers"]),
    ("7", "sub-paths read as URIs", &["wasm-tests/tests/src/cases/paths.rs::arrive_byte_for_byte"]),
    ("8", "the last slash is lost", &["decision 40"]),
    ("9", "dot segments leave the base path", &["wasm-tests/tests/src/cases/paths/climbing.rs::nothing_leaves_the_base_path"]),
    ("10", "encodeUrl false encodes", &["wasm-tests/tests/src/cases/paths.rs::arrive_byte_for_byte"]),
    ("11", "Location by string prefix", &["wasm-tests/tests/src/cases/responses.rs::redirects_are_the_callers"]),
    (
        "12",
        "headers compared by spelling, no User-Agent",
        &["filters/engine/src/egress/tests.rs::custom_headers_are_added_where_absent"],
    ),
    (
        "13",
        "two statuses for one cause, which is hidden",
        &["decision 41", "wasm-tests/tests/src/cases/errors_of_credentials.rs::each_failure_has_its_answer"],
    ),
    ("14", "odd lifetimes of tokens", &["control-plane/server/tests/it/grants.rs::lifetimes_are_sane_for_every_expires_in"]),
    (
        "15",
        "any pod calls anything, reads Secrets, sets log levels",
        &[
            "decision 41",
            "wasm-tests/mesh/tests/rbac.rs::rbac_holds_in_real_calls",
            "wasm-tests/tests/tests/health.rs::the_health_port_answers_as_the_contract_says_even_without_the_control_plane",
        ],
    ),
    ("16", "secrets in logs and errors", &["wasm-tests/tests/tests/canary.rs::secrets_do_not_leak_and_a_planted_one_is_found"]),
    (
        "17",
        "bad characters give 500",
        &["filters/engine/src/egress/tests.rs::an_application_segment_with_an_escape_is_unknown_and_dot_segments_are_refused"],
    ),
    (
        "18",
        "names that clash",
        &["decision 3", "control-plane/model/tests/model/names.rs::names_that_become_one_segment_are_refused_and_told"],
    ),
    (
        "19",
        "changes are late",
        &["wasm-tests/tests/tests/live.rs::a_thousand_changes_under_load_are_effective_at_once_and_break_nothing"],
    ),
    ("20", "unknown names cost API calls", &["wasm-tests/tests/src/cases/egress.rs::refusals"]),
    ("21", "bodies in memory", &["wasm-tests/tests/src/cases/large.rs::requests_stream_in_constant_memory"]),
    ("22", "two log lines a request", &["wasm-tests/tests/tests/canary.rs::secrets_do_not_leak_and_a_planted_one_is_found"]),
    (
        "23",
        "connections do not stay",
        &["wasm-tests/tests/src/cases/transport.rs::server_name_and_protocol_follow_the_target"],
    ),
    (
        "24",
        "a token request for each caller",
        &["wasm-tests/tests/src/cases/oauth.rs::a_thousand_cold_calls_are_one_token_request"],
    ),
    (
        "25",
        "connections left behind by tokens and rejections",
        &["control-plane/server/tests/it/grants/odd.rs::an_endpoint_that_trickles_is_given_up_in_time"],
    ),
    (
        "26",
        "caches without bounds",
        &["control-plane/server/src/grants/broker/tests.rs::what_nobody_uses_is_not_refreshed_and_leaves_memory"],
    ),
    (
        "27",
        "everything is repeated",
        &[
            "wasm-tests/tests/src/cases/replay.rs::what_cannot_be_renewed_is_not_repeated",
            "wasm-tests/tests/src/cases/replay.rs::a_403_repeats_only_methods_that_may_be_executed_twice",
        ],
    ),
    ("28", "one time-out for all", &["wasm-tests/tests/src/cases/limits.rs::time_until_headers_changes_live"]),
    (
        "29",
        "no upgrades, events, cancels",
        &[
            "wasm-tests/tests/src/cases/upgrades.rs::messages_flow_both_ways",
            "wasm-tests/tests/src/cases/streams.rs::events_are_delivered_at_once",
            "wasm-tests/tests/src/cases/streams.rs::who_leaves_is_missed",
        ],
    ),
    ("29a", "second answers are cut", &["wasm-tests/tests/src/cases/replay.rs::bodies_and_answers_are_kept_up_to_their_bounds"]),
    (
        "30",
        "no metrics, no traces",
        &[
            "wasm-tests/tests/tests/metrics.rs::requests_and_bytes_are_counted_exactly_by_application_service_entry_and_reason",
            "wasm-tests/tests/tests/tracing.rs::spans_name_application_service_and_reason_and_hold_no_secret",
        ],
    ),
    (
        "31",
        "no HTTP/2, no bulkheads",
        &[
            "wasm-tests/tests/src/cases/grpc.rs::streams_flow_both_ways_at_once",
            "wasm-tests/tests/src/cases/limits.rs::calls_at_a_time_are_an_applications_own",
        ],
    ),
    ("32", "system CAs only", &["wasm-tests/tests/src/cases/transport.rs::trust_changes_live_also_for_warm_connections"]),
];

#[test]
fn each_weakness_has_tests_that_exist_or_a_decision() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut missing = Vec::new();
    for (item, what, places) in ITEMS {
        assert!(!places.is_empty(), "{item}: {what}");
        for place in places.iter().filter(|place| !place.starts_with("decision ")) {
            let (file, function) = place.split_once("::").unwrap();
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            if !text.contains(&format!("fn {function}(")) {
                missing.push(format!("{item} ({what}): {place}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    let numbers: Vec<_> = ITEMS.iter().map(|(item, ..)| *item).filter(|item| *item != "29a").collect();
    assert_eq!(numbers, (1..=32).map(|number| number.to_string()).collect::<Vec<_>>(), "each once, in order");
}
