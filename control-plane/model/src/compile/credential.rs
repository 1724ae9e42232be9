//! `entry.credentials` and its Secret → what goes on top of a request (AG §8).

use fairlead_credential_injector::basic;
use fairlead_resources::{Credentials, Secret};
use fairlead_wire::{Reason, Refusal, feed::Credential};
use secrecy::SecretString;
use url::Url;

use super::{
    Refused,
    entry::Compiler,
    secret::problem,
    target::{Target, TargetError},
    text,
};
use crate::{Effect, Endpoint, GrantKind, GrantSpec, Problem, Trust, grant::Identity};

type Compiled = (Credential, Option<GrantSpec>);

impl Compiler<'_> {
    /// The credential of a request, and the grant that it names.
    pub(crate) fn credential(
        &mut self,
        given: &Credentials,
        secret: &Secret,
    ) -> Result<Compiled, Box<Refused>> {
        let known = matches!(given.kind.as_str(), "Basic" | "OAuth" | "OAuthWithCert" | "CertificateGen");
        match given.kind.as_str() {
            // AG §9; comes with #6.
            _ if known && given.csrf_endpoint().is_some() => {
                Err(self.not_yet("credentials.csrfInfo", "credentials.csrfInfo (CSRF tokens)"))
            }
            // Missing keys read as empty (AG §8).
            "Basic" => {
                let [username, password] =
                    ["username", "password"].map(|key| secret.get(key).unwrap_or_default());
                Ok((Credential::Static(basic(username, password)), None))
            }
            "OAuth" => {
                let grant = self.oauth(given, secret)?;
                Ok((Credential::Grant(grant.id.clone()), Some(grant)))
            }
            // A grant that is fetched over mutual TLS (AG §8.4); comes with #6.
            kind @ "OAuthWithCert" => {
                Err(self.not_yet("credentials.type", &format!("credentials type '{kind}'")))
            }
            // A transport profile with a client certificate (AG §8.5); comes with #6.
            kind @ "CertificateGen" => {
                Err(self.not_yet("credentials.type", &format!("credentials type '{kind}'")))
            }
            kind => {
                self.problems.push(Problem {
                    field: self.place.field("credentials.type"),
                    reason: Reason::CredentialUnsupported,
                    message: format!(
                        "'{kind}' is no type of credential, so calls carry none: \
                         write Basic, OAuth, OAuthWithCert or CertificateGen"
                    ),
                    effect: Effect::Warning,
                });
                Ok((Credential::None, None))
            }
        }
    }

    fn not_yet(&self, field: &str, what: &str) -> Box<Refused> {
        let message = format!("{what} is not supported yet");
        Box::new(Refused {
            refusal: text::not_yet(what),
            problem: problem(&self.place.field(field), Reason::CredentialUnsupported, message),
        })
    }

    /// OAuth client credentials (AG §8.3).
    fn oauth(&mut self, given: &Credentials, secret: &Secret) -> Result<GrantSpec, Box<Refused>> {
        let field = self.place.field("credentials.secretName");
        let parameters = self.parameters(secret, &field)?;
        let url = given.authentication_url.as_str();
        let (endpoint, trust) = match self.token_endpoint(url) {
            Ok(parsed) => {
                let trust = self.profile(parsed.scheme() == "https")?.trust.clone();
                (Ok(Endpoint { url: parsed, trust: trust.clone(), proxy: None }), trust)
            }
            Err(refusal) => (Err(refusal), Trust::Plain),
        };
        let text = |key: &str| match std::str::from_utf8(secret.get(key).unwrap_or_default()) {
            Ok(value) => Ok(SecretString::from(value)),
            Err(_) => Err(self.unusable(secret, &field, &format!("the value of '{key}' is not UTF-8"))),
        };
        let identity = Identity {
            kind: "oauth",
            namespace: &secret.namespace,
            secret: &secret.name,
            version: &secret.version,
            url,
            trust: &trust,
        };
        Ok(GrantSpec {
            id: identity.id(),
            secret: format!("{}/{}", secret.namespace, secret.name),
            endpoint,
            kind: GrantKind::ClientCredentials {
                client_id: text("clientId")?,
                client_secret: text("clientSecret")?,
            },
            headers: parameters.headers.into_iter().map(|(name, value)| (name, value.into())).collect(),
            query_parameters: parameters
                .query
                .into_iter()
                .map(|(name, values)| (name, values.into_iter().map(SecretString::from).collect()))
                .collect(),
        })
    }

    /// The token endpoint, or what every demand for its grant is answered with (E12, E13).
    fn token_endpoint(&mut self, url: &str) -> Result<Url, Refusal> {
        let refusal = match Target::parse(url) {
            Ok(target) if self.context.guard.refuses(&target) => {
                text::no_token_endpoint(url, Reason::TargetRefused, "the control plane is never a target")
            }
            Ok(_) => match Url::parse(url) {
                Ok(mut parsed) => {
                    // Dropped as in a target URL; the credential is the Secret's.
                    let _ = (parsed.set_username(""), parsed.set_password(None));
                    parsed.set_fragment(None);
                    return Ok(parsed);
                }
                Err(error) => text::bad_token_endpoint(&error.to_string()),
            },
            Err(TargetError::Invalid(why)) => text::bad_token_endpoint(why),
            Err(TargetError::Unsupported(why)) => {
                text::no_token_endpoint(url, Reason::TokenEndpointUnreachable, why)
            }
        };
        let message = "no token can be fetched there: write the complete URL of the token endpoint, https://host/path; \
                       it must not be the control plane or the API server";
        self.problems.push(problem(
            &self.place.field("credentials.authenticationUrl"),
            refusal.reason,
            message.to_owned(),
        ));
        Err(refusal)
    }
}
