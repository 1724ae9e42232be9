//! The embedded gateways: what their Envoys are told.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// What both gateways have in common, and each of them. An absent gateway gets no files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GatewaysConfig {
    /// Path of `fairlead.wasm`.
    pub module: PathBuf,
    /// Until a target's response headers (AG §13); an Application may say otherwise. `0s`: no limit.
    pub headers_timeout: Span,
    /// Until a connection to a target is usable, TLS included.
    pub connect_timeout: Span,
    /// Without progress for this long a stream ends (decision 21).
    pub idle_timeout: Span,
    /// How many calls of one Application one worker has at a time; further ones get 503 at once. An Application may say
    /// otherwise. 0: no limit.
    pub concurrency: u32,
    /// How many combinations of application, service and entry have metrics of their own in one worker; later ones are
    /// counted together, as `other`.
    pub metered: u32,
    /// Where embedded gateways send spans: address of an OTLP collector that speaks HTTP; `null`: nowhere. Targets then get
    /// `traceparent`, too.
    pub traces: Option<SocketAddr>,
    /// Second attempt after a target rejected a token (decision 22).
    pub replay: ReplayConfig,
    /// Until a caller's request headers are complete.
    pub request_headers_timeout: Span,
    /// How long a caller's connection is kept between two requests (AG §13).
    pub keep_alive: Span,
    /// How long requests are held while a worker has no complete view or no grant (decision 35).
    pub hold: Span,
    /// How many requests one worker holds at most.
    pub max_held: u32,
    /// Age of a view past which a warning is counted.
    pub stale_warning: Span,
    /// Age of a view past which ingress refuses (design decision 7).
    pub max_staleness: Span,
    /// The egress gateway; `null`: none.
    pub egress: Option<EgressConfig>,
    /// The ingress gateway; `null`: none.
    pub ingress: Option<IngressConfig>,
}

impl Default for GatewaysConfig {
    fn default() -> Self {
        Self {
            module: PathBuf::from("fairlead.wasm"),
            headers_timeout: Span::seconds(10),
            connect_timeout: Span::seconds(10),
            idle_timeout: Span::seconds(300),
            concurrency: 1_024,
            metered: 1_000,
            traces: None,
            replay: ReplayConfig::default(),
            request_headers_timeout: Span::seconds(10),
            keep_alive: Span::seconds(10),
            hold: Span::seconds(5),
            max_held: 4_096,
            stale_warning: Span::seconds(300),
            max_staleness: Span::seconds(3_600),
            egress: Some(EgressConfig::default()),
            ingress: Some(IngressConfig::default()),
        }
    }
}

/// Second attempt after a target rejected a token (decision 22).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ReplayConfig {
    /// Whether there is one; an Application may say otherwise.
    pub enabled: bool,
    /// The largest request body that is kept for it, bytes; an Application may say otherwise.
    pub max_request_bytes: u32,
    /// The largest second answer, bytes; a larger one becomes a 502.
    pub max_answer_bytes: u32,
    /// How much one worker keeps at a time, requests and answers of all calls together, bytes.
    pub budget_bytes: u32,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        const MIB: u32 = 1024 * 1024;
        Self { enabled: true, max_request_bytes: MIB, max_answer_bytes: 4 * MIB, budget_bytes: 16 * MIB }
    }
}

/// The egress gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct EgressConfig {
    /// Address that its listeners bind to.
    pub address: IpAddr,
    /// Port of `/{app}/{service}/…` (AG §3).
    pub manual_port: u16,
    /// Port of `/{app}/{service}/{entry}/…` (AG §3).
    pub ucl_port: u16,
    /// Port of AG §17.
    pub health_port: u16,
    /// Host names that are ours; `*` for all.
    pub hosts: Vec<String>,
    /// Envoy's admin interface; absent: a socket beside the gateway's files.
    #[schemars(with = "Option<String>")]
    pub admin: Option<SocketAddr>,
    /// File that gets a line per request; absent: none is written.
    pub access_log: Option<PathBuf>,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            manual_port: 8080,
            ucl_port: 8082,
            health_port: 8081,
            hosts: vec!["*".to_owned()],
            admin: None,
            access_log: None,
        }
    }
}

/// The ingress gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct IngressConfig {
    /// Address that its listener binds to.
    pub address: IpAddr,
    /// Port of the mTLS listener.
    pub port: u16,
    /// Host names that are ours; the self-signed certificate carries them.
    pub hosts: Vec<String>,
    /// The pair that external systems see; absent: a self-signed one is made and renewed.
    pub certificate: Option<CertificateFiles>,
    /// Files of CAs (PEM) whose client certificates are accepted; they are composed to one bundle (decision 8).
    pub client_ca: Vec<PathBuf>,
    /// What the plugin does with a request: `route`, or `identify: <address>`.
    // As a map, which is what the schema says; without this YAML wants a tag.
    #[serde(with = "yaml_serde::with::singleton_map")]
    #[schemars(with = "PipelineConfig")]
    pub pipeline: PipelineConfig,
    /// Envoy's admin interface; absent: a socket beside the gateway's files.
    #[schemars(with = "Option<String>")]
    pub admin: Option<SocketAddr>,
    /// File that gets a line per request; absent: none is written.
    pub access_log: Option<PathBuf>,
}

impl Default for IngressConfig {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8443,
            hosts: vec!["gateway.kyma.local".to_owned()],
            certificate: None,
            client_ca: Vec::new(),
            pipeline: PipelineConfig::Route,
            admin: None,
            access_log: None,
        }
    }
}

/// What the ingress plugin does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PipelineConfig {
    /// Check identity, then to the sink of the Application.
    Route,
    /// Check identity, set `x-application`, then everything to this plain HTTP address (design decision 1).
    Identify(#[schemars(with = "String")] SocketAddr),
}

/// A certificate chain and its key, PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateFiles {
    /// Certificate chain, the leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}
