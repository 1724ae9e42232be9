//! The guard of targets, after name resolution (design decision 13): an RBAC filter that reads the address which the
//! dynamic forward proxy saved, so it must stand behind that filter.
//!
//! That address is the *first* of a name. Where a name has several, a cluster of the forward proxy tries the next when
//! the first cannot be connected to ("happy eyeballs", which Envoy 1.40 cannot switch off there), and nobody looks at
//! that one: who controls a target's DNS zone could answer with a permitted address that refuses connections, and a
//! refused one. So the plain profile, behind which metadata services would be, has a cluster for each host instead,
//! whose hosts are single addresses ([`forward_proxy::cluster_per_host`](crate::forward_proxy::cluster_per_host)), and
//! the same rules as an upstream filter, which judges the address that was chosen ([`upstream`]). Envoy names those
//! clusters by host and port alone, so that only one profile can have them: for the others the gap stays. A verified
//! profile is safe all the same, as the refused address would need a certificate for the name; for the unverified one
//! a `NetworkPolicy` is the second line.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::json::{any, extension};

/// Name of the RBAC policy. Envoy writes it into the response code details of a refusal, from which
/// [`local_reply`](crate::local_reply) tells it.
pub const POLICY: &str = "fairlead-target-guard";

/// Name of the listener's filter, by which routes speak of it.
const FILTER: &str = "envoy.filters.http.rbac";
const RBAC: &str = "envoy.extensions.filters.http.rbac.v3.RBAC";

/// What no target may be, unless the installation allows it.
///
/// Envoy compares an IPv4-mapped address (`::ffff:127.0.0.1`) as IPv6, and the kernel connects it as IPv4; the same
/// holds behind a NAT64 gateway (RFC 6052). So each IPv4 network is listed in these spellings as well.
pub const REFUSED: &[&str] = &[
    // "This network": Linux connects 0.0.0.0 to itself (RFC 1122 §3.2.1.3).
    "0.0.0.0/8",
    "127.0.0.0/8",
    // Link-local (RFC 3927), with the metadata address 169.254.169.254.
    "169.254.0.0/16",
    // Multicast, reserved, broadcast (RFC 5771, RFC 1112 §4).
    "224.0.0.0/3",
    // Metadata services that are not link-local: Azure, Alibaba, Oracle.
    "168.63.129.16/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
    // Unspecified, loopback, and the obsolete IPv4-compatible addresses (RFC 4291 §2.5).
    "::/96",
    "fe80::/10",
    // Site-local, deprecated (RFC 3879).
    "fec0::/10",
    "ff00::/8",
    // Metadata services: AWS, Google.
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
    // The IPv4 networks above, mapped (RFC 4291 §2.5.5.2).
    "::ffff:0.0.0.0/104",
    "::ffff:127.0.0.0/104",
    "::ffff:169.254.0.0/112",
    "::ffff:224.0.0.0/99",
    "::ffff:168.63.129.16/128",
    "::ffff:100.100.100.200/128",
    "::ffff:192.0.0.192/128",
    // The IPv4 networks above, behind NAT64 (RFC 6052 §2.1).
    "64:ff9b::0.0.0.0/104",
    "64:ff9b::127.0.0.0/104",
    "64:ff9b::169.254.0.0/112",
    "64:ff9b::224.0.0.0/99",
    "64:ff9b::168.63.129.16/128",
    "64:ff9b::100.100.100.200/128",
    "64:ff9b::192.0.0.192/128",
];

/// The listener's filter, for all profiles whose address the forward proxy saves. `allow` are networks that are let
/// through although they are [`REFUSED`]; `never` addresses that are refused in any case.
#[must_use]
pub fn filter(allow: &[IpNet], never: &[SocketAddr]) -> Value {
    extension(FILTER, RBAC, rules(allow, never))
}

/// The same as upstream filter, for a cluster whose hosts are single addresses.
#[must_use]
pub fn upstream(allow: &[IpNet], never: &[SocketAddr]) -> Value {
    extension("envoy.filters.http.upstream_rbac", RBAC, rules(allow, never))
}

/// What a route says whose cluster has [`upstream`]: the listener's filter would look in vain for a saved address.
#[must_use]
pub fn elsewhere() -> Value {
    json!({ FILTER: any("envoy.extensions.filters.http.rbac.v3.RBACPerRoute", json!({})) })
}

fn rules(allow: &[IpNet], never: &[SocketAddr]) -> Value {
    let refused = REFUSED.iter().filter_map(|network| network.parse::<IpNet>().ok()).map(in_network);
    let mut general = vec![json!({ "or_rules": { "rules": refused.collect::<Vec<_>>() } })];
    if !allow.is_empty() {
        let allowed: Vec<_> = allow.iter().copied().map(in_network).collect();
        general.push(json!({ "not_rule": { "or_rules": { "rules": allowed } } }));
    }
    let mut permissions = vec![json!({ "and_rules": { "rules": general } })];
    permissions.extend(never.iter().map(|address| {
        let port = u32::from(address.port());
        matcher(json!({
            "upstream_ip": cidr(IpNet::from(address.ip())),
            "upstream_port_range": { "start": port, "end": port + 1 },
        }))
    }));
    let policy = json!({ "permissions": permissions, "principals": [{ "any": true }] });
    json!({ "rules": { "action": "DENY", "policies": { POLICY: policy } } })
}

fn in_network(network: IpNet) -> Value {
    matcher(json!({ "upstream_ip": cidr(network) }))
}

fn cidr(network: IpNet) -> Value {
    json!({ "address_prefix": network.network().to_string(), "prefix_len": network.prefix_len() })
}

fn matcher(fields: Value) -> Value {
    json!({ "matcher": extension(
        "envoy.rbac.matchers.upstream_ip_port",
        "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher",
        fields,
    ) })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use std::net::IpAddr;

    use super::*;

    fn refused(address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        REFUSED.iter().any(|network| network.parse::<IpNet>().unwrap().contains(&address))
    }

    #[test]
    fn guard_every_network_parses_and_has_no_host_bits() {
        for network in REFUSED {
            let parsed: IpNet = network.parse().unwrap();
            assert_eq!(parsed, parsed.trunc(), "{network}");
        }
    }

    #[test]
    fn guard_covers_what_must_never_be_a_target() {
        for address in [
            "127.0.0.1",
            "127.255.0.9",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "64:ff9b::7f00:1",
            "::ffff:255.255.255.255",
        ] {
            assert!(refused(address), "{address}");
        }
        for address in ["10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:db8::1", "fd00::1", "::ffff:8.8.8.8"] {
            assert!(!refused(address), "{address}");
        }
    }
}
