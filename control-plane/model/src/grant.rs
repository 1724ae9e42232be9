//! What the grant broker needs to fetch a grant: a token or a CSRF session (AG §8.3, §8.4, §9; design decision 9).

use std::sync::Arc;

use fairlead_wire::{Refusal, feed::short_sha256};
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use crate::{ClientPair, Proxy, Trust};

/// How one grant is fetched. Equal ids mean equal content, so entries that send the same share one.
#[derive(Clone, Debug)]
pub struct GrantSpec {
    /// What the plugin asks for: made of the kind, the Secret's name and version, the URL, the trust, the proxy and the
    /// linked grant, never of a secret (decision 32). Everything that is sent is in it.
    pub id: String,
    /// The Secret that it comes from, `namespace/name`: for logs.
    pub secret: String,
    /// Where it is fetched, or what every demand is answered with because it cannot be (AG E12, E13, E17;
    /// a caller with its own `Access-Token` is served all the same).
    pub endpoint: Result<Endpoint, Refusal>,
    /// What is sent there, and what is taken from the answer.
    pub kind: GrantKind,
    /// Header lines to add to a token request where absent, names in lower case. A CSRF endpoint gets none.
    pub headers: Vec<(String, SecretString)>,
    /// Query parameters to add to a token request where the key is absent. A CSRF endpoint gets none.
    pub query_parameters: Vec<(String, Vec<SecretString>)>,
}

/// How a grant is fetched.
#[derive(Clone, Debug)]
pub enum GrantKind {
    /// `OAuth`: a token for id and secret, each sent as it is, in the form and as Basic (AG §8.3).
    ClientCredentials {
        /// `clientId`.
        client_id: SecretString,
        /// `clientSecret`.
        client_secret: SecretString,
    },
    /// `OAuthWithCert`: a token over mutual TLS, with the id in the form alone (AG §8.4, RFC 8705).
    CertifiedClient {
        /// `clientId`.
        client_id: SecretString,
        /// What is shown to the token endpoint, if it asks for it.
        pair: Arc<ClientPair>,
    },
    /// A CSRF token and the cookies of its session (AG §9).
    Csrf {
        /// How the endpoint knows us.
        with: CsrfAuth,
    },
}

/// The credential's own authentication, towards its CSRF endpoint.
#[derive(Clone, Debug)]
pub enum CsrfAuth {
    /// The complete `Authorization` value.
    Basic(SecretString),
    /// The token of this grant, which the same entry names: the broker knows both, or neither.
    Grant(Arc<GrantSpec>),
    /// The client certificate.
    Certificate(Arc<ClientPair>),
}

/// A token or CSRF endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `credentials.authenticationUrl` or `csrfInfo.tokenEndpointURL`; `http` or `https`, with a host.
    pub url: Url,
    /// Whose certificate is believed there; [`Trust::Plain`] exactly for `http`.
    pub trust: Trust,
    /// What it is reached through.
    pub proxy: Option<Proxy>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proxy: Option<&'a Proxy>,
    /// Id of the grant that the endpoint is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) linked: Option<&'a str>,
}

impl Identity<'_> {
    pub(crate) fn id(&self) -> String {
        let canonical = serde_json::to_value(self).unwrap_or_default().to_string();
        short_sha256(canonical.as_bytes())
    }
}
