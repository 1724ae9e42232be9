//! istiod, as a default installation has it, without injector and webhooks.

use std::{
    ffi::{OsStr, OsString},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use super::{component::Component, state::State, tool};
use crate::{Result, error::Doing as _, http, process::Process};

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
        ("POD_NAMESPACE", OsStr::new(NAMESPACE)),
        ("POD_NAME", OsStr::new("istiod-0")),
        // There is one, and after it was killed the next must not wait for a lease to end.
        ("ENABLE_LEADER_ELECTION", OsStr::new("false")),
        ("PILOT_ENABLE_GATEWAY_API", OsStr::new("false")),
        ("PILOT_ENABLE_IP_AUTOALLOCATE", OsStr::new("false")),
        ("INJECT_ENABLED", OsStr::new("false")),
        ("INJECTION_WEBHOOK_CONFIG_NAME", OsStr::new("")),
        ("VALIDATION_WEBHOOK_CONFIG_NAME", OsStr::new("")),
        ("PILOT_ENABLE_METADATA_EXCHANGE", OsStr::new("false")),
        ("PILOT_ENABLE_ALPN_FILTER", OsStr::new("false")),
        ("CLOUD_PLATFORM", OsStr::new("none")),
    ];
    let program = tool("pilot-discovery")?;
    let ready = || http::get(SocketAddr::from((Ipv4Addr::LOCALHOST, DEBUG)), "/ready")?.expect(200).map(drop);
    Component::start("istiod", move || Process::start(&program, &arguments, &environment), ready)
}
