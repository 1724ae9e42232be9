//! Names to addresses, as the machine does it or by the configured name servers alone.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};

use super::DialError;

/// How names are resolved.
pub enum Resolver {
    /// `getaddrinfo`: hosts file, search domains and all.
    System,
    /// By these name servers alone: UDP, TCP where the answer is truncated.
    Servers(Box<TokioResolver>),
}

impl Resolver {
    /// By `servers`, or as the machine does it when there are none.
    ///
    /// # Errors
    /// A sentence when the resolver cannot be set up.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, String> {
        if servers.is_empty() {
            return Ok(Self::System);
        }
        let servers = servers.iter().map(|server| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
                .into_iter()
                .map(|mut connection| {
                    connection.port = server.port();
                    connection
                })
                .collect();
            NameServerConfig::new(server.ip(), true, connections)
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        let resolver = builder.build().map_err(|e| format!("targets.nameServers cannot be used: {e}"))?;
        Ok(Self::Servers(Box::new(resolver)))
    }

    /// All addresses of `host`.
    pub(super) async fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, DialError> {
        let failed = |reason: String| DialError::Resolve { host: host.to_owned(), reason };
        match self {
            Self::System => {
                let found = tokio::net::lookup_host((host, 0)).await.map_err(|e| failed(e.to_string()))?;
                Ok(found.map(|address| address.ip()).collect())
            }
            Self::Servers(resolver) => {
                // The final dot keeps search domains out.
                let name = format!("{}.", host.trim_end_matches('.'));
                let found = resolver.lookup_ip(name).await.map_err(|e| failed(e.to_string()))?;
                Ok(found.iter().collect())
            }
        }
    }
}
