//! Transport profiles as the renderer takes them: a name and a TLS policy (design decision 11).

/// One way of talking to targets; becomes one Envoy cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Cluster name: [`fairlead_wire::profile::PREFIX`] and 32 hex digits.
    pub id: String,
    /// What is believed.
    pub trust: Trust,
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
