//! The feed, contract version 1: per-request data from the control plane to the plugins (design decision 7).
//!
//! | call | answer |
//! | --- | --- |
//! | `GET /feed/v1/{view}?epoch=E&revision=N&wait=MS&bytes=B` | [`Poll`]: changes since `N`; held up to `wait` when there are none. Another epoch, or an `N` that is too old: `resync` |
//! | `GET /feed/v1/{view}/records?epoch=E&after=KEY&bytes=B` | [`Records`] in key order: for a plugin that has nothing |
//! | `GET /feed/v1/{view}/hashes?epoch=E&after=KEY&bytes=B` | [`Hashes`] in key order: for a plugin that has records of another epoch |
//! | `POST /feed/v1/{view}/records` with [`Wanted`] | [`Records`] for exactly these keys, so that only differences are fetched |
//!
//! `view` is `egress` or `ingress`; a gateway gets its own only (403 otherwise). `E` of an answer that differs from
//! the question's makes the plugin begin again. A resync goes: `Poll{resync, revision: N0}` → pages → drop what was not
//! listed → poll from `N0`; changes meanwhile come with that poll, because applying a record twice is harmless.
//! Every true answer carries the header [`MARKER`]. The poll carries the plugin's [`Report`] as the header
//! [`REPORT`] (JSON); what cannot wait for the end of a poll is said by one with `wait=0` beside it, whose answer is
//! not looked at. Pages end at about `bytes` bytes of JSON, at least one record each; [`MAX_PAGE_BYTES`] bounds it.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{Refusal, idle::Idle, json};

/// Path under which the feed is served.
pub const PATH: &str = "/feed/v1/";
/// Response header (value `1`) of each answer that the control plane itself made.
pub const MARKER: &str = "x-fairlead-feed";
/// Request header of a poll: the plugin's [`Report`].
pub const REPORT: &str = "x-fairlead-report";
/// Page size asked for by default, bytes of JSON: small enough that reading one never stalls a worker for 2 ms, with
/// room for a machine that is four times slower than the one that this was measured on.
pub const PAGE_BYTES: u32 = 16 * 1024;
/// The largest page that the control plane makes, whatever is asked for.
pub const MAX_PAGE_BYTES: u32 = 1024 * 1024;
/// The longest that a poll is held, milliseconds.
pub const MAX_WAIT_MS: u32 = 55_000;

/// Which half of the data a gateway sees (design decision 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum View {
    /// Targets and credentials, for the egress gateway.
    Egress,
    /// Identities and revocations, for the ingress gateway.
    Ingress,
}

impl View {
    /// The path segment: `egress` or `ingress`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }
}

/// What a record type needs for the feed.
pub trait FeedRecord: Serialize + DeserializeOwned + Clone + PartialEq {
    /// The view that it belongs to.
    const VIEW: View;
    /// Reads one record ([`json`]).
    ///
    /// # Errors
    /// When the bytes are not a record's JSON.
    fn read(bytes: &[u8]) -> json::Result<Self>;
}

/// A changed record. `key` of an egress record is `app/service/entry`, or `app/service` where the manual port's
/// two segments are ambiguous; of an ingress record `app`. Segments are normalised names, which hold no `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed<R> {
    /// The record's key.
    pub key: String,
    /// [`record_hash`] of the record.
    pub hash: String,
    /// The record itself.
    pub record: R,
}

/// Answer to a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "R: DeserializeOwned"))]
pub struct Poll<R> {
    /// The control plane's epoch: 32 hex digits, new with each start of a replica.
    pub epoch: String,
    /// The revision that the plugin has after applying this answer.
    pub revision: u64,
    /// The plugin's epoch or revision is not known here: list everything, then poll from `revision`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resync: bool,
    /// More changes are waiting: poll again at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Records to add or replace.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Keyed<R>>,
    /// Keys to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

/// A page of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "R: DeserializeOwned"))]
pub struct Records<R> {
    /// The control plane's epoch.
    pub epoch: String,
    /// Records in key order. A wanted key that is missing here is gone, or waits for the next question (`more`).
    pub records: Vec<Keyed<R>>,
    /// There are further ones: ask again with `after` = the last key, or with the wanted keys that are left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A page of hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hashes {
    /// The control plane's epoch.
    pub epoch: String,
    /// Key and [`record_hash`], in key order.
    pub hashes: Vec<(String, String)>,
    /// There are further ones: ask again with `after` = the last key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// Keys whose records are wanted, in key order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The epoch that the keys were listed in.
    pub epoch: String,
    /// At most [`MAX_WANTED`].
    pub keys: Vec<String>,
}

/// How many keys one [`Wanted`] may name.
pub const MAX_WANTED: usize = 512;

/// What the plugin says of itself with each poll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Version of the module.
    pub version: String,
    /// Epoch in force; empty while cold.
    pub epoch: String,
    /// Revision in force.
    pub revision: u64,
    /// Transport profiles that requests needed and Envoy did not have, at most [`MAX_MISSING`].
    pub missing_profiles: Vec<String>,
}

/// How many missing profiles a [`Report`] names at most.
pub const MAX_MISSING: usize = 32;

/// What one `app/service/entry` leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EgressRecord {
    /// The manual port's `app/service` leads here too (its only candidate).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
    /// Forward or refuse.
    pub outcome: EgressOutcome,
}

/// Forward or refuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EgressOutcome {
    /// Forward so.
    Route(Box<EgressRoute>),
    /// Answer with this.
    Refusal(Refusal),
}

/// How to call a target, compiled: the plugin copies and looks nothing up.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EgressRoute {
    /// Cluster name of the transport profile ([`profile::PREFIX`](crate::profile::PREFIX)…).
    pub profile: String,
    /// TLS to the target (`https`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
    /// Host, with the port if `targetUrl` names one: the `Host` header, SNI and the name that is verified.
    pub authority: String,
    /// Path of `targetUrl` as spelt there; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_path: String,
    /// Query of `targetUrl` as spelt there, without `?`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// `spec.encodeUrl` (AG §5.1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encode_url: bool,
    /// What goes on top: nothing, a final header value, or a grant.
    #[serde(default)]
    pub credential: Credential,
    /// Header lines to add where the caller sent none of that name (AG §10), in order; names in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Query parameters to add where the key is absent (AG §10): key and values, undecoded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query_parameters: Vec<(String, Vec<String>)>,
    /// Milliseconds until response headers; absent: the installation's default; 0: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_timeout_ms: Option<u32>,
    /// Id of a second [grant](crate::grant), which carries [`csrf`](crate::grant::Granted::csrf) (AG §9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<String>,
    /// A request is not sent again when the target rejects its grant (`spec.fairlead.replay.enabled: false`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_replay: bool,
    /// The largest request body that is kept for a replay, bytes; absent:
    /// [`PluginConfig::replay_bytes`](crate::config::PluginConfig::replay_bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_bytes: Option<u32>,
    /// How many calls of this Application one worker has at a time, 0 for any number; absent:
    /// [`PluginConfig::concurrency`](crate::config::PluginConfig::concurrency).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How long a stream may be idle; absent: five minutes (decision 21).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
}

/// Values are secrets: only names are shown.
impl std::fmt::Debug for EgressRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EgressRoute")
            .field("profile", &self.profile)
            .field("tls", &self.tls)
            .field("authority", &self.authority)
            .field("base_path", &self.base_path)
            .field("credential", &self.credential)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field(
                "query_parameters",
                &self.query_parameters.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .field("csrf", &self.csrf)
            .finish_non_exhaustive()
    }
}

/// What a request gets on top.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Credential {
    /// Nothing; a caller's own `Authorization` passes. Client certificates are part of the transport profile.
    #[default]
    None,
    /// This `Authorization` value (Basic).
    Static(String),
    /// The [grant](crate::grant) of this id.
    Grant(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Static(_) => f.write_str("Static([redacted])"),
            Self::Grant(id) => f.debug_tuple("Grant").field(id).finish(),
        }
    }
}

impl FeedRecord for EgressRecord {
    const VIEW: View = View::Egress;

    fn read(bytes: &[u8]) -> json::Result<Self> {
        json::read_egress(bytes)
    }
}

/// Who may call as an Application, and where its events go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressRecord {
    /// Common names that count, exactly (CV §4.2).
    pub common_names: Vec<String>,
    /// `spec.tenant` and `spec.group`, if both are set: demanded as O and OU (decision 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// Where events go; absent: the installation has no sink, 404.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<Sink>,
}

/// Demanded O and OU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// O of the subject.
    pub organization: String,
    /// OU of the subject.
    pub unit: String,
}

/// The event sink of kind `publisher` (decision 12): events are forwarded unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sink {
    /// Cluster name of the transport profile.
    pub profile: String,
    /// Host and port: the `Host` header.
    pub authority: String,
    /// Path that CloudEvents go to (CV §5): `/publish`.
    pub publish_path: String,
}

impl FeedRecord for IngressRecord {
    const VIEW: View = View::Ingress;

    fn read(bytes: &[u8]) -> json::Result<Self> {
        json::read_ingress(bytes)
    }
}

/// 128 bits of SHA-256 of the record's JSON, 32 lower-case hex digits (decision 31). The plugin stores and compares
/// them and never computes one.
///
/// # Errors
/// When the record cannot be serialised.
pub fn record_hash<R: Serialize>(record: &R) -> Result<String, serde_json::Error> {
    Ok(short_sha256(&serde_json::to_vec(record)?))
}

/// 128 bits of SHA-256 as 32 lower-case hex digits (decisions 31, 32).
#[must_use]
pub fn short_sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let mut hex = String::with_capacity(32);
    for byte in digest.iter().take(16) {
        for nibble in [byte >> 4, byte & 0xf] {
            hex.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    hex
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::Reason;

    fn route() -> EgressRoute {
        EgressRoute {
            profile: "fairlead.t.0123456789abcdef0123456789abcdef".to_owned(),
            tls: true,
            authority: "t.example".to_owned(),
            credential: Credential::Static("Basic c2VjcmV0".to_owned()),
            headers: vec![("x-key".to_owned(), "secret".to_owned())],
            ..EgressRoute::default()
        }
    }

    #[test]
    fn a_record_is_spelt_as_version_1_spells_it() {
        let record = EgressRecord { manual: true, outcome: EgressOutcome::Route(Box::new(route())) };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"manual":true,"outcome":{"route":{"profile":"fairlead.t.0123456789abcdef0123456789abcdef","#,
                r#""tls":true,"authority":"t.example","credential":{"static":"Basic c2VjcmV0"},"#,
                r#""headers":[["x-key","secret"]]}}}"#
            )
        );
        assert_eq!(serde_json::from_str::<EgressRecord>(&json).unwrap(), record);
        let refusal = EgressOutcome::Refusal(Refusal::empty(502, Reason::TargetUnsupported));
        let json = serde_json::to_string(&EgressRecord { manual: false, outcome: refusal }).unwrap();
        assert_eq!(json, r#"{"outcome":{"refusal":{"status":502,"reason":"target_unsupported"}}}"#);
    }

    #[test]
    fn what_was_added_to_version_1_is_spelt_only_where_it_is_set() {
        let route = EgressRoute {
            profile: "p".to_owned(),
            authority: "t".to_owned(),
            csrf: Some("c".to_owned()),
            no_replay: true,
            replay_bytes: Some(1),
            concurrency: Some(0),
            idle: Some(Idle::Unlimited),
            ..EgressRoute::default()
        };
        let json = serde_json::to_string(&route).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"profile":"p","authority":"t","credential":"none","csrf":"c","noReplay":true,"#,
                r#""replayBytes":1,"concurrency":0,"idle":"none"}"#
            )
        );
        assert_eq!(serde_json::from_str::<EgressRoute>(&json).unwrap(), route);
    }

    #[test]
    fn fields_of_a_later_minor_version_are_ignored() {
        let poll: Poll<EgressRecord> = serde_json::from_str(
            r#"{"epoch":"e","revision":1,"later":[1],"changed":[{"key":"a/b/c","hash":"0","new":{},"record":{"outcome":{"refusal":{"status":500,"reason":"later","x":1}},"y":2}}]}"#,
        )
        .unwrap();
        assert_eq!(poll.changed.len(), 1);
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let shown = format!("{:?}", route());
        assert!(!shown.contains("c2VjcmV0") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_hash_is_128_bits_of_sha_256() {
        assert_eq!(short_sha256(b""), "e3b0c44298fc1c149afbf4c8996fb924");
    }
}
