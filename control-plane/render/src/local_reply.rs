//! `local_reply_config`: Envoy's own answers in the contract's words (AG §12–14, CV §6).
//!
//! A mapper is chosen by response flags and response code details. Both describe Envoy's own failures; an answer that
//! the plugin gives carries neither, so that its status, body and headers stay as they are. Target answers never come
//! here.

use fairlead_wire::{
    Reason,
    header::REASON,
    refusal::{JSON_CONTENT_TYPE, Refusal},
};
use serde_json::{Value, json};

use crate::{guard, json::extension};

/// Seconds after which a caller may ask again.
const RETRY_AFTER: u32 = 1;

/// Response flags of a target that gave no complete response header: name not resolved (`DF`), connection refused or
/// TLS refused (`UF`), no address (`UH`), closed or reset (`UC`, `UR`, `LR`), not HTTP (`UPE`), too many at once (`UO`).
const UNREACHABLE: &[&str] = &["DF", "UF", "UH", "UC", "UR", "LR", "UPE", "UO"];

/// Details of a connection attempt that took too long. Its flag is `UF`, as a refused connection's; to the contract it
/// is a target that did not answer in time.
const CONNECT_TIMEOUT: &str = "response.code_details.contains('{connection_timeout')";

/// Nothing moved on a stream for too long before an answer began. Envoy says 504 where the request is complete, so that
/// the target is to blame, and 408 where it is not; and 408 as well where not even the headers came in time.
const TARGET_IDLE: &str = "response.code_details == 'stream_idle_timeout' && response.code == 504";
/// A target's 408 that the plugin gives, after it sent a request again, says where it is from.
const CALLER_SLOW: &str = "response.code == 408 && response.code_details != 'via_upstream'";

/// The plugin's VM died, or its replacement is not there yet.
const PLUGIN_FAILED: &str = "response.code_details == 'wasm_fail_stream'";

/// The plugin's VM died while it held the request: while the plugin lives, a request gets a route or an answer sooner.
const PLUGIN_LOST: &str = "response.code_details == 'stream_idle_timeout' && xds.route_name != 'target'";

/// `OPTIONS *` asks about the server as a whole (RFC 9110 §9.3.7). Envoy refuses its path before any filter or route
/// sees it; the contract is an empty 200 (AG §3).
const OPTIONS: &str =
    "response.code_details == 'absolute_path_rejected' && request.method == 'OPTIONS' && request.path == '*'";

/// The whole `local_reply_config`. The first mapper that matches wins.
#[must_use]
pub fn config() -> Value {
    let guarded = format!("response.code_details == 'rbac_access_denied_matched_policy[{}]'", guard::POLICY);
    let profile = "the gateway does not know the transport profile yet";
    let plugin = "the gateway's plugin is starting again";
    json!({ "mappers": [
        mapper(&details(&guarded), &Refusal::empty(502, Reason::TargetRefused)),
        mapper(&flags(&["NC"]), &Refusal::retry(Reason::ProfileMissing, RETRY_AFTER, profile)),
        mapper(&details(PLUGIN_FAILED), &Refusal::retry(Reason::Cold, RETRY_AFTER, plugin)),
        mapper(&details(PLUGIN_LOST), &Refusal::retry(Reason::Cold, RETRY_AFTER, plugin)),
        mapper(&details(CONNECT_TIMEOUT), &Refusal::empty(504, Reason::TargetTimeout)),
        mapper(&details(TARGET_IDLE), &Refusal::empty(504, Reason::TargetTimeout)),
        mapper(&details(CALLER_SLOW), &Refusal::empty(408, Reason::CallerTimeout)),
        mapper(&flags(&["UT"]), &Refusal::empty(504, Reason::TargetTimeout)),
        mapper(&flags(UNREACHABLE), &Refusal::empty(502, Reason::TargetUnreachable)),
        { "filter": details(OPTIONS), "status_code": 200, "body": { "inline_string": "" } },
    ] })
}

/// A mapper that replaces status, body and content type.
fn mapper(filter: &Value, refusal: &Refusal) -> Value {
    let mut headers = vec![header(REASON, refusal.reason.as_str())];
    if let Some(seconds) = refusal.retry_after {
        headers.push(header("retry-after", &seconds.to_string()));
    }
    let mut mapper = json!({
        "filter": filter,
        "status_code": refusal.status,
        "body": { "inline_string": refusal.body },
        "headers_to_add": headers,
    });
    if let (false, Some(mapper)) = (refusal.body.is_empty(), mapper.as_object_mut()) {
        mapper.insert(
            "body_format_override".to_owned(),
            json!({
                "text_format_source": { "inline_string": "%LOCAL_REPLY_BODY%" },
                "content_type": JSON_CONTENT_TYPE,
            }),
        );
    }
    mapper
}

fn flags(flags: &[&str]) -> Value {
    json!({ "response_flag_filter": { "flags": flags } })
}

fn details(expression: &str) -> Value {
    json!({ "extension_filter": extension(
        "envoy.access_loggers.extension_filters.cel",
        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        json!({ "expression": expression }),
    ) })
}

fn header(name: &str, value: &str) -> Value {
    json!({
        "header": { "key": name, "value": value },
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    })
}
