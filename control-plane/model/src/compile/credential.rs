//! `entry.credentials` and its Secret → what goes on top of a request, and what its connection shows (AG §8, §9).

use std::sync::Arc;

use fairlead_credential_injector::basic;
use fairlead_resources::Credentials;
use fairlead_wire::{Reason, Refusal, feed::Credential};

use super::{Refused, endpoint::Whose, entry::Compiler};
use crate::{ClientPair, CsrfAuth, Effect, GrantSpec, Problem, date, index::Held};

/// How a request authenticates.
#[derive(Default)]
pub(crate) struct Authentication {
    /// What goes on top of it.
    pub(crate) credential: Credential,
    /// Id of the CSRF grant.
    pub(crate) csrf: Option<String>,
    /// The grants that both name.
    pub(crate) grants: Vec<Arc<GrantSpec>>,
    /// What its connection shows.
    pub(crate) client: Option<Arc<ClientPair>>,
}

impl Compiler<'_> {
    /// How requests of the entry authenticate.
    pub(crate) fn authentication(
        &mut self,
        given: &Credentials,
        held: &Held,
    ) -> Result<Authentication, Box<Refused>> {
        let mut found = Authentication::default();
        let with = match given.kind.as_str() {
            // Missing keys read as empty (AG §8).
            "Basic" => {
                let [username, password] =
                    ["username", "password"].map(|key| held.secret.get(key).unwrap_or_default());
                let value = basic(username, password);
                found.credential = Credential::Static(value.clone());
                CsrfAuth::Basic(value.into())
            }
            kind @ ("OAuth" | "OAuthWithCert") => {
                let whose = if kind == "OAuth" { Whose::Token } else { Whose::Certified };
                let grant = self.token(given, held, whose)?;
                found.credential = Credential::Grant(grant.id.clone());
                found.grants.push(Arc::clone(&grant));
                CsrfAuth::Grant(grant)
            }
            "CertificateGen" => {
                let pair = self.pair(held, "")?;
                found.client = Some(Arc::clone(&pair));
                CsrfAuth::Certificate(pair)
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
                return Ok(found);
            }
        };
        if let Some(url) = given.csrf_endpoint() {
            let grant = self.csrf(url, held, with)?;
            found.csrf = Some(grant.id.clone());
            found.grants.push(grant);
        }
        Ok(found)
    }

    /// The client certificate of a Secret (E17, E19: `doing` stands before their common text). That it ended is told; whether
    /// it is accepted all the same, the server says that it is shown to (AG §8.4).
    pub(crate) fn pair(&mut self, held: &Held, doing: &str) -> Result<Arc<ClientPair>, Box<Refused>> {
        let field = self.place.field("credentials.secretName");
        let pair = held.pair().map_err(|error| {
            let text = format!("{doing}Failed to prepare certificate, {error}");
            let refusal = Refusal::json(500, Reason::CertificateInvalid, &text);
            self.invalid(held, &field, refusal, &error.to_string())
        })?;
        let now = self.context.now;
        if now >= pair.ending {
            let word = if now >= pair.expires { "ended" } else { "ends" };
            let (secret, day) = (&held.secret, date::day(pair.expires));
            self.problems.push(Problem {
                field,
                reason: Reason::CertificateInvalid,
                message: format!(
                    "the client certificate in Secret {}/{} {word} on {day}: put a new one in its place",
                    secret.namespace, secret.name
                ),
                effect: Effect::Warning,
            });
        }
        let next = [pair.ending, pair.expires].into_iter().find(|time| *time > now);
        self.due = [self.due, next].into_iter().flatten().min();
        Ok(pair)
    }
}
