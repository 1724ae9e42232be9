//! Subjects that rcgen cannot express (several CN, multi-valued names), put into a finished certificate, which is
//! then signed again (RFC 5280 §4.1, X.690).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, SigningKey as _};

use super::Attribute;
use crate::{Error, Result, error::Doing as _};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const BIT_STRING: u8 = 0x03;

/// An element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    if content.len() < 0x80 {
        out.push(significant.first().copied().unwrap_or(0));
    } else {
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
        out.extend(significant);
    }
    out.extend(content);
    out
}

/// The `Name` of a subject.
pub(super) fn name(subject: &[Attribute<'_>]) -> Vec<u8> {
    let sets: Vec<u8> = subject
        .iter()
        .flat_map(|attribute| match attribute {
            Attribute::Multi(parts) => {
                element(SET, &parts.iter().flat_map(|part| value(*part)).collect::<Vec<u8>>())
            }
            single => element(SET, &value(*single)),
        })
        .collect();
    element(SEQUENCE, &sets)
}

/// `AttributeTypeAndValue`; the types are `id-at` 2.5.4.x.
fn value(attribute: Attribute<'_>) -> Vec<u8> {
    let (number, text) = match attribute {
        Attribute::CommonName(text) => (3, text),
        Attribute::Country(text) => (6, text),
        Attribute::Locality(text) => (7, text),
        Attribute::State(text) => (8, text),
        Attribute::Organization(text) => (10, text),
        Attribute::OrganizationalUnit(text) => (11, text),
        Attribute::Multi(parts) => return parts.iter().flat_map(|part| value(*part)).collect(),
    };
    let string = if number == 6 { PRINTABLE_STRING } else { UTF8_STRING };
    let mut content = element(OBJECT_IDENTIFIER, &[0x55, 0x04, number]);
    content.extend(element(string, text.as_bytes()));
    element(SEQUENCE, &content)
}

/// Splits the first element off: tag, content, whole element, rest.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let first = usize::from(*bytes.get(1)?);
    let (header, length) = if first < 0x80 {
        (2, first)
    } else {
        let count = first & 0x7f;
        let length = bytes.get(2..2 + count)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        (2 + count, length)
    };
    Some((bytes.get(header..header + length)?, bytes.get(..header + length)?, bytes.get(header + length..)?))
}

/// `certificate` with another subject, signed by `key`.
pub(super) fn with_subject(certificate: &[u8], subject: &[u8], key: &KeyPair) -> Result<Vec<u8>> {
    let (to_sign, algorithm) = replaced(certificate, subject)
        .ok_or_else(|| Error::new("a made certificate cannot be taken apart"))?;
    let mut signature = vec![0];
    signature.extend(key.sign(&to_sign).doing("cannot sign a certificate")?);
    let parts = [to_sign, algorithm, element(BIT_STRING, &signature)].concat();
    Ok(element(SEQUENCE, &parts))
}

/// The certificate's to-be-signed part with another subject, and its signature algorithm.
fn replaced(certificate: &[u8], subject: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (content, ..) = split(certificate)?;
    let (fields, _, rest) = split(content)?;
    let (_, algorithm, _) = split(rest)?;
    // version, serialNumber, signature, issuer, validity, subject, …
    let mut out = Vec::new();
    let mut left = fields;
    for _ in 0..5 {
        let (_, field, rest) = split(left)?;
        out.extend(field);
        left = rest;
    }
    let (.., rest) = split(left)?;
    out.extend(subject);
    out.extend(rest);
    Some((element(SEQUENCE, &out), algorithm.to_vec()))
}

/// PEM text (RFC 7468).
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let mut out = format!("-----BEGIN {label}-----\n");
    let encoded = STANDARD.encode(der);
    let mut rest = encoded.as_str();
    while let Some((line, more)) = rest.split_at_checked(64) {
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str(rest);
    out.push_str(&format!("\n-----END {label}-----\n"));
    out
}
