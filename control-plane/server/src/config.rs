//! `fairlead.yaml`: everything that an installation can choose, typed, with its defaults in the types (decision 30).
//!
//! Read once at the start; the JSON schema in the documentation is made of these types (`fairlead schema`).
//! There are no secrets in it.

mod duration;
mod gateways;
mod kubernetes;
mod limits;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use fairlead_model::Proxy;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use duration::Span;
pub use gateways::{
    CertificateFiles, EgressConfig, GatewaysConfig, IngressConfig, PipelineConfig, ReplayConfig,
};
pub use kubernetes::{
    EndpointConfig, IstioRootConfig, KubernetesConfig, LeaseConfig, MeshEgressConfig, MeshIngressConfig,
    ModuleConfig, SecretKey, SecretName, StatusesConfig,
};
pub use limits::{GrantsConfig, ProfilesConfig, StoreConfig};

/// The configuration of one control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// Where certificates, gateway files and the admin socket are kept. Made when absent.
    pub state_directory: PathBuf,
    /// Directory of YAML manifests: Applications and Secrets. Read recursively, watched.
    pub resources: PathBuf,
    /// Trust domain of the SPIFFE ids.
    pub trust_domain: String,
    /// Where credentials are looked up; the first that has a Secret of the name wins (decision 1).
    pub secret_namespaces: Vec<String>,
    /// URL that events are sent to (`publisher`, decision 12); absent: Applications have no event sink.
    pub sink: Option<String>,
    /// Where the control plane listens.
    pub control: ControlConfig,
    /// The embedded gateways.
    pub gateways: GatewaysConfig,
    /// How targets and token endpoints are reached.
    pub targets: TargetsConfig,
    /// Grants: tokens fetched on behalf of the gateways.
    pub grants: GrantsConfig,
    /// Life of transport profiles.
    pub profiles: ProfilesConfig,
    /// Bounds of the directory store.
    pub store: StoreConfig,
    /// Kubernetes mode; absent: the embedded mode, with a directory of manifests and gateways' files.
    pub kubernetes: Option<KubernetesConfig>,
    /// Log level: `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: LogLevel,
    /// Whether `PUT /v1/loglevel` may change it (decision 35).
    pub allow_log_level_change: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_directory: PathBuf::from("target/up"),
            resources: PathBuf::from("target/up/resources"),
            trust_domain: "cluster.local".to_owned(),
            secret_namespaces: vec!["kyma-system".to_owned(), "kyma-integration".to_owned()],
            sink: None,
            control: ControlConfig::default(),
            gateways: GatewaysConfig::default(),
            targets: TargetsConfig::default(),
            grants: GrantsConfig::default(),
            profiles: ProfilesConfig::default(),
            store: StoreConfig::default(),
            kubernetes: None,
            log_level: LogLevel::Info,
            allow_log_level_change: false,
        }
    }
}

/// Where the control plane listens: the defaults are the embedded mode's (decision 34), decision 28 has those of a
/// cluster, which the chart sets. Port 0 takes a free one, which the ready line names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ControlConfig {
    /// Address that all its listeners bind to.
    pub address: IpAddr,
    /// mTLS, gateways only: feed and grants.
    pub gateway_port: u16,
    /// Plain: health and log level (AG §17), behind the egress gateway's 8081.
    pub health_port: u16,
    /// Plain: Prometheus metrics.
    pub metrics_port: u16,
    /// Plain, in the cluster only: modules for gateways. Absent: 8080 in Kubernetes mode, none in the embedded mode.
    pub internal_port: Option<u16>,
    /// Name in the control plane's certificate; the mTLS listener answers to no other SNI.
    pub server_name: String,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            gateway_port: 18443,
            health_port: 18081,
            metrics_port: 19090,
            internal_port: None,
            server_name: "fairlead-control".to_owned(),
        }
    }
}

/// How targets and token endpoints are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TargetsConfig {
    /// Networks that are allowed although they are loopback, link-local and the like (design decision 13).
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<IpNet>,
    /// DNS servers; none: names are resolved as the machine does it.
    #[schemars(with = "Vec<String>")]
    pub name_servers: Vec<SocketAddr>,
    /// Bundle of trusted CAs, PEM; absent: the machine's, from where the usual distributions keep it.
    pub system_ca: Option<PathBuf>,
    /// HTTP proxy in front of targets, token and CSRF endpoints: `http://host:port`, without user name and password. An
    /// Application may name another, or `none`. Absent: everything is called directly.
    pub proxy: Option<String>,
}

/// Where distributions keep the bundle of trusted CAs.
const SYSTEM_CA: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

impl TargetsConfig {
    /// The bundle of trusted CAs, for gateways and token endpoints alike.
    #[must_use]
    pub fn system_ca(&self) -> PathBuf {
        let usual = || SYSTEM_CA.iter().map(PathBuf::from).find(|path| path.exists());
        self.system_ca.clone().or_else(usual).unwrap_or_else(|| SYSTEM_CA.iter().map(PathBuf::from).collect())
    }

    /// The proxy; one that is none was refused when the configuration was read.
    #[must_use]
    pub fn proxy(&self) -> Option<Proxy> {
        self.proxy.as_deref().and_then(|proxy| Proxy::parse(proxy).ok())
    }
}

/// Log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word for it, as AG §17 and the configuration spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Why there is no usable configuration: one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {source}", path = path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Line, column and field.
        source: yaml_serde::Error,
    },
    /// A value makes no sense.
    #[error("{path}: {field}: {reason}", path = path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// Field by its path.
        field: &'static str,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl Config {
    /// Reads and checks a configuration file. Relative paths in it are relative to the working directory.
    ///
    /// # Errors
    /// One sentence with file and field, see [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// As [`read`](Self::read), for a text; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        // An empty file is `null` to YAML; it means: all defaults.
        let config: Option<Self> = yaml_serde::from_str(text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source })?;
        let config = config.unwrap_or_default();
        config.check().map_err(|(field, reason)| ConfigError::Value {
            path: path.to_owned(),
            field,
            reason,
        })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.secret_namespaces.is_empty() {
            return Err(("secretNamespaces", "name at least one namespace".to_owned()));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        if self.trust_domain.is_empty() || !self.trust_domain.chars().all(plain) {
            return Err(("trustDomain", "use lower-case letters, digits, `.`, `-` and `_`".to_owned()));
        }
        if self.control.server_name.is_empty() {
            return Err(("control.serverName", "give the name that the gateways verify".to_owned()));
        }
        if let Some(sink) = &self.sink {
            let url = url::Url::parse(sink).map_err(|e| ("sink", format!("`{sink}` is not a URL: {e}")))?;
            if !matches!(url.scheme(), "http" | "https") {
                return Err(("sink", format!("`{sink}` must begin with http:// or https://")));
            }
        }
        if let Some(Err(error)) = self.targets.proxy.as_deref().map(Proxy::parse) {
            return Err(("targets.proxy", error.to_string()));
        }
        if self.gateways.replay.max_request_bytes > self.gateways.replay.budget_bytes {
            let text = "is more than `gateways.replay.budgetBytes`, which holds for all of them together";
            return Err(("gateways.replay.maxRequestBytes", text.to_owned()));
        }
        self.kubernetes.as_ref().map_or(Ok(()), KubernetesConfig::check)
    }

    /// The admin socket's path.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        admin_socket(&self.state_directory)
    }

    /// JSON schema of the file.
    #[must_use]
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }
}

/// Where `status` and `explain` find the control plane that keeps its state in `directory`.
#[must_use]
pub fn admin_socket(directory: &Path) -> PathBuf {
    directory.join("admin.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("fairlead.yaml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_file_is_all_defaults() {
        assert_eq!(parse("").unwrap(), Config::default());
        assert_eq!(parse("{}").unwrap(), Config::default());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = yaml_serde::to_string(&Config::default()).unwrap();
        assert_eq!(parse(&text).unwrap(), Config::default());
    }

    #[test]
    fn a_pipeline_is_a_word_or_a_map() {
        let pipeline = |text: &str| {
            let config = parse(&format!("gateways: {{ingress: {{pipeline: {text}}}}}"))?;
            Ok::<_, String>(config.gateways.ingress.map(|ingress| ingress.pipeline))
        };
        assert_eq!(pipeline("route"), Ok(Some(PipelineConfig::Route)));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        assert_eq!(pipeline("{identify: '127.0.0.1:80'}"), Ok(Some(PipelineConfig::Identify(address))));
        assert!(pipeline("{identify: nowhere}").is_err());
        assert!(pipeline("other").is_err());
    }

    #[test]
    fn an_unknown_field_is_named() {
        let error = parse("control:\n  gatewayport: 1\n").unwrap_err();
        assert!(error.contains("fairlead.yaml") && error.contains("gatewayport"), "{error}");
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn values_are_checked_with_their_field() {
        assert_eq!(
            parse("sink: ftp://x").unwrap_err(),
            "fairlead.yaml: sink: `ftp://x` must begin with http:// or https://"
        );
        assert!(parse("secretNamespaces: []").unwrap_err().contains("secretNamespaces: name at least one"));
        assert!(parse("trustDomain: a/b").unwrap_err().contains("trustDomain"));
        assert!(parse("grants: {timeout: soon}").unwrap_err().contains("a number with ms, s, m or h"));
        assert!(parse("targets: {allow: [127.0.0.2]}").unwrap_err().contains("allow"));
        let error = parse("targets: {proxy: 'http://user:s3cr3t@proxy.example:3128'}").unwrap_err();
        assert!(error.contains("targets.proxy: it has a user name") && !error.contains("s3cr3t"), "{error}");
        let error = parse("gateways: {replay: {maxRequestBytes: 2, budgetBytes: 1}}").unwrap_err();
        assert!(error.contains("gateways.replay.maxRequestBytes"), "{error}");
    }

    #[test]
    fn kubernetes_mode_is_a_section_of_its_own() {
        assert_eq!(parse("").unwrap().kubernetes, None);
        assert_eq!(parse("kubernetes: {}").unwrap().kubernetes, Some(KubernetesConfig::default()));
        let error = |text: &str| parse(&format!("kubernetes: {text}")).unwrap_err();
        assert!(error("{lease: {duration: 10s, renew: 6s}}").contains("kubernetes.lease.renew"));
        assert!(error("{lease: {duration: 1500ms}}").contains("kubernetes.lease.duration"));
        assert!(error("{module: {url: nowhere}}").contains("kubernetes.module.url"));
        assert!(error("{namspace: x}").contains("namspace"));
        assert!(error("{egress: {namespace: a}, ingress: {namespace: a}}").contains("egress.namespace"));
        assert!(error("{namespace: a, ingress: {namespace: a}}").contains("ingress.namespace"));
    }

    #[test]
    fn lists_and_times_are_as_documented() {
        let config =
            parse("targets: {allow: [127.0.0.2/32], nameServers: ['127.0.0.2:53']}\nprofiles: {grace: 5m}")
                .unwrap();
        assert_eq!(config.targets.allow.len(), 1);
        assert_eq!(config.profiles.grace.get().as_secs(), 300);
    }

    #[test]
    fn schema_names_every_top_level_field() {
        let schema = serde_json::to_value(Config::schema()).unwrap();
        for field in ["stateDirectory", "resources", "gateways", "targets", "grants", "logLevel"] {
            assert!(schema["properties"][field].is_object(), "{field}");
        }
    }
}
