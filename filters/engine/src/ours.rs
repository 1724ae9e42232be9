//! The first decision of every request: is this host and listener ours, and what does it do here?

use fairlead_wire::config::{Mode, PluginConfig};

use crate::connection::Connection;

/// Hosts and listeners of one plugin instance, compiled from its configuration.
#[derive(Debug)]
pub(crate) struct Ours {
    hosts: Hosts,
    listeners: Listeners,
}

#[derive(Debug)]
enum Hosts {
    All,
    Named(Box<[Box<[u8]>]>),
}

#[derive(Debug)]
enum Listeners {
    /// The only entry holds for every port, so that no property is read.
    One(Mode),
    ByPort(Box<[(u16, Mode)]>),
}

impl Ours {
    pub(crate) fn new(config: &PluginConfig) -> Self {
        let hosts = if config.hosts.iter().any(|host| host == "*") {
            Hosts::All
        } else {
            Hosts::Named(config.hosts.iter().map(|host| host.as_bytes().into()).collect())
        };
        let mut modes = config.listeners.values();
        let listeners = match (modes.next(), modes.next()) {
            (Some(mode), None) => Listeners::One(*mode),
            _ => Listeners::ByPort(config.listeners.iter().map(|(port, mode)| (*port, *mode)).collect()),
        };
        Self { hosts, listeners }
    }

    /// Whether exactly one host is ours.
    pub(crate) fn is_one_host(&self) -> bool {
        matches!(&self.hosts, Hosts::Named(names) if names.len() == 1)
    }

    /// What to do with a request to `authority`; none if it is not ours.
    pub(crate) fn mode(&self, authority: &[u8], connection: &dyn Connection) -> Option<Mode> {
        if let Hosts::Named(names) = &self.hosts {
            let host = host_of(authority);
            if !names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
                return None;
            }
        }
        match &self.listeners {
            Listeners::One(mode) => Some(*mode),
            Listeners::ByPort(modes) if modes.is_empty() => None,
            Listeners::ByPort(modes) => {
                let port = connection.port()?;
                modes.iter().find(|(listener, _)| *listener == port).map(|(_, mode)| *mode)
            }
        }
    }
}

/// `authority` without its port. What follows the last colon of an IPv6 literal is not a port: it ends in `]`.
pub(crate) fn host_of(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|b| *b == b':').and_then(|at| authority.split_at_checked(at)) {
        Some((host, port)) if port.iter().skip(1).all(u8::is_ascii_digit) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::testing::{Peer, config};

    #[test]
    fn the_port_is_no_part_of_the_host() {
        for (authority, host) in [
            ("h", "h"),
            ("h:8080", "h"),
            ("h:", "h"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("h:80x", "h:80x"),
            ("", ""),
        ] {
            assert_eq!(host_of(authority.as_bytes()), host.as_bytes(), "{authority}");
        }
    }

    #[test]
    fn named_hosts_are_ours_whatever_case_and_port() {
        let ours = Ours::new(&config(&["gateway.example"], &[(8080, Mode::Manual)]));
        let mode = |authority: &str| ours.mode(authority.as_bytes(), &Peer::default());
        assert_eq!(mode("Gateway.Example:8080"), Some(Mode::Manual));
        for other in ["", "example", "x.gateway.example", "gateway.example.", "gateway.example@other"] {
            assert_eq!(mode(other), None, "{other}");
        }
    }

    #[test]
    fn a_star_is_every_host_and_no_configuration_is_none() {
        assert_eq!(
            Ours::new(&config(&["*"], &[(1, Mode::Ucl)])).mode(b"any", &Peer::default()),
            Some(Mode::Ucl)
        );
        assert_eq!(Ours::new(&config(&[], &[(1, Mode::Ucl)])).mode(b"any", &Peer::default()), None);
        assert_eq!(Ours::new(&config(&["*"], &[])).mode(b"any", &Peer::default()), None);
    }

    #[test]
    fn several_listeners_are_told_apart_by_port() {
        let ours = Ours::new(&config(&["*"], &[(8080, Mode::Manual), (8082, Mode::Ucl)]));
        for (port, mode) in
            [(Some(8080), Some(Mode::Manual)), (Some(8082), Some(Mode::Ucl)), (Some(1), None), (None, None)]
        {
            assert_eq!(ours.mode(b"h", &Peer { port, ..Peer::default() }), mode);
        }
    }
}
