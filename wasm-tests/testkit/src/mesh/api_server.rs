//! kube-apiserver with RBAC and without the controllers that a cluster has beside it. Whatever changes an object is noted in
//! a file, without contents.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
};

use super::{HOST, component::Component, etcd, pki::Pki, state::State, tool};
use serde_json::{Value, json};

use crate::{
    Result,
    error::Doing as _,
    http::{self, Request, Tls},
    process::Process,
};

/// Where it serves.
pub(super) const PORT: u16 = 6443;

/// Its notes, an event a line.
pub(super) const AUDIT: &str = "audit.log";

pub(super) fn start(state: &State, pki: &Pki) -> Result<Component> {
    let ((certificate, key), (signing, proving)) = (&pki.server, &pki.tokens);
    let mut arguments: Vec<OsString> = [
        format!("--etcd-servers=http://127.0.0.1:{}", etcd::PORT),
        format!("--secure-port={PORT}"),
        format!("--bind-address={HOST}"),
        format!("--advertise-address={HOST}"),
        "--endpoint-reconciler-type=none".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        // It would wait for a controller that makes `default` accounts.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ]
    .map(OsString::from)
    .to_vec();
    let policy = state.path().join("audit-policy.json");
    std::fs::write(&policy, audit_policy().to_string()).doing(policy.display())?;
    for (name, file) in [
        ("--audit-policy-file", &policy),
        ("--audit-log-path", &state.path().join(AUDIT)),
        ("--client-ca-file", &pki.authority_file),
        ("--tls-cert-file", certificate),
        ("--tls-private-key-file", key),
        ("--service-account-key-file", proving),
        ("--service-account-signing-key-file", signing),
        ("--cert-dir", &state.directory("api-server")?),
    ] {
        arguments.extend([name.into(), file.into()]);
    }
    let tls = Tls::new().roots(&pki.authority).server_name("kubernetes.default.svc").identity(&pki.admin);
    let ready = move || {
        let address = SocketAddr::from((HOST, PORT));
        http::call_tls(address, &tls, &Request::new("GET", "/readyz"))?.expect(200).map(drop)
    };
    let program = tool("kube-apiserver")?;
    // A quarter less CPU time until it has read Istio's definitions, for some memory that a short life never fills.
    let environment = [("GOGC", OsStr::new("400"))];
    Component::start("kube-apiserver", move || Process::start(&program, &arguments, &environment), ready)
}

fn audit_policy() -> Value {
    let changes = ["create", "update", "patch", "delete", "deletecollection"];
    json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "omitManagedFields": true,
        "rules": [{ "level": "Metadata", "verbs": changes }, { "level": "None" }],
    })
}
