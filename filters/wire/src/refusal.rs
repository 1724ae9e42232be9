//! An answer that is given instead of forwarding: status, reason, exact body.

use serde::{Deserialize, Serialize};

use crate::Reason;

/// Content type of a body made by [`Refusal::json`] (AG §14, CV §3).
pub const JSON_CONTENT_TYPE: &str = "application/json;charset=UTF-8";

/// A complete local answer. An empty `body` is sent without a content type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The cause.
    pub reason: Reason,
    /// The body, byte for byte.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Seconds for `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// An answer with the contract's JSON body `{"code":…,"error":…}` and a line feed (AG §14).
    #[must_use]
    pub fn json(status: u16, reason: Reason, error: &str) -> Self {
        Self { status, reason, body: error_body(status, error), retry_after: None }
    }

    /// An answer without a body (AG §13: what is made by the gateway instead of the target).
    #[must_use]
    pub fn empty(status: u16, reason: Reason) -> Self {
        Self { status, reason, body: String::new(), retry_after: None }
    }

    /// 503 with `Retry-After` and the JSON body.
    #[must_use]
    pub fn retry(reason: Reason, seconds: u32, error: &str) -> Self {
        Self { retry_after: Some(seconds), ..Self::json(503, reason, error) }
    }
}

/// The body of a JSON error: Go's `encoding/json` spelling, in which `<`, `>`, `&` and the line separators
/// U+2028 and U+2029 are escaped, followed by a line feed (AG §14).
#[must_use]
pub fn error_body(status: u16, error: &str) -> String {
    let mut body = String::with_capacity(error.len() + 32);
    body.push_str("{\"code\":");
    body.push_str(&status.to_string());
    body.push_str(",\"error\":\"");
    for c in error.chars() {
        match c {
            '"' => body.push_str("\\\""),
            '\\' => body.push_str("\\\\"),
            '\n' => body.push_str("\\n"),
            '\r' => body.push_str("\\r"),
            '\t' => body.push_str("\\t"),
            '\u{8}' => body.push_str("\\b"),
            '\u{c}' => body.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                body.push_str("\\u");
                let code = u32::from(c);
                for shift in [12, 8, 4, 0] {
                    body.push(char::from_digit((code >> shift) & 0xf, 16).unwrap_or('0'));
                }
            }
            c => body.push(c),
        }
    }
    body.push_str("\"}\n");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_body_is_spelt_as_go_spells_it() {
        assert_eq!(
            error_body(400, "a<b>&\"\\\n\u{1}é\u{2028}"),
            "{\"code\":400,\"error\":\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\u0001é\\u2028\"}\n"
        );
    }
}
