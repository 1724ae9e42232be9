//! What several tests need: a control plane on free ports, TLS clients, waiting for conditions.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fairlead::{
    config::{Config, LogLevel},
    run::{self, Running},
    telemetry::level::LevelSwitch,
};
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// The longest that anything is waited for.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A control plane with a state directory and a directory of resources of its own.
pub struct Plane {
    pub running: Running,
    pub config: Config,
    pub _directory: TempDir,
}

impl Plane {
    pub async fn start(manifests: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let resources = directory.path().join("resources");
        fs::create_dir(&resources).unwrap();
        for (name, text) in manifests {
            fs::write(resources.join(name), text).unwrap();
        }
        let mut config =
            Config { state_directory: directory.path().join("state"), resources, ..Config::default() };
        config.control.gateway_port = 0;
        config.control.health_port = 0;
        config.control.metrics_port = 0;
        config.sink = Some("http://sink.example.test:28081".to_owned());
        config.targets.allow = vec!["127.0.0.2/32".parse().unwrap()];
        let level = LevelSwitch::new(LogLevel::Info, false, |_| {});
        let running = run::start(&config, level).await.unwrap();
        Self { running, config, _directory: directory }
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.config.resources.join(name), text).unwrap();
    }

    fn pem(&self, name: &str) -> Vec<u8> {
        fs::read(self.config.state_directory.join("pki").join(name)).unwrap()
    }

    /// A client of the gateways' port with the stored pair `name`.
    pub fn client(&self, name: &str) -> Client {
        let pair = (self.pem(&format!("{name}.crt")), self.pem(&format!("{name}.key")));
        self.client_with(Some(pair))
    }

    pub fn client_with(&self, pair: Option<(Vec<u8>, Vec<u8>)>) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&self.pem("ca.crt")).unwrap()).unwrap();
        let builder = builder().with_root_certificates(roots);
        let tls = match pair {
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(&certificate).unwrap()];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&key).unwrap()).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        Client {
            address: self.running.addresses.gateways,
            tls: Arc::new(tls),
            name: self.config.control.server_name.clone(),
        }
    }
}

pub fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
}

/// A gateway as far as the control plane can see.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub tls: Arc<ClientConfig>,
    pub name: String,
}

pub struct Got {
    pub status: u16,
    pub marked: bool,
    pub body: Bytes,
}

impl Client {
    pub async fn get(&self, path: &str) -> Result<Got, String> {
        self.call("GET", path, "").await
    }

    /// One call on a connection of its own; an error is one of TCP or TLS.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> Result<Got, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|e| e.to_string())?;
        let name = ServerName::try_from(self.name.clone()).unwrap();
        let stream = tokio_rustls::TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await
            .map_err(|e| e.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        let task = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.name)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        let marked = answer.headers().get("x-fairlead-feed").is_some_and(|value| value == "1");
        let body = answer.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
        task.abort();
        Ok(Got { status, marked, body })
    }
}

/// Calls `look` until it gives something.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// All that is below a directory, for searching.
pub fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            found.push((path.display().to_string(), bytes));
        }
    }
    found
}

/// An Application with one API service.
pub fn application(name: &str, service: &str, target: &str, credentials: &str) -> String {
    format!(
        "apiVersion: applicationconnector.kyma-project.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\nspec:\n  \
         description: d\n  services:\n  - id: {name}-{service}\n    name: {service}\n    displayName: {service}\n    \
         providerDisplayName: p\n    description: d\n    entries:\n    - type: API\n      name: v1\n      targetUrl: {target}\n{credentials}"
    )
}

pub fn secret(name: &str, values: &[(&str, &str)]) -> String {
    let values: String = values.iter().map(|(key, value)| format!("  {key}: '{value}'\n")).collect();
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: kyma-system\nstringData:\n{values}"
    )
}

pub fn credentials(kind: &str, secret: &str, url: &str) -> String {
    format!(
        "      credentials:\n        type: {kind}\n        secretName: {secret}\n{}",
        if url.is_empty() { String::new() } else { format!("        authenticationUrl: {url}\n") }
    )
}
