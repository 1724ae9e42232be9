//! Transport profiles as the renderer takes them: a name and a TLS policy (design decision 11).

use fairlead_wire::profile::PLAIN;

/// One way of talking to targets; becomes one Envoy cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Cluster name: [`fairlead_wire::profile::PREFIX`] and 32 hex digits.
    pub id: String,
    /// What is believed.
    pub trust: Trust,
}

impl Profile {
    /// The one without TLS. Every gateway has it from the start, so that it is never taken away: Envoy 1.40 dies when a
    /// cluster goes that has a cluster for each host
    /// ([`forward_proxy::cluster_per_host`](crate::forward_proxy::cluster_per_host)); changing it is safe.
    #[must_use]
    pub fn plain() -> Self {
        Self { id: PLAIN.to_owned(), trust: Trust::Plain }
    }
}

/// What is believed of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
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
