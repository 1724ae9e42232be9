//! A pod that runs a program of ours: what its image would hold comes from the build.

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    sync::Arc,
};

use fairlead_testkit::{
    Error, Result,
    error::Doing as _,
    http,
    mesh::{Component, Mesh, Pod},
    process,
};
use serde_json::Value;

use super::template::Template;

/// Where a pod finds its token for the API server.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A running program. Dropping ends it.
pub struct Program {
    component: Component,
    pod: Arc<Pod>,
}

impl Program {
    pub(super) fn start(mesh: &Mesh, template: &Template, name: &str) -> Result<Self> {
        let (namespace, account) = (&template.namespace, template.service_account());
        let pod = Arc::new(mesh.pod(namespace, account, name, &template.labels())?);
        image(&pod)?;
        volumes(mesh, template, &pod)?;
        if template.spec("automountServiceAccountToken").and_then(Value::as_bool) != Some(false) {
            pod.write(&format!("{ACCOUNT}/token"), mesh.token(namespace, account, None)?)?;
            pod.write(&format!("{ACCOUNT}/ca.crt"), mesh.api_authority())?;
            pod.write(&format!("{ACCOUNT}/namespace"), namespace)?;
        }
        let binary = process::program("FAIRLEAD_BIN", "debug/fairlead")?;
        let arguments: Vec<String> = template
            .container_list("args")
            .iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect();
        let environment = environment(mesh, template, &pod)?;
        let ready = probe(template, &pod)?;
        let inside = Arc::clone(&pod);
        let start = move || {
            let environment: Vec<(&str, &OsStr)> =
                environment.iter().map(|(name, value)| (name.as_str(), value.as_os_str())).collect();
            inside.start(&binary, &arguments, &environment)
        };
        Ok(Self { component: Component::start_in_pod(&pod, start, ready)?, pod })
    }

    /// The process, to take away and bring back as a container is restarted.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.component
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
}

/// What the image has beside the program.
fn image(pod: &Pod) -> Result {
    let module = process::program("FAIRLEAD_MODULE", "fairlead.wasm")?;
    pod.write("/fairlead.wasm", std::fs::read(&module).doing(module.display())?)
}

fn volumes(mesh: &Mesh, template: &Template, pod: &Pod) -> Result {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let volumes = template.spec("volumes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for mount in template.container_list("volumeMounts") {
        let (name, path) = (text(mount, "/name"), text(mount, "/mountPath").unwrap_or_default());
        let volume = volumes.iter().find(|volume| text(volume, "/name") == name).unwrap_or(&Value::Null);
        if let Some(map) = text(volume, "/configMap/name") {
            let map = mesh.kubectl_json(&["get", "configmap", &map, "--namespace", pod.namespace()])?;
            for (file, content) in map.get("data").and_then(Value::as_object).into_iter().flatten() {
                pod.write(&format!("{path}/{file}"), content.as_str().unwrap_or_default())?;
            }
        } else if volume.get("emptyDir").is_some() {
            let directory = pod.file(&path);
            std::fs::create_dir_all(&directory).doing(directory.display())?;
        } else {
            return Err(Error::new(format!("pod {} has a volume of an unknown kind: {volume}", pod.name())));
        }
    }
    Ok(())
}

fn environment(mesh: &Mesh, template: &Template, pod: &Pod) -> Result<Vec<(String, OsString)>> {
    let address = pod.address().to_string();
    let mut all: Vec<(String, OsString)> = [
        ("KUBERNETES_SERVICE_HOST", mesh.host().to_string()),
        ("KUBERNETES_SERVICE_PORT", mesh.api_port().to_string()),
        ("HOSTNAME", pod.name().to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value.into()))
    .to_vec();
    for variable in template.container_list("env") {
        let text = |pointer: &str| variable.pointer(pointer).and_then(Value::as_str);
        let value = match (text("/value"), text("/valueFrom/fieldRef/fieldPath")) {
            (Some(value), _) => value,
            (None, Some("metadata.name")) => pod.name(),
            (None, Some("metadata.namespace")) => pod.namespace(),
            (None, Some("status.podIP")) => &address,
            (None, _) => {
                return Err(Error::new(format!(
                    "pod {} has a variable of an unknown kind: {variable}",
                    pod.name()
                )));
            }
        };
        all.push((text("/name").unwrap_or_default().to_owned(), value.into()));
    }
    Ok(all)
}

/// Asks what the readiness probe would ask.
fn probe(template: &Template, pod: &Pod) -> Result<impl Fn() -> Result + Send + Sync + 'static> {
    let wrong = || Error::new(format!("pod {} has no readiness probe by HTTP", pod.name()));
    let probe =
        template.container("readinessProbe").and_then(|probe| probe.get("httpGet")).ok_or_else(wrong)?;
    let path = probe.get("path").and_then(Value::as_str).unwrap_or("/").to_owned();
    let port = probe.get("port").and_then(|port| template.port(port)).ok_or_else(wrong)?;
    let address = pod.port(port);
    Ok(move || {
        let response = http::get(address, &path)?;
        if response.status < 400 { Ok(()) } else { response.expect(200).map(drop) }
    })
}
