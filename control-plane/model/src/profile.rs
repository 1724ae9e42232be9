//! Transport profiles: how targets are spoken to, apart from their name (design decision 11). The renderer makes one
//! Envoy cluster of each.

use std::sync::{Arc, LazyLock};

use fairlead_wire::{
    feed::short_sha256,
    profile::{PREFIX, PROXIED_PREFIX},
};
use serde::Serialize;

use crate::{ClientPair, Proxy};

/// One way of speaking to targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Name of the Envoy cluster: [`PREFIX`], or [`PROXIED_PREFIX`] where there is a proxy, and 128 bits of SHA-256 of
    /// what it says, hex (decision 32).
    pub id: String,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// What the gateway shows if the target asks for a certificate (AG §8.5); never with [`Trust::Plain`].
    pub client: Option<Arc<ClientPair>>,
    /// The proxy that targets are reached through.
    pub proxy: Option<Proxy>,
    /// Whether it needs a pinned twin, by which calls are replayed (design decision 10).
    pub pinned: bool,
}

/// What a profile's id is made of: its canonical JSON. What is left out where it is as it mostly is came later.
#[derive(Serialize)]
struct Identity<'a> {
    #[serde(flatten)]
    trust: &'a Trust,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<&'a Proxy>,
    /// `false` or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<bool>,
}

/// Whose certificates are believed. Its canonical JSON makes the profile's id, so the order of variants and fields
/// does not matter, but their names stay.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase", tag = "trust")]
pub enum Trust {
    /// No TLS.
    Plain,
    /// TLS, verified with the system's CAs.
    System,
    /// TLS, verified with these CAs alone.
    #[serde(rename_all = "camelCase")]
    Private {
        /// One or more certificates, PEM, nothing else in between.
        ca_pem: String,
    },
    /// TLS, certificate and name are not verified (`skipVerify`).
    Unverified,
}

impl Trust {
    /// A word for people: `plain`, `system`, `private`, `unverified`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::System => "system",
            Self::Private { .. } => "private",
            Self::Unverified => "unverified",
        }
    }
}

impl Profile {
    /// The profile of this trust, and nothing else.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self::with(trust, None, None, true)
    }

    /// The profile of all that can be said.
    #[must_use]
    pub fn with(trust: Trust, client: Option<Arc<ClientPair>>, proxy: Option<Proxy>, pinned: bool) -> Self {
        let client_id = client.as_deref().map(|client| client.fingerprint.as_str());
        let identity = Identity {
            trust: &trust,
            client: client_id,
            proxy: proxy.as_ref(),
            pinned: (!pinned).then_some(false),
        };
        // A map of strings has no way to fail; `Value` sorts its keys, which makes the JSON canonical.
        let canonical = serde_json::to_value(&identity).unwrap_or_default().to_string();
        let prefix = if proxy.is_some() { PROXIED_PREFIX } else { PREFIX };
        Self { id: format!("{prefix}{}", short_sha256(canonical.as_bytes())), trust, client, proxy, pinned }
    }

    /// The same, made once a process for what nearly all entries use.
    pub(crate) fn shared(trust: Trust) -> Arc<Self> {
        static COMMON: LazyLock<[Arc<Profile>; 3]> = LazyLock::new(|| {
            [Trust::Plain, Trust::System, Trust::Unverified].map(|trust| Arc::new(Profile::new(trust)))
        });
        let common = COMMON.iter().find(|profile| profile.trust == trust);
        common.map_or_else(|| Arc::new(Self::new(trust)), Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn plain_profile_has_the_name_that_gateways_guard() {
        assert_eq!(Profile::new(Trust::Plain).id, fairlead_wire::profile::PLAIN);
    }
}
