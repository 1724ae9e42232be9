//! Looking for secrets in whatever processes wrote: plain, base64 in every alignment, URL-encoded, hex.
//!
//! [`Canary::check`] always runs the positive control first: a search that finds nothing because it cannot find
//! anything is an error, not a pass.

mod forms;

use std::collections::BTreeMap;

use memchr::memmem;
use rcgen::KeyPair;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result, error::Doing as _, external::http1::hex};
use forms::{Form, forms, percent_decoded};

/// Secrets that must not be found.
#[derive(Clone, Debug, Default)]
pub struct Canary {
    secrets: BTreeMap<String, Vec<u8>>,
}

/// What may hold a secret: its name for messages, and its bytes.
pub type Source = (String, Vec<u8>);

/// A secret where it must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The secret's name.
    pub secret: String,
    /// How it was written.
    pub form: String,
    /// Where.
    pub source: String,
    /// The bytes around it.
    pub context: String,
}

/// A shorter secret would be found by accident in one of its forms.
const SHORTEST: usize = 8;

impl Canary {
    /// Adds a secret; others of the same name stay, with a number behind it.
    ///
    /// # Errors
    /// It has fewer than 8 bytes.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result {
        let value = value.as_ref();
        if value.len() < SHORTEST {
            return Err(Error::new(format!("the canary {name} has fewer than {SHORTEST} bytes")));
        }
        self.keep(name, value);
        Ok(())
    }

    /// Adds a private key (PEM): one line of its inside, which is only in this key, however the rest is written.
    ///
    /// # Errors
    /// There is no such line.
    pub fn add_key(&mut self, name: &str, pem: &str) -> Result {
        let line = pem.lines().filter(|line| !line.starts_with('-')).nth(1);
        self.add(name, line.ok_or_else(|| Error::new("this key has one line only"))?)
    }

    /// Adds all of another one's.
    pub fn absorb(&mut self, other: &Self) {
        other.secrets.iter().for_each(|(name, value)| self.keep(name, value));
    }

    fn keep(&mut self, name: &str, value: &[u8]) {
        let mut key = name.to_owned();
        let mut number = 1;
        while self.secrets.get(&key).is_some_and(|have| have != value) {
            number += 1;
            key = format!("{name} {number}");
        }
        self.secrets.insert(key, value.to_vec());
    }

    /// Makes a new secret and adds it. It has characters that URL-encoding changes, and nothing that JSON, YAML or a
    /// header would.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn make(&mut self, name: &str) -> Result<String> {
        // A fresh public key is as random as anything; no further crate is needed for it.
        let key = KeyPair::generate().doing("no randomness")?;
        let random: String = hex(&Sha256::digest(key.public_key_raw())).chars().take(24).collect();
        let value = format!("canary/{random}+{name}");
        self.add(name, &value)?;
        Ok(value)
    }

    /// Fails if a secret is in one of `sources`, or if the search does not find what is planted there.
    ///
    /// # Errors
    /// The leaks, or what was not found.
    pub fn check(&self, sources: &[Source]) -> Result {
        self.control(sources)?;
        let leaks = self.search(sources);
        if leaks.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = leaks
            .iter()
            .map(|leak| format!("{} ({}) in {}: …{}…", leak.secret, leak.form, leak.source, leak.context))
            .collect();
        Err(Error::new(format!("secrets leaked:\n{}", lines.join("\n"))))
    }

    /// Everything that is found.
    #[must_use]
    pub fn search(&self, sources: &[Source]) -> Vec<Leak> {
        let mut leaks = Vec::new();
        let forms: Vec<(&String, Vec<Form>)> =
            self.secrets.iter().map(|(name, value)| (name, forms(value))).collect();
        for (source, bytes) in sources {
            let decoded = percent_decoded(bytes);
            let views = [("", Some(bytes)), ("URL-encoded ", decoded.as_ref())];
            for (prefix, view) in views.iter().filter_map(|(prefix, view)| Some((prefix, (*view)?))) {
                for (name, forms) in &forms {
                    for form in forms {
                        if let Some(at) = memmem::find(view, &form.pattern) {
                            leaks.push(Leak {
                                secret: (*name).clone(),
                                form: format!("{prefix}{}", form.name),
                                source: source.clone(),
                                context: context(view, at, form.pattern.len()),
                            });
                        }
                    }
                }
            }
        }
        leaks
    }

    /// Plants each secret in each form in the middle of each source, and demands that it is found there.
    ///
    /// # Errors
    /// A planted secret that was not found, or no sources to search at all.
    pub fn control(&self, sources: &[Source]) -> Result {
        if sources.is_empty() || self.secrets.is_empty() {
            return Err(Error::new("the canary search has nothing to search for or in"));
        }
        for (name, value) in &self.secrets {
            let alone = Self { secrets: BTreeMap::from([(name.clone(), value.clone())]) };
            for (form, planted) in forms::planted(value) {
                for (source, bytes) in sources {
                    // The surroundings of the middle are enough: sources can be large.
                    let middle = middle(bytes);
                    let before = bytes.get(middle.saturating_sub(64)..middle).unwrap_or_default();
                    let after = bytes.get(middle..(middle + 64).min(bytes.len())).unwrap_or_default();
                    if alone.search(&[(source.clone(), [before, &planted, after].concat())]).is_empty() {
                        return Err(Error::new(format!("planted {name} ({form}) was not found in {source}")));
                    }
                }
            }
        }
        Ok(())
    }
}

/// About the middle, where no `%xx` is cut in two.
fn middle(bytes: &[u8]) -> usize {
    let middle = bytes.len() / 2;
    let escape = bytes.get(middle.saturating_sub(2)..middle).unwrap_or_default();
    escape.iter().position(|byte| *byte == b'%').map_or(middle, |at| (middle + at + 1).min(bytes.len()))
}

/// What surrounds a leak, so that it can be found again.
fn context(bytes: &[u8], at: usize, length: usize) -> String {
    let from = at.saturating_sub(40);
    let to = (at + length + 20).min(bytes.len());
    bytes.get(from..to).unwrap_or_default().escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary() -> Canary {
        let mut canary = Canary::default();
        canary.add("password", "s3cret/with+signs=&é").unwrap();
        canary
    }

    fn found(text: &[u8]) -> Vec<String> {
        canary().search(&[("log".to_owned(), text.to_vec())]).into_iter().map(|leak| leak.form).collect()
    }

    #[test]
    fn every_form_is_found() {
        assert_eq!(found("a s3cret/with+signs=&é b".as_bytes()), ["plain"]);
        assert_eq!(found(b"x s3cret%2Fwith%2Bsigns%3D%26%C3%A9 y"), ["URL-encoded plain"]);
        assert_eq!(found(b"x s3cret%2fwith%2bsigns%3d&%c3%a9 y"), ["URL-encoded plain"]);
        assert_eq!(found(b"7333637265742f776974682b7369676e733d26c3a9"), ["hex"]);
        assert_eq!(found(b"7333637265742F776974682B7369676E733D26C3A9"), ["HEX"]);
    }

    #[test]
    fn base64_is_found_behind_any_prefix() {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        for prefix in ["", "u", "us", "use", "user:", "user::"] {
            for suffix in ["", "x", "xy"] {
                let encoded = STANDARD.encode(format!("{prefix}s3cret/with+signs=&é{suffix}"));
                let forms = found(encoded.as_bytes());
                assert!(forms.iter().any(|form| form.starts_with("base64")), "{prefix} {suffix} {forms:?}");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_found_and_a_planted_one_is() {
        let sources = [("log".to_owned(), b"nothing of interest, s3cret/with+signs=".to_vec())];
        canary().check(&sources).unwrap();
        let planted = [("log".to_owned(), b"... czNjcmV0L3dpdGgrc2lnbnM9JsOp ...".to_vec())];
        let error = canary().check(&planted).unwrap_err().to_string();
        assert!(error.contains("password (base64") && error.contains("in log"), "{error}");
    }

    #[test]
    fn a_search_without_anything_is_no_pass() {
        assert!(canary().check(&[]).is_err());
        assert!(Canary::default().check(&[("log".to_owned(), Vec::new())]).is_err());
        assert!(Canary::default().add("short", "1234567").is_err());
    }

    #[test]
    fn made_secrets_differ() {
        let mut canary = Canary::default();
        assert_ne!(canary.make("a").unwrap(), canary.make("a").unwrap());
    }
}
