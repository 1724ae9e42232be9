//! The embedded gateways' files: rendered from configuration and transport profiles, written where Envoy watches. Gateways
//! of a mesh are described in [`mesh`].

pub mod mesh;

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use fairlead_render::{
    Admin, Control, EgressGateway, Files, Gateway, IngressGateway, Pair, Pipeline, Profile, Resolver,
    Settings,
};
use fairlead_wire::{config::PluginConfig, feed::View};

use crate::{
    certificates::Certificates,
    config::{Config, GatewaysConfig, IngressConfig, PipelineConfig},
    files::{self, FileError},
};

/// What the renderer is told, once a process; one gateway each.
pub enum Rendered {
    /// The egress gateway.
    Egress(Box<EgressGateway>),
    /// The ingress gateway.
    Ingress(Box<IngressGateway>),
}

/// What was written.
pub struct Written {
    /// Any file differs from what was there.
    pub changed: bool,
    /// What Envoy calls the clusters and the listeners once it has taken them.
    pub versions: Vec<String>,
}

/// Where the control plane listens, as its gateways see it.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// mTLS.
    pub gateways: SocketAddr,
    /// Plain.
    pub health: SocketAddr,
    /// Plain.
    pub metrics: SocketAddr,
}

impl Rendered {
    /// The egress gateway of this configuration, if it has one. `state` is absolute.
    #[must_use]
    pub fn egress(config: &Config, state: &Path, addresses: &Addresses) -> Option<Self> {
        let egress = config.gateways.egress.as_ref()?;
        let mut gateway = common(config, state, addresses, View::Egress);
        gateway.bind = egress.address;
        gateway.settings.plugin.hosts.clone_from(&egress.hosts);
        gateway.settings.access_log = egress.access_log.as_deref().map(absolute);
        if let Some(admin) = egress.admin {
            gateway.admin = Admin::Address(admin);
        }
        let mut rendered = EgressGateway::new(gateway, reachable(addresses.health));
        rendered.manual_port = egress.manual_port;
        rendered.ucl_port = egress.ucl_port;
        rendered.health_port = egress.health_port;
        rendered.headers_timeout = config.gateways.headers_timeout.get();
        Some(Self::Egress(Box::new(rendered)))
    }

    /// The ingress gateway of this configuration, if it has one. Composes its bundle of client CAs.
    ///
    /// # Errors
    /// [`FileError`] when a client CA cannot be read or the bundle not be written.
    pub fn ingress(config: &Config, state: &Path, addresses: &Addresses) -> Result<Option<Self>, FileError> {
        let Some(ingress) = config.gateways.ingress.as_ref() else { return Ok(None) };
        let certificates = Certificates::new(state);
        let mut gateway = common(config, state, addresses, View::Ingress);
        gateway.bind = ingress.address;
        gateway.settings.plugin.hosts.clone_from(&ingress.hosts);
        gateway.settings.access_log = ingress.access_log.as_deref().map(absolute);
        if let Some(admin) = ingress.admin {
            gateway.admin = Admin::Address(admin);
        }
        let server = match &ingress.certificate {
            Some(pair) => Pair { certificate: absolute(&pair.certificate), key: absolute(&pair.key) },
            None => pair(&certificates, "ingress-server"),
        };
        let bundle = compose(ingress, &certificates)?;
        let mut rendered = IngressGateway::new(gateway, ingress.port, server, bundle);
        rendered.pipeline = match ingress.pipeline {
            PipelineConfig::Route => Pipeline::Route,
            PipelineConfig::Identify(address) => Pipeline::Identify(address),
        };
        Ok(Some(Self::Ingress(Box::new(rendered))))
    }

    /// Writes all files that differ from what is there, `bootstrap.json` last.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write<'a>(&self, profiles: impl IntoIterator<Item = &'a Profile>) -> Result<Written, FileError> {
        let (directory, mut files): (_, Files) = match self {
            Self::Egress(gateway) => (&gateway.gateway.directory, fairlead_render::egress(gateway, profiles)),
            Self::Ingress(gateway) => {
                (&gateway.gateway.directory, fairlead_render::ingress(gateway, profiles))
            }
        };
        let version = |file: &str| Some(files.get(file)?.get("version_info")?.as_str()?.to_owned());
        let versions = ["xds/cds.json", "xds/lds.json"].into_iter().filter_map(version).collect();
        let bootstrap = files.remove_entry("bootstrap.json");
        let mut changed = false;
        for (name, content) in files.into_iter().chain(bootstrap) {
            let path = directory.join(name);
            if let Some(parent) = path.parent() {
                files::make_private(parent)?;
            }
            // A JSON value always has a text.
            let text = serde_json::to_vec_pretty(&content).unwrap_or_default();
            changed |= files::replace(&path, &text, 0o600)?;
        }
        Ok(Written { changed, versions })
    }

    /// Its Envoy's admin interface.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        match self {
            Self::Egress(gateway) => &gateway.gateway.admin,
            Self::Ingress(gateway) => &gateway.gateway.admin,
        }
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match self {
            Self::Egress(gateway) => &gateway.gateway.directory,
            Self::Ingress(gateway) => &gateway.gateway.directory,
        }
    }
}

fn common(config: &Config, state: &Path, addresses: &Addresses, view: View) -> Gateway {
    let certificates = Certificates::new(state);
    let control = Control {
        address: reachable(addresses.gateways),
        server_name: config.control.server_name.clone(),
        ca: certificates.certificate("ca"),
        client: pair(&certificates, view.as_str()),
    };
    let gateways = &config.gateways;
    let node = format!("fairlead-{}", view.as_str());
    let mut gateway = Gateway::new(&node, state.join(view.as_str()), absolute(&gateways.module), control);
    gateway.settings = settings(config);
    gateway.settings.system_ca = absolute(&config.targets.system_ca());
    gateway.settings.never =
        [addresses.gateways, addresses.health, addresses.metrics].map(reachable).to_vec();
    gateway
}

/// What goes for gateways of every kind.
fn settings(config: &Config) -> Settings {
    let gateways = &config.gateways;
    let servers = &config.targets.name_servers;
    Settings {
        plugin: plugin(config),
        allow: config.targets.allow.clone(),
        resolver: if servers.is_empty() { Resolver::System } else { Resolver::Servers(servers.clone()) },
        idle: gateways.idle_timeout.get(),
        connect_timeout: gateways.connect_timeout.get(),
        request_headers_timeout: gateways.request_headers_timeout.get(),
        keep_alive: gateways.keep_alive.get(),
        traces: gateways.traces,
        ..Settings::default()
    }
}

/// What the plugin is told, but for hosts and listeners.
fn plugin(config: &Config) -> PluginConfig {
    let gateways = &config.gateways;
    let milliseconds = |span: crate::config::Span| u64::try_from(span.get().as_millis()).unwrap_or(u64::MAX);
    let mut plugin = PluginConfig {
        hold_ms: u32::try_from(milliseconds(gateways.hold)).unwrap_or(u32::MAX),
        max_held: gateways.max_held,
        stale_warning_ms: milliseconds(gateways.stale_warning),
        max_staleness_ms: milliseconds(gateways.max_staleness),
        concurrency: gateways.concurrency,
        metered: gateways.metered,
        traced: gateways.traces.is_some(),
        replay_bytes: gateways.replay.max_request_bytes,
        replay_answer_bytes: gateways.replay.max_answer_bytes,
        replay_budget: gateways.replay.budget_bytes,
        headers_timeout_ms: u32::try_from(milliseconds(gateways.headers_timeout)).unwrap_or(u32::MAX),
        ..PluginConfig::default()
    };
    plugin.control.authority.clone_from(&config.control.server_name);
    plugin.control.wait_ms = wait(plugin.control.wait_ms, gateways);
    plugin
}

/// How long a poll is held, milliseconds: at most `longest`, and short enough that a view without changes is confirmed
/// before it counts as old.
fn wait(longest: u32, gateways: &GatewaysConfig) -> u32 {
    let young = gateways.max_staleness.min(gateways.stale_warning).get() / 2;
    u32::try_from(young.as_millis()).unwrap_or(u32::MAX).clamp(1, longest)
}

/// An address to connect to, for one that may be bound to all interfaces.
#[must_use]
pub fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(std::net::Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(std::net::Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// Envoy runs in another directory than we do.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn pair(certificates: &Certificates, name: &str) -> Pair {
    Pair { certificate: certificates.certificate(name), key: certificates.key(name) }
}

/// One bundle of all client CAs (decision 8), each once. Without any, nobody can be known: Fairlead's own CA stands
/// there, which issues no client certificates to external systems.
fn compose(ingress: &IngressConfig, certificates: &Certificates) -> Result<PathBuf, FileError> {
    let mut bundle = BTreeMap::new();
    for path in &ingress.client_ca {
        let text = fs::read_to_string(path).map_err(|source| FileError {
            verb: "read",
            path: path.clone(),
            source,
        })?;
        bundle.insert(text.trim().to_owned(), ());
    }
    if bundle.is_empty() {
        let own = certificates.certificate("ca");
        bundle.insert(files::read_optional(&own)?.unwrap_or_default().trim().to_owned(), ());
    }
    let mut text = bundle.into_keys().collect::<Vec<_>>().join("\n");
    text.push('\n');
    let path = certificates.certificate("client-ca");
    files::replace(&path, text.as_bytes(), 0o644)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;

    #[test]
    fn polls_end_before_a_view_is_old() {
        let with = |stale_warning, max_staleness| {
            wait(25_000, &GatewaysConfig { stale_warning, max_staleness, ..GatewaysConfig::default() })
        };
        assert_eq!(wait(25_000, &GatewaysConfig::default()), 25_000);
        assert_eq!(with(Span::seconds(300), Span::seconds(2)), 1_000);
        assert_eq!(with(Span::seconds(10), Span::seconds(3_600)), 5_000);
        assert_eq!(with(Span::seconds(0), Span::seconds(0)), 1);
    }
}
