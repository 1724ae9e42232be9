//! What the CA's Secret holds, and what becomes of it with time: pure.

use std::collections::BTreeMap;

use fairlead_pki::{Authority, Leaf, Pair, Validity, leaf::LEAF_DAYS};
use k8s_openapi::{ByteString, api::core::v1::Secret};

/// How long a successor is trusted before it signs, seconds: gateways and replicas get its certificate meanwhile.
const OVERLAP: i64 = 86_400;
/// How long after that its predecessor stays trusted, seconds: until all that it signed has ended.
const FAREWELL: i64 = LEAF_DAYS as i64 * 86_400 + OVERLAP;

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
const PREVIOUS: &str = "previous.crt";

/// The CA that signs, and those before and after it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Content {
    certificate: String,
    key: String,
    next: Option<(String, String)>,
    previous: Option<String>,
}

impl Content {
    /// A new CA.
    pub(super) fn new(now: i64) -> Result<Self, String> {
        let (certificate, key) = generate(now)?;
        Ok(Self { certificate, key, next: None, previous: None })
    }

    /// As it was stored.
    pub(super) fn read(secret: &Secret) -> Result<Self, String> {
        let text = |key: &str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(key));
            bytes.map(|bytes| String::from_utf8(bytes.0.clone()).map_err(|_| format!("{key} is no PEM")))
        };
        let needed = |key: &str| {
            let hint = "; delete the Secret to have a new CA made";
            text(key).transpose()?.ok_or_else(|| format!("{key} is missing{hint}"))
        };
        let content = Self {
            certificate: needed(CERTIFICATE)?,
            key: needed(KEY)?,
            next: text(NEXT_CERTIFICATE).transpose()?.zip(text(NEXT_KEY).transpose()?),
            previous: text(PREVIOUS).transpose()?,
        };
        content.authority()?;
        Ok(content)
    }

    /// As it is stored.
    pub(super) fn data(&self) -> BTreeMap<String, ByteString> {
        let next = self
            .next
            .iter()
            .flat_map(|(certificate, key)| [(NEXT_CERTIFICATE, certificate), (NEXT_KEY, key)]);
        let previous = self.previous.iter().map(|certificate| (PREVIOUS, certificate));
        [(CERTIFICATE, &self.certificate), (KEY, &self.key)]
            .into_iter()
            .chain(next)
            .chain(previous)
            .map(|(key, value)| (key.to_owned(), ByteString(value.clone().into_bytes())))
            .collect()
    }

    /// What it should be at `now` (Unix seconds).
    pub(super) fn advance(&self, now: i64) -> Result<Self, String> {
        let mut content = self.clone();
        if let Some((certificate, key)) =
            content.next.take_if(|(next, _)| begun(next).is_ok_and(|at| now >= at + OVERLAP))
        {
            content.previous = Some(std::mem::replace(&mut content.certificate, certificate));
            content.key = key;
        }
        let began = begun(&content.certificate)?;
        content.previous.take_if(|_| now >= began + OVERLAP + FAREWELL);
        let validity = Validity::of_pem(&content.certificate).map_err(|e| e.to_string())?;
        if validity.due(now) && content.next.is_none() {
            let made = generate(now)?;
            if now >= validity.not_after {
                // Nothing that it signed holds any longer: no overlap to wait for.
                content.previous = None;
                (content.certificate, content.key) = made;
            } else {
                content.next = Some(made);
            }
        }
        Ok(content)
    }

    /// All that are trusted, PEM; the one that signs comes first.
    pub(super) fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|(certificate, _)| certificate);
        let all = [Some(&self.certificate), next, self.previous.as_ref()];
        all.into_iter().flatten().map(|pem| format!("{}\n", pem.trim_end())).collect()
    }

    /// Signs a certificate.
    pub(super) fn issue(&self, leaf: &Leaf, now: i64) -> Result<Pair, String> {
        self.authority()?.issue(leaf, now).map_err(|e| e.to_string())
    }

    fn authority(&self) -> Result<Authority, String> {
        Authority::from_pem(&self.certificate, &self.key).map_err(|e| e.to_string())
    }
}

fn generate(now: i64) -> Result<(String, String), String> {
    let made = Authority::generate("Fairlead control plane", now).map_err(|e| e.to_string())?;
    Ok((made.certificate_pem().to_owned(), made.key_pem().to_owned()))
}

fn begun(certificate: &str) -> Result<i64, String> {
    Validity::of_pem(certificate).map(|validity| validity.not_before).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;
    const DAY: i64 = 86_400;

    fn count(content: &Content) -> usize {
        content.bundle().matches("BEGIN CERTIFICATE").count()
    }

    #[test]
    fn a_ca_is_stored_and_read_and_stays_as_it_is() {
        let content = Content::new(NOW).unwrap();
        let secret = Secret { data: Some(content.data()), ..Secret::default() };
        assert!(Content::read(&secret).unwrap() == content);
        assert!(content.advance(NOW + 1000 * DAY).unwrap() == content);
    }

    #[test]
    fn a_successor_is_trusted_before_it_signs_and_its_predecessor_after() {
        let old = Content::new(NOW).unwrap();
        let due = NOW + 2500 * DAY;
        let both = old.advance(due).unwrap();
        assert!(both.certificate == old.certificate && count(&both) == 2);
        assert!(both.advance(due + DAY / 2).unwrap() == both);
        let turned = both.advance(due + DAY).unwrap();
        assert!(
            Some(&turned.certificate) == both.next.as_ref().map(|(certificate, _)| certificate)
                && count(&turned) == 2
        );
        assert_eq!(turned.previous.as_ref(), Some(&old.certificate));
        assert!(turned.advance(due + 90 * DAY).unwrap() == turned);
        assert_eq!(count(&turned.advance(due + 93 * DAY).unwrap()), 1);
    }

    #[test]
    fn an_ended_ca_is_replaced_at_once() {
        let old = Content::new(NOW).unwrap();
        let new = old.advance(NOW + 4000 * DAY).unwrap();
        assert!(new.certificate != old.certificate && count(&new) == 1);
    }

    #[test]
    fn what_is_no_ca_is_named() {
        let mut data = Content::new(NOW).unwrap().data();
        data.remove(KEY);
        let error = Content::read(&Secret { data: Some(data), ..Secret::default() }).err().unwrap();
        assert!(error.starts_with("ca.key is missing"), "{error}");
    }
}
