//! `pluginConfig`: what a gateway's plugin is told at start. No secrets (decision 33).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{feed, profile};

/// Root id (`pluginName`) of the egress pipeline.
pub const EGRESS: &str = "egress";
/// Root id (`pluginName`) of the ingress pipeline.
pub const INGRESS: &str = "ingress";

/// Configuration of one plugin instance. Empty configuration means all defaults: nothing is ours.
///
/// Fields that are not known count for nothing: while a control plane is replaced by the next, the plugin of the one is
/// given the configuration of the other, and refusing it would refuse every request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginConfig {
    /// Host names that are ours, lower case, without port; `*` for all. Requests for others pass untouched.
    pub hosts: Vec<String>,
    /// Listener port → what it does. With one entry it holds for whatever port the request came by, and no
    /// property is read; a port that is not named passes untouched.
    pub listeners: BTreeMap<u16, Mode>,
    /// The listener itself admits TLS connections for no other server name than the one host in `hosts`
    /// (`filter_chain_match`): then no property is read to compare the two (decision 9). Has no effect with several
    /// hosts, or with `*`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub server_name_matched: bool,
    /// How to reach the control plane.
    pub control: Control,
    /// How long requests are held while no complete view or no grant is there, milliseconds (decision 35).
    pub hold_ms: u32,
    /// How many requests one worker holds at most; further ones get 503.
    pub max_held: u32,
    /// Age of the view past which a warning is counted, milliseconds.
    pub stale_warning_ms: u64,
    /// Age of the view past which ingress refuses, milliseconds (design decision 7).
    pub max_staleness_ms: u64,
    /// Where the client identity of an ingress request comes from.
    pub identity: IdentitySource,
    /// The largest request body that is kept for a replay, bytes, where a route does not say (decision 22).
    pub replay_bytes: u32,
    /// The largest answer to a replay, bytes (decision 22).
    pub replay_answer_bytes: u32,
    /// Bytes that one worker keeps for replays at a time: request bodies and answers. Past it, bodies are not kept.
    pub replay_budget: u32,
    /// Milliseconds until response headers that routes have natively, 0 for no limit; the plugin needs it for replays
    /// only.
    pub headers_timeout_ms: u32,
    /// How many calls of one Application a worker has at a time, where a route does not say; 0 for any number.
    pub concurrency: u32,
    /// How many combinations of application, service and entry have metrics of their own in one worker; those that come
    /// later are counted together.
    pub metered: u32,
    /// Spans are written: the plugin gives them the application, service and entry.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub traced: bool,
}

impl Default for PluginConfig {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            listeners: BTreeMap::new(),
            server_name_matched: false,
            control: Control::default(),
            hold_ms: 5_000,
            max_held: 4_096,
            stale_warning_ms: 300_000,
            max_staleness_ms: 3_600_000,
            identity: IdentitySource::default(),
            replay_bytes: 1024 * 1024,
            replay_answer_bytes: 4 * 1024 * 1024,
            replay_budget: 16 * 1024 * 1024,
            headers_timeout_ms: 10_000,
            concurrency: 1024,
            metered: 1_000,
            traced: false,
        }
    }
}

/// What a listener does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// `/{app}/{service}/…` (AG §3).
    Manual,
    /// `/{app}/{service}/{entry}/…` (AG §3).
    Ucl,
    /// Check identity and route to the sink (CV §3–6).
    Route,
    /// Check identity, set `x-application`, leave routing to others (design decision 1).
    Identify,
}

/// How to reach the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Control {
    /// Envoy cluster.
    pub cluster: String,
    /// `:authority` of calls.
    pub authority: String,
    /// How long a poll is held, milliseconds.
    pub wait_ms: u32,
    /// Page size to ask for, bytes.
    pub page_bytes: u32,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            cluster: profile::CONTROL_CLUSTER.to_owned(),
            authority: "fairlead-control".to_owned(),
            wait_ms: 25_000,
            page_bytes: feed::PAGE_BYTES,
        }
    }
}

/// Where the client identity comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdentitySource {
    /// `X-Forwarded-Client-Cert` as this very gateway sets it (`SANITIZE_SET`) from a verified handshake.
    #[default]
    Xfcc,
    /// The connection's own properties.
    Connection,
}
