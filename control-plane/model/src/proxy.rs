//! An HTTP proxy in front of targets and token endpoints: from an installation or an Application, into transport profiles
//! and grants.

use std::fmt;

use serde::Serialize;
use url::Url;

/// A proxy that takes `CONNECT` (RFC 9110 §9.3.6), spoken to without TLS and without credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Proxy {
    /// Host name in lower case, or IP address; IPv6 in brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Why a URL names no proxy that can be used. The texts quote nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// It is no URL, or has more than a scheme, a host and a port.
    Form,
    /// Another scheme than `http`.
    Scheme,
    /// It has a user name or a password.
    Credentials,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "it is not the URL of a proxy: write http://host:port",
            Self::Scheme => {
                "only proxies that are spoken to in plain HTTP are supported: write http://host:port"
            }
            Self::Credentials => {
                "it has a user name or a password, which would be readable in the gateway's configuration: \
                 use a proxy that admits the gateway by its address"
            }
        })
    }
}

impl std::error::Error for ProxyError {}

impl Proxy {
    /// Reads `http://host:port`; the port is 80 where none is named.
    ///
    /// # Errors
    /// See [`ProxyError`].
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let url = Url::parse(text).map_err(|_| ProxyError::Form)?;
        if url.scheme() != "http" {
            return Err(if url.has_host() { ProxyError::Scheme } else { ProxyError::Form });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ProxyError::Credentials);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyError::Form)?;
        let port = url.port_or_known_default().filter(|port| *port > 0).ok_or(ProxyError::Form)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyError::Form);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// As the authority of a URL.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("http://Proxy.example:3128", "proxy.example", 3128),
            ("http://proxy.example/", "proxy.example", 80),
            ("http://10.0.0.1:8080", "10.0.0.1", 8080),
            ("http://[fd00::1]:8080", "[fd00::1]", 8080),
        ] {
            assert_eq!(Proxy::parse(text), Ok(Proxy { host: host.to_owned(), port }), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (text, error) in [
            ("", ProxyError::Form),
            ("proxy.example:3128", ProxyError::Form),
            ("proxy.example", ProxyError::Form),
            ("http://", ProxyError::Form),
            ("http://proxy.example:0", ProxyError::Form),
            ("http://proxy.example:99999", ProxyError::Form),
            ("http://proxy.example/path", ProxyError::Form),
            ("http://proxy.example?x", ProxyError::Form),
            ("https://proxy.example:3128", ProxyError::Scheme),
            ("socks5://proxy.example:1080", ProxyError::Scheme),
            ("http://user@proxy.example:3128", ProxyError::Credentials),
            ("http://user:c4n4ry@proxy.example:3128", ProxyError::Credentials),
        ] {
            assert_eq!(Proxy::parse(text), Err(error), "{text}");
            assert!(!error.to_string().contains("c4n4ry"));
        }
    }
}
