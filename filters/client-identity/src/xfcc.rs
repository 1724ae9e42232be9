//! `X-Forwarded-Client-Cert`: which element describes the external system, and what it says.
//!
//! The header is a list of elements, separated by `,`, one for each hop that saw a certificate; each is a list of
//! `key=value` pairs, separated by `;`. The ingress gateway drops what the client sent and writes one element
//! (CV §2); hops inside the mesh append theirs, which have `Subject=""` and a SPIFFE id as `URI`.
//!
//! Values in quotes end at the first quote that is not escaped by a backslash. Envoy puts a subject between quotes as
//! RFC 2253 prints it, whose escapes serve for both: nothing is unescaped here. Values without quotes are URIs and DNS
//! names from the certificate, copied by Envoy *as they are* (seen with 1.40): a certificate with `,` or `;` in such a
//! name can add pairs and elements. Hence a key that counts may occur once in an element, and [`Client::first`] tells whether
//! anything is left of the element.

use memchr::{memchr3, memrchr, memrchr2};

use crate::IdentityError;

/// The element that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// `Subject`: the RFC 2253 name, for [`Subject::parse`](crate::Subject::parse). Never empty.
    pub subject: &'a [u8],
    /// `Hash`: SHA-256 of the certificate, 64 lower-case hex digits as Envoy writes it; not checked here.
    pub hash: Option<&'a [u8]>,
    /// `Cert`: the certificate as PEM, percent-encoded; not checked here.
    pub cert: Option<&'a [u8]>,
    /// No element is left of this one. Where the header is known to be written anew by the gateway that verified the
    /// client (`SANITIZE_SET`), anything else means that a name in the certificate was made to look like an element,
    /// and the request is to be refused: [`gateway_subject`](crate::gateway_subject) does.
    pub first: bool,
}

/// The element that describes the external system: the rightmost with a subject that is not empty.
///
/// Elements to the right of it must be those of mesh hops: an empty subject and a SPIFFE id. What is left of it is
/// not even parsed, since a client may have sent it.
///
/// # Errors
/// [`IdentityError::Missing`] for an empty header, [`IdentityError::NoSubject`] if there is no such element,
/// [`IdentityError::MalformedHeader`] if it, or one to the right of it, is not as Envoy writes it.
pub fn client(xfcc: &[u8]) -> Result<Client<'_>, IdentityError> {
    let mut rest = xfcc.trim_ascii();
    if rest.is_empty() {
        return Err(IdentityError::Missing);
    }
    while !rest.is_empty() {
        let (before, text) = last_element(rest).ok_or(IdentityError::MalformedHeader)?;
        rest = before;
        if text.is_empty() {
            continue;
        }
        let element = Element::parse(text).ok_or(IdentityError::MalformedHeader)?;
        match element.subject {
            Some(subject) if !subject.is_empty() => {
                return Ok(Client {
                    subject,
                    hash: element.hash,
                    cert: element.cert,
                    first: rest.is_empty(),
                });
            }
            _ if !element.mesh => break,
            _ => {}
        }
    }
    Err(IdentityError::NoSubject)
}

/// Splits off the last element. Read from the right, so that nothing on the left, such as a quote that is never
/// closed, has a say in where it begins.
fn last_element(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = list.len();
    loop {
        let Some(at) = memrchr2(b',', b'"', list.get(..end)?) else { return Some((&[], list.trim_ascii())) };
        if list.get(at) == Some(&b',') {
            return Some((list.get(..at)?.trim_ascii(), list.get(at + 1..)?.trim_ascii()));
        }
        end = opening_quote(list.get(..at)?)?;
    }
}

/// The position of the last quote in `text` that is not escaped: an even number of backslashes is before it.
fn opening_quote(text: &[u8]) -> Option<usize> {
    let mut end = text.len();
    loop {
        let at = memrchr(b'"', text.get(..end)?)?;
        let backslashes = text.get(..at)?.iter().rev().take_while(|&&byte| byte == b'\\').count();
        if backslashes.is_multiple_of(2) {
            return Some(at);
        }
        end = at;
    }
}

/// What is needed of an element.
#[derive(Default)]
struct Element<'a> {
    subject: Option<&'a [u8]>,
    hash: Option<&'a [u8]>,
    cert: Option<&'a [u8]>,
    /// One of its `URI`s is a SPIFFE id.
    mesh: bool,
}

impl<'a> Element<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let mut element = Self::default();
        let mut rest = Some(text);
        while let Some(pairs) = rest {
            let equals = pairs.iter().position(|&byte| byte == b'=')?;
            let (key, value) = (pairs.get(..equals)?, pairs.get(equals + 1..)?);
            if key.is_empty() || !key.iter().all(u8::is_ascii_alphanumeric) {
                return None;
            }
            let quoted = value.first() == Some(&b'"');
            let (value, after) = if quoted { quoted_value(value.get(1..)?)? } else { plain_value(value)? };
            match key {
                // Envoy writes a subject in quotes, and only those count (CV §4.1).
                b"Subject" if !quoted => return None,
                b"Subject" => once(&mut element.subject, value)?,
                b"Hash" => once(&mut element.hash, value)?,
                b"Cert" => once(&mut element.cert, value)?,
                b"URI" => element.mesh |= value.starts_with(b"spiffe://"),
                _ => {}
            }
            rest = match after {
                [] => None,
                [b';', after @ ..] => Some(after),
                _ => return None,
            };
        }
        Some(element)
    }
}

/// `None` if there was one already.
fn once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

/// A value up to its closing quote, and what comes after that.
fn quoted_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', text.get(from..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        from = at + 2;
    }
}

/// A value up to `;` or the end, and that.
fn plain_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr3(b';', b'"', b',', text).unwrap_or(text.len());
    let after = text.get(end..)?;
    matches!(after.first(), None | Some(b';')).then_some((text.get(..end)?, after))
}

#[cfg(test)]
mod tests;
