//! The state directory: certificates of external systems, resources, configuration.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fairlead_testkit::{
    Error, Result,
    certs::{Authority, Identity},
    error::Doing as _,
    process,
};
use serde_json::{Value, json};

use crate::ports::{LOCAL, Ports, USUAL_HTTP, USUAL_HTTPS, USUAL_MTLS};

/// The host that the ingress gateway serves.
pub(crate) const INGRESS_HOST: &str = "gateway.kyma.local";

/// What is there before anything is started.
pub(crate) struct Ground {
    pub(crate) state: PathBuf,
    pub(crate) ports: Ports,
    /// Shows the name of its Application.
    pub(crate) erp: Identity,
    /// Shows a client id, and comes from another authority.
    pub(crate) webshop: Identity,
}

impl Ground {
    /// Makes the directory anew.
    pub(crate) fn prepare(samples: &Path, state: &Path) -> Result<Self> {
        if state.exists() {
            fs::remove_dir_all(state).doing(format!("cannot clear {}", state.display()))?;
        }
        for name in ["certificates", "double", "logs", "resources", "staging"] {
            fs::create_dir_all(state.join(name)).doing(format!("cannot make {}", state.display()))?;
        }
        let state = fs::canonicalize(state)?;
        let ports = Ports::choose()?;
        let certificates = state.join("certificates");
        let own = authority(&certificates, "company-ca")?;
        let partner = authority(&certificates, "partner-ca")?;
        let erp = own.client("erp")?;
        erp.write(&certificates, "erp")?;
        let webshop = partner.client("webshop-client-1")?;
        webshop.write(&certificates, "webshop")?;
        let ground = Self { state, ports, erp, webshop };
        ground.copy_samples(samples)?;
        ground.add_client_certificate(&own.client("fairlead")?)?;
        Ok(ground)
    }

    pub(crate) fn resources(&self) -> PathBuf {
        self.state.join("resources")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    pub(crate) fn certificates(&self) -> PathBuf {
        self.state.join("certificates")
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.state.join("fairlead.yaml")
    }

    /// The double's directory.
    pub(crate) fn double(&self) -> PathBuf {
        self.state.join("double")
    }

    /// A file of the resources, changed by one rename as editors do it.
    pub(crate) fn replace(&self, name: &str, text: &str) -> Result {
        let staged = self.state.join("staging").join(name);
        fs::write(&staged, text).doing(staged.display())?;
        fs::rename(&staged, self.resources().join(name)).doing(name)
    }

    /// Text of a file of the resources.
    pub(crate) fn resource(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.resources().join(name)).doing(name)
    }

    fn copy_samples(&self, samples: &Path) -> Result {
        for entry in fs::read_dir(samples).doing(format!("cannot list {}", samples.display()))? {
            let path = entry?.path();
            let (Some(name), Some("yaml")) = (path.file_name(), path.extension().and_then(|e| e.to_str()))
            else {
                continue;
            };
            let text = fs::read_to_string(&path).doing(path.display())?;
            let text = text
                .replace(&format!(":{USUAL_HTTP}"), &format!(":{}", self.ports.http))
                .replace(&format!(":{USUAL_HTTPS}"), &format!(":{}", self.ports.https))
                .replace(&format!(":{USUAL_MTLS}"), &format!(":{}", self.ports.mtls));
            self.replace(&name.to_string_lossy(), &text)?;
        }
        Ok(())
    }

    /// The authority of the external system's server certificates, as a Secret.
    pub(crate) fn add_private_ca(&self) -> Result {
        let file = self.double().join("ca.pem");
        let pem = fs::read_to_string(&file).doing(file.display())?;
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "erp-ca", "namespace": "kyma-system" },
            "stringData": { "ca.crt": pem },
        });
        self.replace("erp-ca.yaml", &format!("{secret:#}\n"))
    }

    /// What external systems are shown that know their callers by certificates, as a Secret.
    fn add_client_certificate(&self, identity: &Identity) -> Result {
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "client-certificate", "namespace": "kyma-system" },
            "stringData": { "clientId": "fairlead", "crt": identity.certificate_pem, "key": identity.key_pem },
        });
        self.replace("client-certificate.yaml", &format!("{secret:#}\n"))
    }

    /// Writes `fairlead.yaml`; `dns` and `sink` are the double's.
    pub(crate) fn configure(&self, dns: &str, sink: &str) -> Result {
        let ports = &self.ports;
        let module = process::program("FAIRLEAD_MODULE", "fairlead.wasm")?;
        let certificates = self.certificates();
        let config = json!({
            "stateDirectory": self.state,
            "resources": self.resources(),
            "sink": sink,
            "control": {
                "gatewayPort": ports.gateways,
                "healthPort": ports.control_health,
                "metricsPort": ports.metrics,
            },
            "targets": { "allow": ["127.0.0.2/32"], "nameServers": [dns] },
            "gateways": {
                "module": module,
                "egress": {
                    "manualPort": ports.manual,
                    "uclPort": ports.ucl,
                    "healthPort": ports.health,
                    "admin": format!("{LOCAL}:{}", ports.egress_admin),
                    "accessLog": self.logs().join("egress-access.log"),
                },
                "ingress": {
                    "port": ports.ingress,
                    "hosts": [INGRESS_HOST],
                    "clientCa": [certificates.join("company-ca.crt"), certificates.join("partner-ca.crt")],
                    "admin": format!("{LOCAL}:{}", ports.ingress_admin),
                    "accessLog": self.logs().join("ingress-access.log"),
                },
            },
        });
        fs::write(self.config_file(), yaml(&config)).doing("cannot write fairlead.yaml")
    }
}

/// JSON is YAML (YAML 1.2 §1.2); indented, it reads well enough.
fn yaml(value: &Value) -> String {
    format!("{value:#}\n")
}

fn authority(directory: &Path, name: &str) -> Result<Authority> {
    let authority = Authority::new(name)?;
    fs::write(directory.join(format!("{name}.crt")), authority.pem())
        .map_err(|error| Error::new(format!("cannot write {name}: {error}")))?;
    Ok(authority)
}
