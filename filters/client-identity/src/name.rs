//! RFC 2253 names, as BoringSSL prints them with `XN_FLAG_RFC2253`: what Envoy puts into headers and properties.
//!
//! Attributes come last-first (`CN=shop,OU=Test,C=DE`), separated by `,`, or by `+` inside a multi-valued RDN. In a
//! value `,+"\<>;`, a leading `#` and blanks at its ends are escaped by a backslash, controls and non-ASCII bytes by
//! `\` and two hex digits; `=` is not escaped. A value that is no character string is `#` and the hex digits of its
//! DER. Whatever BoringSSL does not print, such as a blank after a comma or a value in quotes, is refused: RFC 2253 §4
//! would let readers accept it, and two readers that differ about a name are a way in.

use std::borrow::Cow;

use crate::IdentityError;

/// One attribute of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The type as printed: `CN`, `OU`, `emailAddress`, or an OID with dots. Never empty.
    pub kind: &'a [u8],
    /// The value as printed, with its escapes.
    pub raw: &'a [u8],
    escaped: bool,
}

impl<'a> Attribute<'a> {
    /// The value without escapes; borrowed if there are none. `None` if it is a dump of something that is no text.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, [u8]>> {
        if self.raw.first() == Some(&b'#') {
            return None;
        }
        Some(if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) })
    }
}

/// The attributes of `name` in the order printed. All of a multi-valued RDN are listed like any other, so that none
/// can hide there. Ends after the first error; an empty name has no attributes.
#[must_use]
pub fn attributes(name: &[u8]) -> Attributes<'_> {
    Attributes { rest: (!name.is_empty()).then_some(name) }
}

/// Iterator of [`attributes`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    /// What comes after the last separator; `None` at the end, so that `CN=a,` is seen to lack an attribute.
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, IdentityError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        Some(match attribute(rest) {
            Some((attribute, rest)) => {
                self.rest = rest;
                Ok(attribute)
            }
            None => Err(IdentityError::MalformedName),
        })
    }
}

/// The first attribute of `text`, and what comes after its separator if there is one.
fn attribute(text: &[u8]) -> Option<(Attribute<'_>, Option<&[u8]>)> {
    let equals = text.iter().position(|&byte| byte == b'=')?;
    let (kind, value) = (text.get(..equals)?, text.get(equals + 1..)?);
    if kind.is_empty() || !kind.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    {
        return None;
    }
    let mut bytes = value;
    let mut escaped = false;
    let mut last = None;
    let separated = loop {
        let Some((&byte, after)) = bytes.split_first() else { break false };
        match byte {
            b',' | b'+' => break true,
            b'\\' => {
                escaped = true;
                bytes = escape(after)?.1;
            }
            b'"' | b'<' | b'>' | b';' | 0..=0x1f | 0x7f => return None,
            _ => bytes = after,
        }
        last = Some(byte);
    };
    let raw = value.get(..value.len() - bytes.len())?;
    // `last` is the backslash when the final character is escaped.
    if raw.first() == Some(&b' ') || last == Some(b' ') || !well_formed_dump(raw) {
        return None;
    }
    let rest = if separated { bytes.get(1..) } else { None };
    Some((Attribute { kind, raw, escaped }, rest))
}

/// What the escape stands for whose backslash was read, and what comes after it.
fn escape(after: &[u8]) -> Option<(u8, &[u8])> {
    match after {
        [byte @ (b',' | b'=' | b'+' | b'<' | b'>' | b'#' | b';' | b'"' | b'\\' | b' '), rest @ ..] => {
            Some((*byte, rest))
        }
        [high, low, rest @ ..] => Some((hex(*high)? << 4 | hex(*low)?, rest)),
        _ => None,
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Whether `raw` is no dump, or a whole number of bytes and at least one.
fn well_formed_dump(raw: &[u8]) -> bool {
    raw.strip_prefix(b"#").is_none_or(|digits| {
        !digits.is_empty() && digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit)
    })
}

/// `raw` with its escapes resolved. It has been checked by [`attribute`]: nothing is lost here.
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw;
    while let Some((&byte, after)) = bytes.split_first() {
        let (byte, after) =
            if byte == b'\\' { escape(after).unwrap_or((byte, after)) } else { (byte, after) };
        text.push(byte);
        bytes = after;
    }
    text
}

#[cfg(test)]
mod tests;
