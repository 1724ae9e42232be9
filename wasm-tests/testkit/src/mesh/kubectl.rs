//! The command-line tools: kubectl, istioctl, helm; and kubeconfigs of service accounts.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{HOST, Mesh, api_server, pki::Pki, tool};
use crate::{Error, Result, error::Doing as _, wait};

/// For what istiod or the API server does by itself.
const LIMIT: Duration = Duration::from_secs(30);

impl Mesh {
    /// `kubectl …` as administrator; its output.
    ///
    /// # Errors
    /// It fails; with its error output.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl_as(&self.kubeconfig, arguments)
    }

    /// `kubectl …` with another kubeconfig.
    ///
    /// # Errors
    /// It fails; with its error output.
    pub fn kubectl_as(&self, kubeconfig: &Path, arguments: &[&str]) -> Result<String> {
        command("kubectl", kubeconfig, arguments, None)
    }

    /// `kubectl … -o json`, read.
    ///
    /// # Errors
    /// It fails; with its error output.
    pub fn kubectl_json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[arguments, &["--output", "json"]].concat())?;
        serde_json::from_str(&text).doing("cannot read kubectl's answer")
    }

    /// `kubectl apply` of these manifests (YAML or JSON), by server-side apply.
    ///
    /// # Errors
    /// The API server refuses one; with its words.
    pub fn kubectl_apply(&self, manifests: &str) -> Result<String> {
        command("kubectl", &self.kubeconfig, APPLY, Some(manifests))
    }

    /// [`kubectl_apply`](Self::kubectl_apply) of values.
    ///
    /// # Errors
    /// The API server refuses one; with its words.
    pub fn apply(&self, manifests: &[Value]) -> Result<String> {
        self.kubectl_apply(&json!({ "apiVersion": "v1", "kind": "List", "items": manifests }).to_string())
    }

    /// Makes a namespace, if it is not there, and waits until istiod has put its root certificate into it.
    ///
    /// # Errors
    /// The API server refuses, or istiod does nothing.
    pub fn namespace(&self, name: &str) -> Result {
        create_namespace(&self.kubeconfig, name)?;
        self.mesh_root(name).map(drop)
    }

    /// Makes a service account, if it is not there.
    ///
    /// # Errors
    /// The API server refuses.
    pub fn service_account(&self, namespace: &str, name: &str) -> Result {
        let metadata = json!({ "namespace": namespace, "name": name });
        self.apply(&[json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata })]).map(drop)
    }

    /// A token of a service account, for the API server or for another audience.
    ///
    /// # Errors
    /// There is no such account.
    pub fn token(&self, namespace: &str, account: &str, audience: Option<&str>) -> Result<String> {
        let mut arguments = vec!["create", "token", account, "--namespace", namespace, "--duration", "24h"];
        arguments.extend(audience.iter().flat_map(|audience| ["--audience", audience]));
        Ok(self.kubectl(&arguments)?.trim().to_owned())
    }

    /// A kubeconfig file with which a program has exactly a service account's rights.
    ///
    /// # Errors
    /// There is no such account.
    pub fn service_account_kubeconfig(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let file = self.state.path().join(format!("{namespace}-{account}.kubeconfig"));
        let user = json!({ "token": self.token(namespace, account, None)? });
        write(&file, &self.pki.authority, namespace, &user)?;
        Ok(file)
    }

    /// The authority of the API server, PEM.
    #[must_use]
    pub fn api_authority(&self) -> &str {
        &self.pki.authority
    }

    /// The address of the API server, as in a kubeconfig.
    #[must_use]
    pub fn api_url(&self) -> String {
        url()
    }

    /// The root certificate of the mesh, PEM, as istiod wrote it into a namespace.
    ///
    /// # Errors
    /// istiod has not.
    pub fn mesh_root(&self, namespace: &str) -> Result<String> {
        wait::attempt("ConfigMap istio-ca-root-cert", LIMIT, || {
            let map =
                self.kubectl_json(&["get", "configmap", "istio-ca-root-cert", "--namespace", namespace])?;
            let text = map.pointer("/data/root-cert.pem").and_then(Value::as_str);
            text.map(str::to_owned).ok_or_else(|| Error::new("it has no root-cert.pem"))
        })
    }

    /// `istioctl …` as administrator; its output.
    ///
    /// # Errors
    /// It fails; with its output and error output.
    pub fn istioctl(&self, arguments: &[&str]) -> Result<String> {
        command("istioctl", &self.kubeconfig, arguments, None)
    }

    /// `helm …` as administrator; its output.
    ///
    /// # Errors
    /// It fails; with its error output.
    pub fn helm(&self, arguments: &[&str]) -> Result<String> {
        let home = self.state.directory("helm")?;
        let mut helm = tool_command("helm", &self.kubeconfig)?;
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            helm.env(variable, &home);
        }
        finish(helm.args(arguments), None)
    }
}

const APPLY: &[&str] =
    &["apply", "--server-side", "--force-conflicts", "--field-manager", "kubectl-test", "--filename", "-"];

/// Creates what is in a file. Not by server-side apply, which costs the API server seconds for large definitions.
pub(super) fn create_file(kubeconfig: &Path, file: &Path) -> Result {
    let text = std::fs::read_to_string(file).doing(file.display())?;
    command("kubectl", kubeconfig, &["create", "--filename", "-"], Some(&text)).map(drop)
}

pub(super) fn create_namespace(kubeconfig: &Path, name: &str) -> Result {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    command("kubectl", kubeconfig, APPLY, Some(&namespace.to_string())).map(drop)
}

/// The administrator's kubeconfig.
pub(super) fn write_admin(file: &Path, pki: &Pki) -> Result {
    let user = json!({
        "client-certificate-data": STANDARD.encode(&pki.admin.certificate_pem),
        "client-key-data": STANDARD.encode(&pki.admin.key_pem),
    });
    write(file, &pki.authority, "default", &user)
}

fn write(file: &Path, authority: &str, namespace: &str, user: &Value) -> Result {
    let cluster = json!({ "server": url(), "certificate-authority-data": STANDARD.encode(authority) });
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "mesh", "cluster": cluster }],
        "users": [{ "name": "user", "user": user }],
        "contexts": [{ "name": "mesh", "context": { "cluster": "mesh", "user": "user", "namespace": namespace } }],
        "current-context": "mesh",
    });
    std::fs::write(file, config.to_string()).doing(file.display())
}

fn url() -> String {
    format!("https://{HOST}:{}", api_server::PORT)
}

fn command(program: &str, kubeconfig: &Path, arguments: &[&str], input: Option<&str>) -> Result<String> {
    finish(tool_command(program, kubeconfig)?.args(arguments), input)
}

fn tool_command(program: &str, kubeconfig: &Path) -> Result<Command> {
    let mut command = Command::new(tool(program)?);
    // kubectl's discovery cache would otherwise lie in the user's home.
    let cache = kubeconfig.with_file_name("kube-cache");
    command.env("KUBECONFIG", kubeconfig).env("KUBECACHEDIR", cache);
    Ok(command)
}

fn finish(command: &mut Command, input: Option<&str>) -> Result<String> {
    let name =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let shown = format!("`{name} {}`", words.join(" "));
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing(format!("cannot start {shown}"))?;
    // Written by a thread of its own: both pipes may be full at once.
    let writer = child.stdin.take().zip(input.map(str::to_owned)).map(|(mut pipe, text)| {
        std::thread::spawn(move || {
            // A tool that refuses early closes its input; it says why itself.
            let _ = pipe.write_all(text.as_bytes());
        })
    });
    let output = child.wait_with_output().doing(format!("cannot wait for {shown}"))?;
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    Err(Error::new(format!("{shown}: {}{}", text(&output.stderr), text(&output.stdout))))
}
