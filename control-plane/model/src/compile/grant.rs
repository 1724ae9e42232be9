//! What the broker is to fetch for an entry: tokens (AG §8.3, §8.4) and CSRF tokens (AG §9).

use std::sync::Arc;

use fairlead_resources::Credentials;
use secrecy::SecretString;

use super::{Refused, endpoint::Whose, entry::Compiler};
use crate::{CsrfAuth, GrantKind, GrantSpec, Trust, grant::Identity, index::Held};

impl Compiler<'_> {
    /// The token for `OAuth` and `OAuthWithCert`. The Secret's headers and parameters go to the token endpoint.
    pub(crate) fn token(
        &mut self,
        given: &Credentials,
        held: &Held,
        whose: Whose,
    ) -> Result<Arc<GrantSpec>, Box<Refused>> {
        let field = self.place.field("credentials.secretName");
        let parameters = self.parameters(held, &field)?;
        let text = |key: &str| match std::str::from_utf8(held.secret.get(key).unwrap_or_default()) {
            Ok(value) => Ok(SecretString::from(value)),
            Err(_) => Err(self.unusable(held, &field, &format!("the value of '{key}' is not UTF-8"))),
        };
        let client_id = text("clientId")?;
        let (name, kind) = match whose {
            Whose::Certified => {
                let pair = self.pair(held, "Failed to get token: ")?;
                ("oauthWithCert", GrantKind::CertifiedClient { client_id, pair })
            }
            Whose::Token | Whose::Csrf => {
                let client_secret = text("clientSecret")?;
                ("oauth", GrantKind::ClientCredentials { client_id, client_secret })
            }
        };
        let spec = self.spec(held, &given.authentication_url, whose, name, kind)?;
        Ok(Arc::new(GrantSpec {
            headers: parameters.headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
            query_parameters: parameters
                .query
                .into_iter()
                .map(|(name, values)| (name, values.into_iter().map(SecretString::from).collect()))
                .collect(),
            ..spec
        }))
    }

    /// The CSRF token of the endpoint at `url`, which knows us as the target does.
    pub(crate) fn csrf(
        &mut self,
        url: &str,
        held: &Held,
        with: CsrfAuth,
    ) -> Result<Arc<GrantSpec>, Box<Refused>> {
        // One Secret may hold what several kinds need, and each has a session of its own.
        let name = match &with {
            CsrfAuth::Basic(_) => "csrf, basic",
            CsrfAuth::Grant(_) => "csrf, grant",
            CsrfAuth::Certificate(_) => "csrf, certificate",
        };
        self.spec(held, url, Whose::Csrf, name, GrantKind::Csrf { with }).map(Arc::new)
    }

    fn spec(
        &mut self,
        held: &Held,
        url: &str,
        whose: Whose,
        name: &str,
        kind: GrantKind,
    ) -> Result<GrantSpec, Box<Refused>> {
        let endpoint = self.endpoint(url, whose)?;
        let linked = match &kind {
            GrantKind::Csrf { with: CsrfAuth::Grant(grant) } => Some(grant.id.as_str()),
            _ => None,
        };
        let secret = &held.secret;
        let identity = Identity {
            kind: name,
            namespace: &secret.namespace,
            secret: &secret.name,
            version: &secret.version,
            url,
            trust: endpoint.as_ref().map_or(&Trust::Plain, |endpoint| &endpoint.trust),
            proxy: endpoint.as_ref().ok().and_then(|endpoint| endpoint.proxy.as_ref()),
            linked,
        };
        let id = identity.id();
        let secret = format!("{}/{}", secret.namespace, secret.name);
        Ok(GrantSpec { id, secret, endpoint, kind, headers: Vec::new(), query_parameters: Vec::new() })
    }
}
