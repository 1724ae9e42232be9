//! Gateways with every kind of profile, below a given directory.

// clippy.toml allows this in test functions; these are their helpers.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "each test file uses its part of it")]

use std::{net::SocketAddr, path::Path};

use fairlead_render::{
    Admin, Control, EgressGateway, Gateway, IngressGateway, Pair, Profile, Resolver, Trust,
};

pub(crate) const CA: &str = include_str!("../data/ca.pem");

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn pair(directory: &Path, name: &str) -> Pair {
    let pki = directory.join("pki");
    Pair { certificate: pki.join(format!("{name}.pem")), key: pki.join(format!("{name}.key")) }
}

fn gateway(directory: &Path) -> Gateway {
    let control = Control {
        address: local(18443),
        server_name: "fairlead-control".to_owned(),
        ca: directory.join("pki/control-ca.pem"),
        client: pair(directory, "gateway"),
    };
    let mut gateway =
        Gateway::new("fairlead-test", directory.to_owned(), directory.join("fairlead.wasm"), control);
    gateway.plugin.hosts = vec!["*".to_owned()];
    gateway.allow = vec!["127.0.0.2/32".parse().unwrap()];
    gateway.system_ca = directory.join("pki/system-ca.pem");
    gateway
}

/// An egress gateway that asks DNS servers and writes an access log.
pub(crate) fn egress(directory: &Path) -> EgressGateway {
    let mut gateway = gateway(directory);
    gateway.resolver = Resolver::Servers(vec![local(53)]);
    gateway.access_log = Some(directory.join("log/access.json"));
    EgressGateway::new(gateway, local(18081))
}

/// An ingress gateway that asks the machine, its admin interface on a port.
pub(crate) fn ingress(directory: &Path) -> IngressGateway {
    let mut gateway = gateway(directory);
    gateway.admin = Admin::Address(local(9901));
    IngressGateway::new(gateway, 8443, pair(directory, "server"), directory.join("pki/client-ca.pem"))
}

pub(crate) fn profiles() -> Vec<Profile> {
    let profile = |digit: &str, trust| Profile { id: format!("fairlead.t.{}", digit.repeat(32)), trust };
    vec![
        profile("d", Trust::Unverified),
        profile("a", Trust::Plain),
        profile("b", Trust::System),
        profile("c", Trust::Private { ca_pem: CA.to_owned() }),
    ]
}
