//! The dynamic forward proxy: one DNS cache that its filter and every transport profile share (design decision 11).

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    Resolver,
    json::{address, any, extension},
};

/// Hosts that may be in the cache at once. Beyond it Envoy answers 503; the map is cheap until hosts are used.
const MAX_HOSTS: u32 = 200_000;
/// Requests that may wait for name resolution at once: first calls to this many hosts (Envoy's default is 1024).
const MAX_PENDING: u32 = 65_536;

/// Fields of the cache that a cluster which resolves by itself has as well.
pub(crate) const RESOLUTION: [&str; 2] = ["dns_lookup_family", "typed_dns_resolver_config"];

/// How long an unused host stays.
const HOST_TTL: &str = "300s";
/// Hosts without TLS that may have a cluster at once; further ones get 503. Each takes about 60 KB while it is used.
const MAX_PLAIN_HOSTS: u32 = 8_192;

/// The `dns_cache_config`. Envoy demands that everybody who names the same cache gives the same configuration.
#[must_use]
pub fn dns_cache(resolver: &Resolver) -> Value {
    match resolver {
        Resolver::System => cache(&extension(
            "envoy.network.dns_resolver.getaddrinfo",
            "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig",
            json!({ "num_retries": 1, "num_resolver_threads": 8 }),
        )),
        Resolver::Servers(servers) => cache(&servers_alone(servers)),
    }
}

/// A resolver that asks these DNS servers alone.
pub(crate) fn servers_alone(servers: &[SocketAddr]) -> Value {
    cares(json!({
        "resolvers": servers.iter().copied().map(address).collect::<Vec<_>>(),
        "dns_resolver_options": { "no_default_search_domain": true },
    }))
}

/// Envoy's own resolver (c-ares) with these fields; with none it asks whom `resolv.conf` names.
pub(crate) fn cares(mut fields: Value) -> Value {
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("query_timeout_seconds".to_owned(), json!(2));
        fields.insert("query_tries".to_owned(), json!(2));
    }
    extension(
        "envoy.network.dns_resolver.cares",
        "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        fields,
    )
}

/// The cache with this resolver.
///
/// One address family: the guard sees the first address only ([`guard`](crate::guard)), and with both families a
/// second one would be the rule.
pub(crate) fn cache(resolver: &Value) -> Value {
    json!({
        "name": "fairlead",
        "dns_lookup_family": "V4_PREFERRED",
        "typed_dns_resolver_config": resolver,
        "max_hosts": MAX_HOSTS,
        // An unused host is forgotten, and with it its connections.
        "host_ttl": HOST_TTL,
        "dns_refresh_rate": "60s",
        "dns_failure_refresh_rate": { "base_interval": "1s", "max_interval": "10s" },
        "dns_query_timeout": "5s",
        "dns_cache_circuit_breaker": { "max_pending_requests": MAX_PENDING },
    })
}

/// The HTTP filter that resolves `:authority` before the router runs, and saves the address for the guard.
#[must_use]
pub fn filter(dns_cache: &Value) -> Value {
    extension(
        "envoy.filters.http.dynamic_forward_proxy",
        "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
        json!({ "dns_cache_config": dns_cache, "save_upstream_address": true }),
    )
}

/// What makes a cluster the forward proxy of a profile with TLS: all hosts in one, by the shared cache.
///
/// `insecure` permits a cluster that does not verify names by itself.
#[must_use]
pub fn cluster(dns_cache: &Value, insecure: bool) -> Value {
    json!({ "cluster_type": cluster_type(json!({
        "dns_cache_config": dns_cache,
        "allow_insecure_cluster_options": insecure,
    })) })
}

/// What makes a cluster the forward proxy of the plain profile: a cluster for each host, made at its first call and
/// forgotten when unused, whose hosts are the name's single addresses. An address that cannot be connected to is left
/// out for a while, where there are others. Names are resolved as by `dns_cache`.
///
/// Envoy names those clusters by host and port alone, whatever profile they are of: no second profile may have this.
#[must_use]
pub fn cluster_per_host(dns_cache: &Value) -> Value {
    let mut cluster = json!({
        "cluster_type": cluster_type(json!({
            "sub_clusters_config": { "max_sub_clusters": MAX_PLAIN_HOSTS, "sub_cluster_ttl": HOST_TTL },
            "allow_insecure_cluster_options": true,
        })),
        // Judges connections only; what a target answers is its own matter.
        "outlier_detection": {
            "split_external_local_origin_errors": true,
            "consecutive_local_origin_failure": 1,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_local_origin_success_rate": 0,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "base_ejection_time": "5s",
            "max_ejection_time": "30s",
            "max_ejection_percent": 99,
        },
    });
    for field in RESOLUTION {
        if let (Some(cluster), Some(value)) = (cluster.as_object_mut(), dns_cache.get(field)) {
            cluster.insert(field.to_owned(), value.clone());
        }
    }
    cluster
}

fn cluster_type(fields: Value) -> Value {
    json!({
        "name": "envoy.clusters.dynamic_forward_proxy",
        "typed_config": any("envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig", fields),
    })
}
