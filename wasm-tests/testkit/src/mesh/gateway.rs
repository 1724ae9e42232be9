//! A gateway: pilot-agent with its Envoy, as an injected gateway pod has them.

use std::{
    ffi::{OsStr, OsString},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{Component, Mesh, Pod, tool};
use crate::{
    Error, Result,
    canary::Source,
    certs::Identity,
    error::Doing as _,
    fairlead::merge,
    http::{self, Response},
    process::{self, Process},
    wait,
};

/// Until the agent has its certificate.
const READY: Duration = Duration::from_secs(60);
const ADMIN: u16 = 15000;
/// Envoy's listener for probes; it answers when the agent thinks the gateway ready.
const PROBES: u16 = 15021;

/// A running gateway. Dropping ends it.
pub struct Gateway {
    /// Before the pod, which it is to end in.
    agent: Component,
    pod: Arc<Pod>,
}

impl Gateway {
    pub(super) fn start(mesh: &Mesh, pod: Pod, proxy_config: &str) -> Result<Self> {
        identify(mesh, &pod)?;
        let config: Value = yaml_serde::from_str(proxy_config).doing("cannot read a proxy configuration")?;
        let pod = Arc::new(pod);
        let probe = pod.port(PROBES);
        let ready = move || http::get(probe, "/healthz/ready")?.expect(200).map(drop);
        let agents = Arc::clone(&pod);
        let agent = Component::start_in_pod(&pod, move || agent(&agents, "router", &config, &[]), ready)?;
        Ok(Self { agent, pod })
    }

    /// Its pod.
    #[must_use]
    pub fn pod(&self) -> &Pod {
        &self.pod
    }

    /// A port of it, as others in the cluster reach it.
    #[must_use]
    pub fn port(&self, port: u16) -> SocketAddr {
        self.pod.port(port)
    }

    /// Agent and Envoy as one process, to take away and bring back as a container is restarted, with the same address.
    /// Its log is both logs, access log included.
    #[must_use]
    pub fn agent(&self) -> &Component {
        &self.agent
    }

    /// Resident memory of the agent and of Envoy, bytes.
    ///
    /// # Errors
    /// It does not run.
    pub fn memory(&self) -> Result<Vec<(String, u64)>> {
        let processes = self.agent.processes()?;
        let programs = processes.into_iter().filter(|(_, name)| name.starts_with("pilot") || name == "envoy");
        programs.map(|(id, name)| Ok((name, process::usage(id)?.resident))).collect()
    }

    /// CPU time of Envoy so far.
    ///
    /// # Errors
    /// It does not run.
    pub fn cpu(&self) -> Result<Duration> {
        process::usage(self.envoy()?).map(|usage| usage.cpu)
    }

    /// Process id of Envoy.
    ///
    /// # Errors
    /// It does not run.
    pub fn envoy(&self) -> Result<u32> {
        let processes = self.agent.processes()?;
        let envoy = processes.into_iter().find(|(_, name)| name == "envoy");
        envoy.map(|(id, _)| id).ok_or_else(|| Error::new(format!("{} has no Envoy", self.pod.name())))
    }

    /// GET of a path of Envoy's admin interface, which only the pod itself reaches.
    ///
    /// # Errors
    /// It does not answer with 200.
    pub fn admin(&self, path: &str) -> Result<Response> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN));
        self.pod.inside(|| http::get(address, path))??.expect(200)
    }

    /// Sum of the counters and gauges whose name `wanted` says yes to.
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub fn stat(&self, wanted: impl Fn(&str) -> bool) -> Result<u64> {
        let text = self.admin("/stats")?.text();
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        Ok(lines.filter(|(name, _)| wanted(name)).filter_map(|(_, value)| value.parse::<u64>().ok()).sum())
    }

    /// Envoy's whole configuration.
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub fn config_dump(&self) -> Result<Value> {
        self.admin("/config_dump?include_eds")?.json()
    }

    /// Waits until Envoy has an active listener on this port.
    ///
    /// # Errors
    /// It has none after `limit`; with those that it has.
    pub fn wait_listener(&self, port: u16, limit: Duration) -> Result<SocketAddr> {
        wait::attempt(&format!("a listener on port {port} of {}", self.pod.name()), limit, || {
            let text = self.admin("/listeners")?.text();
            let ending = format!(":{port}");
            if text.lines().any(|line| line.ends_with(&ending)) {
                return Ok(self.port(port));
            }
            Err(Error::new(format!("it has {}", text.split_whitespace().collect::<Vec<_>>().join(" "))))
        })
    }

    /// Everything that may hold a secret: logs, configuration, statistics, clusters, metrics.
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub fn sources(&self) -> Result<Vec<Source>> {
        let name = self.pod.name();
        let mut sources = vec![(format!("log of {name}"), self.agent.log())];
        for path in
            ["/config_dump?include_eds", "/stats", "/stats/prometheus", "/clusters", "/certs", "/server_info"]
        {
            sources.push((format!("{path} of {name}"), self.admin(path)?.body));
        }
        Ok(sources)
    }
}

impl Mesh {
    /// A workload's certificate, as its sidecar would have it, issued by istiod. The service account must exist.
    ///
    /// # Errors
    /// istiod does not issue it; with the end of the agent's log.
    pub fn workload_certificate(&self, namespace: &str, service_account: &str) -> Result<Identity> {
        let pod = self.pod(namespace, service_account, &format!("{service_account}-certificate"), &[])?;
        identify(self, &pod)?;
        let certificates = pod.directory().join("work/certificates");
        std::fs::create_dir_all(&certificates).doing(certificates.display())?;
        let environment =
            [("DISABLE_ENVOY", OsString::from("true")), ("OUTPUT_CERTS", certificates.clone().into())];
        let mut agent = agent(&pod, "sidecar", &json!({ "concurrency": 1 }), &environment)?;
        agent.wait_until("a workload certificate", READY, || {
            let read = |name: &str| -> Result<String> {
                let path = certificates.join(name);
                let text = std::fs::read_to_string(&path).doing(path.display())?;
                // The agent may be writing.
                if text.ends_with("-----\n") { Ok(text) } else { Err(Error::new("not complete")) }
            };
            Ok(Identity { certificate_pem: read("cert-chain.pem")?, key_pem: read("key.pem")? })
        })
    }
}

/// Gives the pod what kubelet would mount: the mesh's root certificate and a token for istiod.
fn identify(mesh: &Mesh, pod: &Pod) -> Result {
    let (namespace, account) = (pod.namespace(), pod.service_account());
    pod.write("var/run/secrets/istio/root-cert.pem", mesh.mesh_root(namespace)?)?;
    pod.write("var/run/secrets/tokens/istio-token", mesh.token(namespace, account, Some("istio-ca"))?)?;
    let labels: String = pod.labels().iter().map(|(key, value)| format!("{key}={value:?}\n")).collect();
    pod.write("etc/istio/pod/labels", labels)?;
    pod.write("etc/istio/pod/annotations", "")?;
    std::fs::create_dir_all(pod.directory().join("work/etc/istio/proxy")).doing("cannot make a directory")
}

/// What tests ask for beside what Istio and the pod choose: requests under way, connections by worker.
const STATS: [&str; 2] = [r"http\..*\.downstream_rq_active", r"listener\..*\.downstream_cx_total"];

/// Starts the agent as `role`, with `asked` over what a pod here must have.
fn agent(pod: &Pod, role: &str, asked: &Value, more: &[(&str, OsString)]) -> Result<Process> {
    let labels: Map<String, Value> =
        pod.labels().iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    let envoy: PathBuf = process::program("FAIRLEAD_ENVOY", "tools/envoy/envoy/_bin/envoy")?;
    let mut config = json!({
        "discoveryAddress": "istiod.istio-system.svc:15012",
        "binaryPath": envoy,
        "configPath": "./etc/istio/proxy",
        "proxyBootstrapTemplatePath": tool("envoy_bootstrap.json")?,
        "proxyStatsMatcher": { "inclusionRegexps": [] },
    });
    merge(&mut config, asked);
    if let Some(Value::Array(included)) = config.pointer_mut("/proxyStatsMatcher/inclusionRegexps") {
        included.extend(STATS.map(Value::from));
    }
    let mut environment: Vec<(&str, OsString)> = vec![
        ("POD_NAME", pod.name().into()),
        ("POD_NAMESPACE", pod.namespace().into()),
        ("SERVICE_ACCOUNT", pod.service_account().into()),
        ("INSTANCE_IP", pod.address().to_string().into()),
        ("ISTIO_META_CLUSTER_ID", "Kubernetes".into()),
        ("ISTIO_META_UNPRIVILEGED_POD", "true".into()),
        ("ISTIO_METAJSON_LABELS", Value::Object(labels).to_string().into()),
        ("CA_ADDR", "istiod.istio-system.svc:15012".into()),
        ("PILOT_CERT_PROVIDER", "istiod".into()),
        ("GRPC_XDS_BOOTSTRAP", "".into()),
        ("CLOUD_PLATFORM", "none".into()),
        ("PROXY_CONFIG", config.to_string().into()),
    ];
    environment.extend(more.iter().cloned());
    let environment: Vec<(&str, &OsStr)> =
        environment.iter().map(|(name, value)| (*name, value.as_os_str())).collect();
    let domain = format!("{}.svc.cluster.local", pod.namespace());
    pod.start(&tool("pilot-agent")?, ["proxy", role, "--domain", &domain], &environment)
}
