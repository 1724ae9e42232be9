//! Which addresses the control plane itself may call: the gateways' list (`fairlead_render::guard`), judged in code.

use std::net::SocketAddr;

use fairlead_render::guard::REFUSED;
use ipnet::IpNet;

/// Refuses loopback, link-local, metadata and the like, unless the installation allows the network.
pub struct Guard {
    refused: Vec<IpNet>,
    allow: Vec<IpNet>,
    /// Our own addresses: never, whatever is allowed (decision 26).
    never: Vec<SocketAddr>,
}

impl Guard {
    /// With the installation's exceptions.
    #[must_use]
    pub fn new(allow: &[IpNet], never: &[SocketAddr]) -> Self {
        Self {
            refused: REFUSED.iter().filter_map(|network| network.parse().ok()).collect(),
            allow: allow.to_vec(),
            never: never.to_vec(),
        }
    }

    /// Whether `address` may be called. An IPv4 address in IPv6 spelling is judged as what the kernel connects to.
    #[must_use]
    pub fn allows(&self, address: SocketAddr) -> bool {
        let (address, port) = (address.ip().to_canonical(), address.port());
        if self.never.iter().any(|never| never.ip() == address && never.port() == port) {
            return false;
        }
        let within = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        !within(&self.refused) || within(&self.allow)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn at(address: &str, port: u16) -> SocketAddr {
        SocketAddr::new(address.parse::<IpAddr>().unwrap(), port)
    }

    #[test]
    fn guard_refuses_what_gateways_refuse_and_allows_exceptions() {
        let guard = Guard::new(&["127.0.0.2/32".parse().unwrap()], &[at("127.0.0.2", 18443)]);
        for address in
            ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1"]
        {
            assert!(!guard.allows(at(address, 443)), "{address}");
        }
        for address in ["127.0.0.2", "::ffff:127.0.0.2", "10.1.2.3", "8.8.8.8", "2001:db8::1"] {
            assert!(guard.allows(at(address, 443)), "{address}");
        }
        assert!(!guard.allows(at("127.0.0.2", 18443)), "our own port");
        assert!(!guard.allows(at("::ffff:127.0.0.2", 18443)), "our own port");
    }
}
