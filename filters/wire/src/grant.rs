//! Grants: what a request gets, fetched by the control plane on the plugin's demand (design decision 9).
//!
//! `POST /grants/v1/{id}` with a [`GrantRequest`] → 200 and a [`GrantAnswer`], carrying
//! [`feed::MARKER`](crate::feed::MARKER) so that the plugin tells it from Envoy's synthetic answers.
//! An id that the control plane does not know is [`GrantAnswer::Unknown`]. Only the egress gateway may ask.

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// Path under which grants are asked for; the id follows.
pub const PATH: &str = "/grants/v1/";

/// How long a plugin waits for a grant, milliseconds: longer than the 10 s that the control plane's broker gives a
/// token endpoint (AG §13), so that its 502 with the cause reaches the caller.
pub const WAIT_MS: u32 = 12_000;

/// What the plugin sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantRequest {
    /// The serial of the grant that the plugin holds and cannot use any longer: the answer must have a higher one.
    /// Absent when it holds none or only refreshes ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<u64>,
}

/// What the control plane answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GrantAnswer {
    /// A grant to use.
    Granted(Granted),
    /// No grant can be had now; answer the waiting requests with this.
    Refused(Refusal),
    /// The id is not known (any longer): the record that named it is out of date.
    Unknown,
}

/// A grant. Lifetimes are relative to the moment the answer was made.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// Rises with every new token of this id.
    pub serial: u64,
    /// The complete value of the `Authorization` header; empty where `csrf` is what was granted.
    pub authorization: String,
    /// Ask again after this many milliseconds, while the grant is still good. Absent: not before it is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_ms: Option<u64>,
    /// Do not use it after this many milliseconds. Absent: until it is rejected (AG §8.3, `expires_in` absent).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// What a CSRF endpoint gave (AG §9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<Csrf>,
}

/// A CSRF token and the session that it holds in.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Csrf {
    /// Value of the header [`X-csrf-token`](crate::header::CSRF_TOKEN); may be empty.
    pub token: String,
    /// `name=value` of each `Set-Cookie`, in order, without attributes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<String>,
}

impl std::fmt::Debug for Csrf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Csrf([redacted])")
    }
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Granted")
            .field("serial", &self.serial)
            .field("authorization", &"[redacted]")
            .field("refresh_ms", &self.refresh_ms)
            .field("expires_ms", &self.expires_ms)
            .field("csrf", &self.csrf)
            .finish()
    }
}
