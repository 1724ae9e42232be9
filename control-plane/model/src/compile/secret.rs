//! A name in an entry → the Secret that counts (decision 1), with what is to be told about it.

use fairlead_wire::Reason;

use super::{Refused, entry::Compiler, text};
use crate::{Effect, Problem, index::Held};

impl<'a> Compiler<'a> {
    /// The Secret of this name; `field` is where the name stands. Missing is E8.
    pub(crate) fn secret(&mut self, name: &str, field: &str) -> Result<&'a Held, Box<Refused>> {
        self.refers_to.insert(name.to_owned());
        let mut found = self.context.secrets.all(name);
        let Some(held) = found.next() else {
            let places = self.context.secrets.places();
            let message =
                format!("Secret '{name}' does not exist: create it in {places}, or correct the name");
            return Err(Box::new(Refused {
                refusal: text::no_secret(self.place.service, name),
                problem: problem(field, Reason::SecretMissing, message),
            }));
        };
        let secret = &held.secret;
        let hidden: Vec<&str> = found.map(|held| &*held.secret.namespace).collect();
        if !hidden.is_empty() {
            self.problems.push(Problem {
                field: field.to_owned(),
                reason: Reason::Ambiguous,
                message: format!(
                    "Secret '{name}' exists in {} too; the one in {} counts: delete the other",
                    hidden.join(", "),
                    secret.namespace
                ),
                effect: Effect::Warning,
            });
        }
        let used = (secret.namespace.clone(), secret.name.clone());
        if !self.secrets.contains(&used) {
            self.secrets.push(used);
        }
        Ok(held)
    }

    /// The Secret is there and cannot be used (E8b).
    pub(crate) fn unusable(&self, held: &Held, field: &str, error: &str) -> Box<Refused> {
        let refusal = text::bad_secret(self.place.service, &held.secret.name, error);
        self.invalid(held, field, refusal, error)
    }

    /// The Secret is there and cannot be used, with an answer of its own.
    pub(crate) fn invalid(
        &self,
        held: &Held,
        field: &str,
        refusal: fairlead_wire::Refusal,
        error: &str,
    ) -> Box<Refused> {
        let Held { secret, .. } = held;
        let message = format!("Secret {}/{} cannot be used: {error}", secret.namespace, secret.name);
        let problem = problem(field, refusal.reason, message);
        Box::new(Refused { refusal, problem })
    }
}

/// A problem for which calls are refused.
pub(crate) fn problem(field: &str, reason: Reason, message: String) -> Problem {
    Problem { field: field.to_owned(), reason, message, effect: Effect::Refused }
}
