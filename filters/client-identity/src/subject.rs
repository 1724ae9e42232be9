//! A certificate's subject as far as it decides, and the decision.

use std::borrow::Cow;

use crate::{IdentityError, name};

/// The subject of a client certificate: a well-formed name with exactly one common name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    name: &'a [u8],
    common_name: Cow<'a, [u8]>,
}

impl<'a> Subject<'a> {
    /// Reads a whole RFC 2253 name: the value of the connection property `subject_peer_certificate`, or
    /// [`Client::subject`](crate::xfcc::Client::subject). Allocates only if the common name has escapes.
    ///
    /// # Errors
    /// [`IdentityError::NoSubject`] for an empty name, [`IdentityError::MalformedName`],
    /// [`IdentityError::NoCommonName`], [`IdentityError::SeveralCommonNames`] (also for two that are equal).
    pub fn parse(name: &'a [u8]) -> Result<Self, IdentityError> {
        if name.is_empty() {
            return Err(IdentityError::NoSubject);
        }
        let mut common_name = None;
        for attribute in name::attributes(name) {
            let attribute = attribute?;
            if attribute.kind == b"CN" {
                if common_name.replace(attribute).is_some() {
                    return Err(IdentityError::SeveralCommonNames);
                }
            } else if is_common_name(attribute.kind) {
                // BoringSSL prints `CN`: whoever prints it otherwise is not who we rely on.
                return Err(IdentityError::MalformedName);
            }
        }
        let common_name = common_name.and_then(|attribute| attribute.text()).filter(|text| !text.is_empty());
        Ok(Self { name, common_name: common_name.ok_or(IdentityError::NoCommonName)? })
    }

    /// The common name, without escapes; never empty.
    #[must_use]
    pub fn common_name(&self) -> &[u8] {
        &self.common_name
    }

    /// The organisations (`O`), without escapes, in the order printed.
    pub fn organizations(&self) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a> {
        self.texts(b"O")
    }

    /// The organisational units (`OU`), without escapes, in the order printed.
    pub fn units(&self) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a> {
        self.texts(b"OU")
    }

    /// The name as it was given.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    fn texts(&self, kind: &'static [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a> {
        name::attributes(self.name)
            .map_while(Result::ok)
            .filter(move |attribute| attribute.kind == kind)
            .filter_map(|attribute| attribute.text())
    }
}

/// Spellings of the type "common name" that RFC 2253 §2.3 and older practice know.
fn is_common_name(kind: &[u8]) -> bool {
    const SPELLINGS: [&[u8]; 4] = [b"CN", b"commonName", b"2.5.4.3", b"OID.2.5.4.3"];
    SPELLINGS.iter().any(|spelling| kind.eq_ignore_ascii_case(spelling))
}

/// Whether `subject` may act as the Application: its common name is one of `common_names` (CV §4.2: the Application's
/// client ids, or its own name), and one of its organisations and one of its units are those of `organization`
/// (tenant and group, decision 5) if that is given.
///
/// All comparisons are exact and case-sensitive; an empty allowed or demanded value matches nothing. A subject may
/// have several organisations and units: the CA vouches for each, so one that is right suffices.
pub fn matches(
    subject: &Subject<'_>,
    common_names: impl IntoIterator<Item = impl AsRef<[u8]>>,
    organization: Option<(&[u8], &[u8])>,
) -> bool {
    // A subject's common name is never empty, so an empty allowed one cannot be equal to it.
    common_names.into_iter().any(|allowed| allowed.as_ref() == subject.common_name())
        && organization.is_none_or(|(organization, unit)| {
            has(subject.organizations(), organization) && has(subject.units(), unit)
        })
}

fn has<'a>(mut values: impl Iterator<Item = Cow<'a, [u8]>>, demanded: &[u8]) -> bool {
    !demanded.is_empty() && values.any(|value| *value == *demanded)
}

#[cfg(test)]
mod tests;
