//! An answer that is given instead of forwarding: status, reason, exact body.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Reason, header};

/// Content type of a body made by [`Refusal::json`] (AG §14, CV §3).
pub const JSON_CONTENT_TYPE: &str = "application/json;charset=UTF-8";

/// Content type of any other body (CV §3, step 1).
pub const TEXT_CONTENT_TYPE: &str = "text/plain; charset=utf-8";

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

    /// An answer with a plain-text body (CV §3, step 1).
    #[must_use]
    pub fn text(status: u16, reason: Reason, body: &str) -> Self {
        Self { status, reason, body: body.to_owned(), retry_after: None }
    }

    /// All headers of the answer beside its status: reason, content type, `Retry-After`. A body that is no JSON
    /// object is plain text, which no browser may guess to be something else.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
        let json = self.body.starts_with('{');
        let body = if json { JSON_CONTENT_TYPE } else { TEXT_CONTENT_TYPE };
        [
            Some((header::REASON, Cow::Borrowed(self.reason.as_str()))),
            (!self.body.is_empty()).then_some(("content-type", Cow::Borrowed(body))),
            (!self.body.is_empty() && !json).then_some(("x-content-type-options", Cow::Borrowed("nosniff"))),
            self.retry_after.map(|seconds| ("retry-after", Cow::Owned(seconds.to_string()))),
        ]
        .into_iter()
        .flatten()
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
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn headers_follow_from_the_body() {
        let headers = |refusal: Refusal| {
            refusal.headers().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(
            headers(Refusal::empty(502, Reason::TargetUnsupported)),
            "x-fairlead-reason: target_unsupported"
        );
        assert_eq!(
            headers(Refusal::retry(Reason::Cold, 1, "no view")),
            "x-fairlead-reason: cold\ncontent-type: application/json;charset=UTF-8\nretry-after: 1"
        );
        assert_eq!(
            headers(Refusal::text(404, Reason::UnknownPath, "404 page not found\n")),
            "x-fairlead-reason: unknown_path\ncontent-type: text/plain; charset=utf-8\nx-content-type-options: nosniff"
        );
    }

    #[test]
    fn error_body_is_spelt_as_go_spells_it() {
        assert_eq!(
            error_body(400, "a<b>&\"\\\n\u{1}é\u{2028}"),
            "{\"code\":400,\"error\":\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\u0001é\\u2028\"}\n"
        );
    }
}
