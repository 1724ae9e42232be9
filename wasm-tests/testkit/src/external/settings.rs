//! What tests can change while the double runs.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

/// All settings. The admin interface takes and gives them whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether requests are recorded. Off for measurements.
    pub record: bool,
    /// How many recorded requests are kept; the oldest go first.
    pub keep: usize,
    /// The token endpoint.
    pub token: Token,
    /// The event sink.
    pub sink: Sink,
    /// Names that the DNS server answers: exact, or `*.suffix`.
    pub dns: BTreeMap<String, Vec<IpAddr>>,
    /// Time to live of DNS answers, seconds.
    pub dns_ttl: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            record: true,
            keep: 10_000,
            token: Token::default(),
            sink: Sink::default(),
            dns: BTreeMap::new(),
            dns_ttl: 5,
        }
    }
}

/// The token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Token {
    /// Client id → secret. Empty: any pair that is the same in `Authorization` and form.
    pub clients: BTreeMap<String, String>,
    /// Milliseconds before an answer.
    pub delay_ms: u64,
    /// Answer with this status instead of judging the request.
    pub status: Option<u16>,
    /// With this body instead of a token.
    pub body: Option<String>,
    /// `expires_in`, seconds; absent from the answer if none.
    pub expires_in: Option<u64>,
    /// What every token begins with.
    pub prefix: String,
}

impl Default for Token {
    fn default() -> Self {
        Self {
            clients: BTreeMap::new(),
            delay_ms: 0,
            status: None,
            body: None,
            expires_in: Some(3600),
            prefix: "token-".to_owned(),
        }
    }
}

/// The event sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sink {
    /// Answer with this status instead of 200 or 204.
    pub status: Option<u16>,
    /// Milliseconds before an answer.
    pub delay_ms: u64,
}
