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
    /// A token endpoint at exactly this path, instead of `token`.
    pub token_at: BTreeMap<String, Token>,
    /// The CSRF endpoint and the target behind it.
    pub csrf: Csrf,
    /// The CONNECT proxy.
    pub proxy: Proxy,
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
            token_at: BTreeMap::new(),
            csrf: Csrf::default(),
            proxy: Proxy::default(),
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
    /// Client id → secret, or SHA-256 of the certificate (lower-case hex). Empty: any pair that is the same in
    /// `Authorization` and form, any certificate.
    pub clients: BTreeMap<String, String>,
    /// Milliseconds before an answer.
    pub delay_ms: u64,
    /// Answer with this status instead of judging the request.
    pub status: Option<u16>,
    /// With this body instead of a token.
    pub body: Option<String>,
    /// `expires_in`, seconds; absent from the answer if none.
    pub expires_in: Option<u64>,
    /// Fields of the answer in any shape; they go before all others.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// Statuses of its answers in turn, over and over; 200 judges the request. Empty: as `status` says.
    pub flapping: Vec<u16>,
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
            fields: serde_json::Map::new(),
            flapping: Vec::new(),
            prefix: "token-".to_owned(),
        }
    }
}

/// The CSRF endpoint and the target behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Csrf {
    /// Answer with this status instead of a session.
    pub status: Option<u16>,
    /// Milliseconds before an answer of the endpoint.
    pub delay_ms: u64,
    /// What the target says where token and cookie are not of one session.
    pub rejection: u16,
    /// What every token begins with.
    pub token_prefix: String,
    /// What every session cookie's value begins with.
    pub cookie_prefix: String,
}

impl Default for Csrf {
    fn default() -> Self {
        Self {
            status: None,
            delay_ms: 0,
            rejection: 403,
            token_prefix: "csrf-token-".to_owned(),
            cookie_prefix: "csrf-cookie-".to_owned(),
        }
    }
}

/// The CONNECT proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// Answer with this status instead of connecting.
    pub status: Option<u16>,
    /// `Proxy-Authorization` must be exactly this.
    pub authorization: Option<String>,
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
