//! How a bed is to be, said before it starts.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Result,
    canary::Canary,
    certs::Authority,
    double::{Double, Setup},
    error::Doing as _,
    fairlead,
};

/// The host name that the ingress gateway serves.
pub const INGRESS_HOST: &str = "gateway.kyma.local";

/// How a bed is to be.
pub struct Seed {
    /// The external system, which runs already: its ports go into resources.
    pub double: Double,
    /// Secrets that must not be found when it is over.
    pub canary: Canary,
    pub(super) config: Value,
    pub(super) files: Vec<(String, Vec<Value>)>,
    pub(super) with_ingress: bool,
    pub(super) workers: u32,
    pub(super) components: String,
    pub(super) directory: TempDir,
}

impl Seed {
    pub(super) fn new() -> Result<Self> {
        let mut canary = Canary::default();
        let double = Double::start(&Setup::default())?;
        double.plant(&mut canary)?;
        Ok(Self {
            double,
            canary,
            config: json!({}),
            files: Vec::new(),
            with_ingress: false,
            workers: 2,
            components: String::new(),
            directory: tempfile::tempdir().doing("cannot make a directory")?,
        })
    }

    /// A new secret value that must not be found anywhere.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn secret(&mut self, name: &str) -> Result<String> {
        self.canary.make(name)
    }

    /// A file of manifests.
    pub fn put(&mut self, name: &str, manifests: &[Value]) {
        self.files.push((name.to_owned(), manifests.to_vec()));
    }

    /// Fields of `fairlead.yaml`.
    pub fn configure(&mut self, overrides: &Value) {
        fairlead::merge(&mut self.config, overrides);
    }

    /// An ingress gateway too, which takes certificates of these authorities.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn ingress(&mut self, authorities: &[&Authority]) -> Result {
        self.with_ingress = true;
        let mut files = Vec::new();
        for (number, authority) in authorities.iter().enumerate() {
            let file = self.directory.path().join(format!("clients-{number}.pem"));
            std::fs::write(&file, authority.pem()).doing("cannot write a client CA")?;
            files.push(file);
        }
        self.configure(&json!({ "gateways": { "ingress": { "clientCa": files } } }));
        Ok(())
    }

    /// So many workers in each gateway instead of two.
    pub fn workers(&mut self, workers: u32) {
        self.workers = workers;
    }

    /// Log levels of Envoy's components, such as `wasm:debug`.
    pub fn components(&mut self, levels: &str) {
        levels.clone_into(&mut self.components);
    }
}
