//! Times and sizes: grants, transport profiles, directory store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// Grants: tokens fetched on behalf of the gateways (design decision 9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GrantsConfig {
    /// How long a token endpoint may take, redirects included (AG §13: `proxyTimeout`).
    pub timeout: Span,
    /// How large a token endpoint's answer may be, bytes.
    pub max_answer_bytes: u32,
    /// How many rejections of one grant are honoured with a new token within `rejectionWindow`.
    pub max_rejections: u32,
    /// See `maxRejections`.
    pub rejection_window: Span,
    /// How long a grant that no resource names any longer is still given: gateways may be one change behind.
    pub retire_after: Span,
    /// How many requests may be under way at a time, to all token and CSRF endpoints together; more wait.
    pub max_in_flight: u32,
    /// How many of them may be to one endpoint.
    pub max_in_flight_per_endpoint: u32,
    /// How many fetches of one grant may fail in a row before the next waits for `backOff`; meanwhile who asks gets the
    /// last failure again, with `Retry-After`.
    pub failures_before_back_off: u32,
    /// The first wait; each further failure doubles it.
    pub back_off: Span,
    /// The longest wait.
    pub max_back_off: Span,
    /// How many requests to one endpoint may fail in a row (no connection, no answer in time, 429 or 5xx) before nobody
    /// asks it for `breakerOpen`, whichever the grant; then a single request tries it.
    pub breaker_failures: u32,
    /// For how long at first; each try that fails doubles it.
    pub breaker_open: Span,
    /// For how long at most.
    pub max_breaker_open: Span,
}

impl Default for GrantsConfig {
    fn default() -> Self {
        Self {
            timeout: Span::seconds(10),
            max_answer_bytes: 64 * 1024,
            max_rejections: 5,
            rejection_window: Span::seconds(60),
            retire_after: Span::seconds(5),
            max_in_flight: 512,
            max_in_flight_per_endpoint: 64,
            failures_before_back_off: 3,
            back_off: Span::seconds(1),
            max_back_off: Span::seconds(30),
            breaker_failures: 10,
            breaker_open: Span::seconds(1),
            max_breaker_open: Span::seconds(30),
        }
    }
}

/// Life of transport profiles (design decision 12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ProfilesConfig {
    /// How long a profile that nothing uses any longer stays in Envoy.
    pub grace: Span,
    /// How long Envoy gets to take a new profile before records name it. Only changes that bring a new profile wait.
    pub settle: Span,
}

impl Default for ProfilesConfig {
    fn default() -> Self {
        // Envoy takes a renamed CDS file within 9–50 ms.
        Self { grace: Span::seconds(600), settle: Span::milliseconds(60) }
    }
}

/// Bounds of the directory store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Files above this size are not read, bytes.
    pub max_file_bytes: u64,
    /// Further files than this many are not read.
    pub max_files: u32,
    /// Further documents of a file than this many are not read.
    pub max_documents: u32,
    /// How many directories deep files are looked for.
    pub max_depth: u32,
    /// How long changes are gathered before they are looked at; at most 10ms keep the promise of 100 ms.
    pub debounce: Span,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            max_file_bytes: 64 * 1024 * 1024,
            max_files: 200_000,
            max_documents: 200_000,
            max_depth: 16,
            debounce: Span::milliseconds(5),
        }
    }
}
