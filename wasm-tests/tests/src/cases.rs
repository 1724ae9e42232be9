//! What Fairlead must do, as tables of cases: one list, two beds.
//!
//! A table is a function `fn(&dyn Place)` in a module of its own below this one, with `NEEDS` beside it, which says how
//! its bed must be ([`Needs`](crate::place::Needs)). It writes its resources itself, under names that begin with the table's, and fails by
//! panicking. [`each_table!`](crate::each_table) lists all of them, and makes a test of each:
//!
//! * in the embedded bed, `tests/cases.rs`, each in an installation of its own;
//! * in the mesh, `wasm-tests/mesh/tests/installed/tables.rs`, one after the other in one installation: what a table wrote
//!   is deleted behind it, and one that needs another configuration gets it by an upgrade of the chart.
//!
//! So a new table is a module here and a word in the list, and runs in both. What depends on how a bed is made (files of
//! the control plane, a worker's connections, a restart) is no table: it is written out in that bed's own tests.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::missing_panics_doc,
    reason = "the body of a test: a failure is a failed test"
)]

pub mod bodies;
pub mod bulkhead;
pub mod certificates;
pub mod csrf;
pub mod egress;
pub mod errors_of_credentials;
pub mod grpc;
pub mod headers;
pub mod idle;
pub mod ingress;
pub mod large;
pub mod limits;
pub mod live;
pub mod oauth;
pub mod paths;
pub mod proxies;
pub mod replay;
pub mod responses;
pub mod streams;
pub mod times;
pub mod transport;
pub mod upgrades;

/// Makes a test of each table; `run!(needs, table)` says how the bed runs one: `fn(&Needs, fn(&dyn Place)) -> Result`.
#[macro_export]
macro_rules! each_table {
    ($run:path) => {
        $crate::each_table! { @tests $run:
            egress { paths, headers, credentials, answers, refusals }
            paths { arrive_byte_for_byte, name_exactly_one_service, nothing_leaves_the_base_path }
            bodies {
                requests_stream_whatever_the_method_and_size, answers_come_as_the_target_sent_them,
                upgraded_connections_flow_both_ways,
            }
            streams {
                events_are_delivered_at_once, who_leaves_is_missed, slow_peers_are_borne,
                a_target_too_slow_with_its_head_is_given_up,
            }
            large {
                answers_stream_in_constant_memory, a_caller_that_does_not_read_holds_the_target,
                requests_stream_in_constant_memory,
            }
            headers { odd_lines_arrive, what_is_added_is_ours, malformed_lines_are_refused }
            responses {
                informational_answers_do_not_hide_the_final_one, bodiless_answers_stay_bodiless, lines_pass_as_they_are,
                redirects_are_the_callers, trailers_pass_both_ways, leave_to_send_is_given,
            }
            upgrades {
                messages_flow_both_ways, end_when_the_caller_goes, refusals_of_targets_pass, other_upgrades_are_not_made,
            }
            grpc { unary_calls_pass, streams_flow_both_ways_at_once, failures_and_cancels_pass }
            transport {
                server_name_and_protocol_follow_the_target, trust_changes_live_also_for_warm_connections, guard,
                guard_judges_every_address_of_a_name,
            }
            oauth {
                token_request_is_exact_and_follows_its_secret, a_thousand_cold_calls_are_one_token_request,
                works_with_a_real_server, token_endpoint_is_guarded_and_asked_only_when_needed,
                odd_token_answers_are_taken_as_the_contract_says,
            }
            certificates { are_shown_to_targets_that_ask, a_patched_pair_reaches_every_connection }
            proxies {
                targets_are_reached_by_the_proxy_alone, whatever_is_called_takes_the_tunnel,
                a_proxy_at_a_refused_address_is_not_called, proxies_come_and_go_under_load,
            }
            errors_of_credentials {
                each_failure_has_its_answer, a_corrected_secret_is_effective_and_a_broken_one_is_not,
            }
            limits { time_until_headers_changes_live, calls_at_a_time_are_an_applications_own }
            replay {
                a_call_with_a_rejected_token_is_repeated_with_a_newer_one,
                the_second_answer_is_treated_as_every_answer,
                a_403_repeats_only_methods_that_may_be_executed_twice,
                bodies_and_answers_are_kept_up_to_their_bounds, an_application_says_how_much_is_kept,
                a_target_that_always_rejects_gets_exactly_two_calls, what_cannot_be_renewed_is_not_repeated,
                streams_and_callers_own_tokens_are_not_repeated, a_thousand_rejections_are_one_new_token,
        a_thousand_rejections_without_a_new_token_are_told,
            }
            csrf {
                token_and_cookies_are_on_every_request, an_access_token_keeps_the_session,
                a_rejected_session_is_renewed_and_the_call_repeated, no_session_is_an_error_with_its_cause,
            }
            bulkhead { an_application_has_so_many_calls_at_a_time }
            times { until_headers_are_limited_and_bodies_are_not }
            idle { a_stream_without_progress_ends, an_application_has_its_own }
            live { changes_under_load_are_effective_at_once_and_break_nothing }
            ingress {
                requests, handshakes, sink_answers, methods_and_bodies, nothing_is_held_back, who_may_send_changes_live,
            }
        }
    };
    (@tests $run:path: $($module:ident { $($table:ident),* $(,)? })*) => {
        $(mod $module {
            $(#[test]
            fn $table() {
                if let Err(error) = $run(&$crate::cases::$module::NEEDS, $crate::cases::$module::$table) {
                    panic!("{error}");
                }
            })*
        })*
    };
}
