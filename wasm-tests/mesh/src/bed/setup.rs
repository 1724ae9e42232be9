//! How an installation is to be.

use std::net::{IpAddr, Ipv4Addr};

use fairlead_testkit::{
    Result,
    canary::Canary,
    certs::Authority,
    double::{self, Double},
    error::Doing as _,
    mesh::{self, Mesh},
};
use fairlead_tests::place::Authorities;
use serde_json::{Value, json};

/// Host name of the ingress gateway (decision 8).
pub const INGRESS_HOST: &str = "gateway.kyma.local";

/// The external system's address: public, as far as anything here can tell.
pub const EXTERNAL: Ipv4Addr = {
    let [a, b, c] = mesh::EXTERNAL;
    Ipv4Addr::new(a, b, c, 2)
};

/// Where clouds serve credentials of their machines.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// What [`MeshBed::start`](super::MeshBed::start) lets a test change before the chart is installed.
pub struct Setup {
    /// The external system. `example.test` and everything below it are its names, but `loopback.example.test` and
    /// `metadata.example.test`, which are what they say.
    pub double: Double,
    /// Authorities of external systems; the ingress gateway takes certificates of the first and the second.
    pub outside: Authorities,
    /// Who issues the ingress gateway's server certificate.
    pub server_authority: Authority,
    /// Secrets that must not be found.
    pub canary: Canary,
    /// Values of the chart. Fields of `fairlead.yaml` are under `config`.
    pub values: Value,
}

impl Setup {
    pub(super) fn new(mesh: &Mesh) -> Result<Self> {
        let names = ["example.test", "*.example.test"];
        let setup = double::Setup {
            binds: vec![IpAddr::V4(EXTERNAL)],
            // For its proxy, which resolves names itself.
            dns: names.map(|name| (name.to_owned(), IpAddr::V4(EXTERNAL))).to_vec(),
            ..double::Setup::default()
        };
        let mut canary = Canary::default();
        let double = Double::start(&setup)?;
        double.plant(&mut canary)?;
        for name in names {
            mesh.names().set(name, &[EXTERNAL]);
        }
        mesh.names().set("loopback.example.test", &[Ipv4Addr::LOCALHOST]);
        mesh.names().set("metadata.example.test", &[METADATA]);
        mesh.trust(&std::fs::read_to_string(double.ca()).doing("cannot read the double's authority")?);
        let outside = Authorities::new()?;
        let config = json!({
            "sink": double.url("sink")?,
            "kubernetes": { "ingress": { "clientCaPem": [outside.first.pem(), outside.second.pem()] } },
        });
        let one = json!({ "replicas": 1 });
        let values = json!({
            "roles": { "core": one },
            "gateways": { "workers": 1, "egress": one, "ingress": one },
            "config": config,
        });
        let server_authority = Authority::new("public")?;
        Ok(Self { double, outside, server_authority, canary, values })
    }
}
