//! The URL of a token or CSRF endpoint → where a grant is fetched, or what every demand for it is answered with.

use fairlead_wire::{Reason, Refusal};
use url::Url;

use super::{
    Refused,
    entry::Compiler,
    secret::problem,
    target::{Target, TargetError},
    text,
};
use crate::Endpoint;

/// Whose endpoint it is: they differ in their answers (AG §14).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// `OAuth`: E12, E13.
    Token,
    /// `OAuthWithCert`: E18 for everything.
    Certified,
    /// E12, E21.
    Csrf,
}

impl Whose {
    fn field(self) -> &'static str {
        match self {
            Self::Token | Self::Certified => "credentials.authenticationUrl",
            Self::Csrf => "credentials.csrfInfo.tokenEndpointURL",
        }
    }

    fn refusal(self, url: &str, reason: Reason, why: &str) -> Refusal {
        match self {
            Self::Certified => text::no_certified_token(reason),
            _ if reason == Reason::TokenEndpointInvalid => text::bad_endpoint(why),
            Self::Token | Self::Csrf => text::no_endpoint(url, reason, why),
        }
    }
}

impl Compiler<'_> {
    /// The endpoint at `url`. Whose certificates are believed there, and the way there, are the target's (decision 23).
    pub(crate) fn endpoint(
        &mut self,
        url: &str,
        whose: Whose,
    ) -> Result<Result<Endpoint, Refusal>, Box<Refused>> {
        let (reason, why) = match self.parse_endpoint(url, whose) {
            Ok((url, tls)) => {
                let trust = self.trust(tls)?.trust.clone();
                return Ok(Ok(Endpoint { url, trust, proxy: self.proxy.clone() }));
            }
            Err(error) => error,
        };
        let (what, field) = (if whose == Whose::Csrf { "CSRF token" } else { "token" }, whose.field());
        let message = format!(
            "no {what} can be fetched there: write the complete URL of the endpoint, https://host/path; \
             it must not be the control plane or the API server"
        );
        self.problems.push(problem(&self.place.field(field), reason, message));
        Ok(Err(whose.refusal(url, reason, &why)))
    }

    fn parse_endpoint(&self, url: &str, whose: Whose) -> Result<(Url, bool), (Reason, String)> {
        let unreachable = match whose {
            Whose::Token | Whose::Certified => Reason::TokenEndpointUnreachable,
            Whose::Csrf => Reason::CsrfEndpointUnreachable,
        };
        let target = Target::parse(url).map_err(|error| match error {
            TargetError::Invalid(why) => (Reason::TokenEndpointInvalid, why.to_owned()),
            TargetError::Unsupported(why) => (unreachable, why.to_owned()),
        })?;
        if let Some(why) = self.refuses(&target) {
            return Err((Reason::TargetRefused, why.to_owned()));
        }
        let mut parsed =
            Url::parse(url).map_err(|error| (Reason::TokenEndpointInvalid, error.to_string()))?;
        // Dropped as in a target URL; the credential is the Secret's.
        let _ = (parsed.set_username(""), parsed.set_password(None));
        parsed.set_fragment(None);
        Ok((parsed, target.tls))
    }
}
