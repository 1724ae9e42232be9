//! istiod, as a default installation has it, without injector and webhooks.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use super::{
    component::{Component, Plan},
    state::State,
    tool,
};
use crate::{Result, error::Doing as _, http};

/// Istio's namespace.
pub(super) const NAMESPACE: &str = "istio-system";
const DEBUG: u16 = 8080;

/// Istio's own defaults, but for Ingress objects, which nobody here makes, and an access log to read.
const MESH_CONFIG: &str = "\
accessLogFile: /dev/stdout
ingressControllerMode: \"OFF\"
defaultConfig:
  discoveryAddress: istiod.istio-system.svc:15012
";

pub(super) fn start(state: &State, kubeconfig: &Path) -> Result<Component> {
    let directory = state.directory("istiod")?;
    let config = directory.join("mesh.yaml");
    std::fs::write(&config, MESH_CONFIG).doing(config.display())?;
    let mut arguments: Vec<OsString> = vec!["discovery".into()];
    for (name, value) in [
        ("--kubeconfig", kubeconfig.into()),
        ("--meshConfig", config.into()),
        ("--httpAddr", OsString::from(format!("127.0.0.1:{DEBUG}"))),
        ("--grpcAddr", "127.0.0.1:15010".into()),
        ("--secureGRPCAddr", ":15012".into()),
        ("--httpsAddr", "".into()),
        ("--monitoringAddr", ":15014".into()),
        ("--ctrlz_port", "0".into()),
        ("--clusterID", "Kubernetes".into()),
    ] {
        arguments.extend([name.into(), value]);
    }
    let environment = [
        ("POD_NAMESPACE", NAMESPACE),
        ("POD_NAME", "istiod-0"),
        // There is one, and after it was killed the next must not wait for a lease to end.
        ("ENABLE_LEADER_ELECTION", "false"),
        ("PILOT_ENABLE_GATEWAY_API", "false"),
        ("PILOT_ENABLE_IP_AUTOALLOCATE", "false"),
        ("INJECT_ENABLED", "false"),
        ("INJECTION_WEBHOOK_CONFIG_NAME", ""),
        ("VALIDATION_WEBHOOK_CONFIG_NAME", ""),
        ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
        ("PILOT_ENABLE_ALPN_FILTER", "false"),
        ("CLOUD_PLATFORM", "none"),
    ];
    let ready = || http::get(SocketAddr::from((Ipv4Addr::LOCALHOST, DEBUG)), "/ready")?.expect(200).map(drop);
    Component::start(Plan {
        name: "istiod",
        program: tool("pilot-discovery")?,
        arguments,
        environment: environment.map(|(name, value)| (name, value.into())).to_vec(),
        ready: Box::new(ready),
    })
}
