//! Transport profiles as the renderer takes them: a name, a TLS policy and a way (design decision 11).

use fairlead_wire::profile::PLAIN;
use serde::{Deserialize, Serialize};

/// One way of talking to targets. There is no secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Cluster name: [`fairlead_wire::profile::PREFIX`], or
    /// [`PROXIED_PREFIX`](fairlead_wire::profile::PROXIED_PREFIX) if there is a proxy, and 32 hex digits.
    pub id: String,
    /// What is believed.
    pub trust: Trust,
    /// What is shown to targets that ask for it: fingerprint of the certificate. The pair itself is a secret that Envoy
    /// reads ([`sds::client`](crate::sds::client), [`mesh::client_secret_name`](crate::mesh::client_secret_name)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What stands between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Calls may be replayed: an egress gateway gets a pinned twin as well.
    #[serde(default = "yes")]
    pub pinned: bool,
}

fn yes() -> bool {
    true
}

impl Profile {
    /// One of a trust and nothing else.
    #[must_use]
    pub fn new(id: &str, trust: Trust) -> Self {
        Self { id: id.to_owned(), trust, client: None, proxy: None, pinned: true }
    }

    /// The one without TLS and without proxy. Every gateway has it from the start, so that it is never taken away: Envoy
    /// 1.40 dies when a cluster goes that has a cluster for each host
    /// ([`forward_proxy::cluster_per_host`](crate::forward_proxy::cluster_per_host)); changing it is safe.
    #[must_use]
    pub fn plain() -> Self {
        Self::new(PLAIN, Trust::Plain)
    }

    /// What its name has of its own.
    pub(crate) fn hex(&self) -> &str {
        self.id.rsplit('.').next().unwrap_or_default()
    }
}

/// What is believed of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Trust {
    /// No TLS.
    Plain,
    /// TLS; chain against the machine's CAs, name against the authority.
    System,
    /// TLS; chain against these CAs alone, name against the authority.
    Private {
        /// PEM.
        ca_pem: String,
    },
    /// TLS; nothing is verified (`spec.skipVerify`, AG §7).
    Unverified,
}

impl Trust {
    /// Chain and name are verified.
    pub(crate) fn verifies(&self) -> bool {
        match self {
            Self::Plain | Self::Unverified => false,
            Self::System | Self::Private { .. } => true,
        }
    }
}

/// An HTTP proxy, spoken to without TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// DNS name or address; IPv6 in brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}
