//! What the grant broker needs to fetch a token (AG §8.3, design decision 9).

use fairlead_wire::{Refusal, feed::short_sha256};
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use crate::Trust;

/// How one grant is fetched. Equal ids mean equal content, so entries that send the same share one.
#[derive(Clone, Debug)]
pub struct GrantSpec {
    /// What the plugin asks for: made of the Secret's name and version, the URL and the trust, never of a secret
    /// (decision 32).
    pub id: String,
    /// The Secret that it comes from, `namespace/name`: for logs.
    pub secret: String,
    /// Where the token is fetched, or what every demand is answered with because there is no such place (AG E12, E13;
    /// a caller with its own `Access-Token` is served all the same).
    pub endpoint: Result<Endpoint, Refusal>,
    /// `clientId`, sent as it is.
    pub client_id: SecretString,
    /// `clientSecret`, sent as it is.
    pub client_secret: SecretString,
    /// Header lines to add to the token request where absent, names in lower case.
    pub headers: Vec<(String, SecretString)>,
    /// Query parameters to add to the token request where the key is absent.
    pub query_parameters: Vec<(String, Vec<SecretString>)>,
}

/// A token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `credentials.authenticationUrl`; `http` or `https`, with a host.
    pub url: Url,
    /// Whose certificate is believed there; [`Trust::Plain`] exactly for `http`.
    pub trust: Trust,
}

/// What a grant's id is made of: its canonical JSON.
#[derive(Serialize)]
pub(crate) struct Identity<'a> {
    pub(crate) kind: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) version: &'a str,
    pub(crate) url: &'a str,
    pub(crate) trust: &'a Trust,
}

impl Identity<'_> {
    pub(crate) fn id(&self) -> String {
        let canonical = serde_json::to_value(self).unwrap_or_default().to_string();
        short_sha256(canonical.as_bytes())
    }
}
