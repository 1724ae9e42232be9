//! Gateways with every kind of profile, below a given directory.

// clippy.toml allows this in test functions; these are their helpers.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "each test file uses its part of it")]

use std::{net::SocketAddr, path::Path};

use serde_json::Value;

use fairlead_render::{
    Admin, Control, EgressGateway, Gateway, IngressGateway, Pair, Profile, Proxy, Resolver, Trust,
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
    gateway.settings.plugin.hosts = vec!["*".to_owned()];
    gateway.settings.allow = vec!["127.0.0.2/32".parse().unwrap()];
    gateway.settings.system_ca = directory.join("pki/system-ca.pem");
    gateway
}

/// An egress gateway that asks DNS servers and writes an access log.
pub(crate) fn egress(directory: &Path) -> EgressGateway {
    let mut gateway = gateway(directory);
    gateway.settings.resolver = Resolver::Servers(vec![local(53)]);
    gateway.settings.access_log = Some(directory.join("log/access.json"));
    EgressGateway::new(gateway, local(18081))
}

/// An ingress gateway that asks the machine, its admin interface on a port.
pub(crate) fn ingress(directory: &Path) -> IngressGateway {
    let mut gateway = gateway(directory);
    gateway.admin = Admin::Address(local(9901));
    IngressGateway::new(gateway, 8443, pair(directory, "server"), directory.join("pki/client-ca.pem"))
}

/// Fingerprint of the one client certificate.
pub(crate) const CLIENT: &str = "00112233445566778899aabbccddeeff";

pub(crate) fn profiles() -> Vec<Profile> {
    let profile = |digit: &str, trust| Profile::new(&format!("fairlead.t.{}", digit.repeat(32)), trust);
    let proxied = |digit: &str, trust, host: &str| Profile {
        id: format!("fairlead.x.{}", digit.repeat(32)),
        proxy: Some(Proxy { host: host.to_owned(), port: 3128 }),
        ..profile(digit, trust)
    };
    vec![
        profile("d", Trust::Unverified),
        profile("b", Trust::System),
        profile("c", Trust::Private { ca_pem: CA.to_owned() }),
        Profile { client: Some(CLIENT.to_owned()), pinned: false, ..profile("e", Trust::System) },
        proxied("a", Trust::Plain, "[::1]"),
        Profile { client: Some(CLIENT.to_owned()), ..proxied("f", Trust::System, "proxy.example.test") },
    ]
}

/// JSON of which what is short stands on one line.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text
}

fn write(text: &mut String, value: &Value, depth: usize) {
    const WIDTH: usize = 400;
    let short = value.to_string();
    let indent = |depth: usize| format!("\n{}", " ".repeat(depth));
    let (open, close, items): (_, _, Vec<(Option<&String>, &Value)>) = match value {
        Value::Object(fields) => ("{", "}", fields.iter().map(|(key, value)| (Some(key), value)).collect()),
        Value::Array(items) => ("[", "]", items.iter().map(|item| (None, item)).collect()),
        _ => return text.push_str(&short),
    };
    if short.len() + depth <= WIDTH {
        return text.push_str(&short);
    }
    text.push_str(open);
    for (at, (key, item)) in items.iter().enumerate() {
        text.push_str(&indent(depth + 1));
        if let Some(key) = key {
            text.push_str(&format!("{key:?}: "));
        }
        write(text, item, depth + 1);
        if at + 1 < items.len() {
            text.push(',');
        }
    }
    text.push_str(&indent(depth));
    text.push_str(close);
}
