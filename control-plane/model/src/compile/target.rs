//! `targetUrl` and other URLs of a resource → scheme, authority, path and query as calls need them (AG §4, §5).
//!
//! Split by hand: a URL crate normalises paths, and the contract sends them as spelt. What is an error and what only cannot be
//! called follows Go's `net/url` (AG E11 and the 502 rows of AG §14).

use std::{collections::BTreeSet, sync::Arc};

use fairlead_app_router::Base;
use ipnet::IpNet;
use url::Host;

use super::proxy::address;
use crate::{BUILT_IN_REFUSED, Installation, Proxy};

/// A URL that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `https`.
    pub(crate) tls: bool,
    /// Lower case, IDNA, without port; IPv6 in brackets.
    pub(crate) host: String,
    /// If the URL names one.
    pub(crate) port: Option<u16>,
    /// As spelt: empty or with a leading slash. The router escapes what must not go out.
    pub(crate) path: String,
    /// As spelt, without `?`; only what must not stand in a request line is escaped.
    pub(crate) query: String,
}

/// Why a URL cannot be called. The texts quote nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetError {
    /// It is no URL.
    Invalid(&'static str),
    /// It is one, but leads nowhere.
    Unsupported(&'static str),
}

impl Target {
    /// Reads a URL. User-info and fragment are dropped (AG §5).
    pub(crate) fn parse(url: &str) -> Result<Self, TargetError> {
        use TargetError::{Invalid, Unsupported};
        if url.bytes().any(|b| b.is_ascii_control()) {
            return Err(Invalid("invalid control character in URL"));
        }
        let url = url.split_once('#').map_or(url, |(before, _)| before);
        let (scheme, rest) = split_scheme(url)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            "" => return Err(Unsupported("it has no scheme: begin it with http:// or https://")),
            _ => return Err(Unsupported("its scheme is neither http nor https")),
        };
        let Some(rest) = rest.strip_prefix("//") else {
            return Err(Unsupported("it has no host: write http://host/path"));
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.find('/').and_then(|slash| rest.split_at_checked(slash)) {
            Some(parts) => parts,
            None => (rest, ""),
        };
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split_port(authority)?;
        if Base::new(path).is_err() {
            return Err(Invalid("invalid URL escape in path"));
        }
        Ok(Self { tls, host: read_host(host)?, port, path: path.to_owned(), query: printable(query) })
    }

    /// What is called to reach a proxy.
    pub(crate) fn of(proxy: &Proxy) -> Self {
        let Proxy { host, port } = proxy.clone();
        Self { tls: false, host, port: Some(port), path: String::new(), query: String::new() }
    }

    /// The `Host` header: with the port if the URL names one.
    pub(crate) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

/// `scheme:rest`, or no scheme.
fn split_scheme(url: &str) -> Result<(&str, &str), TargetError> {
    let end = url.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
    let begins_well = url.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    match url.split_at_checked(end) {
        Some(("", rest)) if rest.starts_with(':') => Err(TargetError::Invalid("missing protocol scheme")),
        Some((scheme, rest)) if begins_well && rest.starts_with(':') => {
            Ok((scheme, rest.strip_prefix(':').unwrap_or(rest)))
        }
        _ if url.split(['/', '?']).next().is_some_and(|first| first.contains(':')) => {
            Err(TargetError::Invalid("first path segment in URL cannot contain colon"))
        }
        _ => Ok(("", url)),
    }
}

/// `host:port`; an empty port is none.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), TargetError> {
    let colon = match authority.rfind(']') {
        Some(bracket) => authority.rfind(':').filter(|colon| *colon > bracket),
        None => authority.rfind(':'),
    };
    let Some((host, port)) = colon.and_then(|colon| authority.split_at_checked(colon)) else {
        return Ok((authority, None));
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(TargetError::Invalid("invalid port after host"));
    }
    match port.parse() {
        _ if port.is_empty() => Ok((host, None)),
        Ok(0) | Err(_) => Err(TargetError::Unsupported("its port is not between 1 and 65535")),
        Ok(port) => Ok((host, Some(port))),
    }
}

fn read_host(host: &str) -> Result<String, TargetError> {
    if host.is_empty() {
        return Err(TargetError::Unsupported("it has no host: write http://host/path"));
    }
    // The URL standard would decode escapes here, Go refuses them.
    if host.contains('%') {
        return Err(TargetError::Invalid("invalid URL escape in host"));
    }
    match Host::parse(host) {
        Ok(host) => Ok(host.to_string()),
        Err(_) => Err(TargetError::Invalid("invalid host name")),
    }
}

/// Escapes what must not stand in a request line: blanks and bytes outside ASCII.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Targets that are never called (decision 26), and the way to those that are.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    authorities: BTreeSet<String>,
    refused: Arc<[IpNet]>,
    allowed: Arc<[IpNet]>,
    proxy: Option<Proxy>,
}

impl Guard {
    pub(crate) fn new(installation: &Installation) -> Self {
        let ours = installation.refused_authorities.iter().map(String::as_str);
        let authorities = ours.chain(BUILT_IN_REFUSED.iter().copied()).map(str::to_ascii_lowercase);
        Self {
            authorities: authorities.collect(),
            refused: installation.refused_networks.clone().into(),
            allowed: installation.allowed_networks.clone().into(),
            proxy: installation.proxy.clone(),
        }
    }

    /// The installation's proxy.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Whether it is one of our own.
    pub(crate) fn refuses(&self, target: &Target) -> bool {
        let host = target.host.strip_suffix('.').unwrap_or(&target.host);
        let port = target.port.unwrap_or(if target.tls { 443 } else { 80 });
        self.authorities.contains(host) || self.authorities.contains(&format!("{host}:{port}"))
    }

    /// Whether its host is written as an address that is refused after resolution, or is a name of this very machine.
    pub(crate) fn refuses_address(&self, target: &Target) -> bool {
        let host = target.host.strip_suffix('.').unwrap_or(&target.host);
        let Some(address) = address(host) else {
            return host == "localhost" || host.ends_with(".localhost");
        };
        let contains = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        contains(&self.refused) && !contains(&self.allowed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is written as a URL, what goes into a request line, a `Host` header or SNI cannot break out of it.
        #[test]
        fn parts_are_safe(url in "(https?://)?[ -~\u{80}-\u{2ff}\n\t]{0,40}") {
            if let Ok(target) = Target::parse(&url) {
                let authority = target.authority();
                prop_assert!(!authority.is_empty() && authority.bytes().all(|b| b.is_ascii_graphic()), "{authority}");
                prop_assert!(!authority.contains(['/', '@', '?', '#', '%', '\\']) , "{authority}");
                prop_assert!(target.path.is_empty() || target.path.starts_with('/'));
                prop_assert!(!target.path.contains(['?', '#']) && !target.path.bytes().any(|b| b.is_ascii_control()));
                prop_assert!(target.query.bytes().all(|b| b.is_ascii_graphic() && b != b'#'));
            }
        }

        #[test]
        fn nothing_panics(url in any::<String>()) {
            let _ = Target::parse(&url);
        }
    }
}
