//! A second gateway of a bed.

use std::{net::SocketAddr, path::PathBuf};

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    envoy::{Envoy, Setup},
};
use serde_json::{Value, json};

/// Another gateway like the bed's, with workers and ports of its own.
pub(crate) struct Second {
    pub(crate) envoy: Envoy,
    pub(crate) manual: SocketAddr,
    bootstrap: PathBuf,
}

impl Second {
    pub(crate) fn start(bed: &Bed, name: &str) -> Self {
        let directory = bed.control.gateway("egress");
        let text = std::fs::read_to_string(directory.join("bootstrap.json")).unwrap();
        let mut bootstrap: Value = serde_json::from_str(&text).unwrap();
        bootstrap["admin"]["address"] =
            json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
        let file = directory.join(format!("bootstrap-{name}.json"));
        std::fs::write(&file, bootstrap.to_string()).unwrap();
        let envoy = Envoy::start(Setup::new(&file)).unwrap();
        let manual = envoy.listener("egress_manual", LIMIT).unwrap();
        Self { envoy, manual, bootstrap: file }
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.bootstrap);
    }
}
