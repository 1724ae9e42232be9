//! The ways in which a secret can be written.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::external::http1::hex;

/// What to look for.
pub(super) struct Form {
    pub(super) name: String,
    pub(super) pattern: Vec<u8>,
}

fn form(name: impl Into<String>, pattern: impl Into<Vec<u8>>) -> Form {
    Form { name: name.into(), pattern: pattern.into() }
}

/// Every form of `secret` but URL-encoded ones: for those the text is decoded instead, because any byte may be
/// encoded or not.
pub(super) fn forms(secret: &[u8]) -> Vec<Form> {
    let mut forms =
        vec![form("plain", secret), form("hex", hex(secret)), form("HEX", hex(secret).to_ascii_uppercase())];
    for offset in 0..3 {
        for (name, engine) in [("base64", &STANDARD), ("base64url", &URL_SAFE)] {
            let encoded = engine.encode([vec![0; offset], secret.to_vec()].concat());
            // Six bits a character: what shares a character with a neighbour is unknown.
            let (first, end) = ((offset * 8).div_ceil(6), (offset + secret.len()) * 8 / 6);
            let pattern = encoded.as_bytes().get(first..end).unwrap_or_default();
            if forms.iter().all(|form| form.pattern != pattern) {
                forms.push(form(format!("{name}+{offset}"), pattern));
            }
        }
    }
    forms
}

/// Ways to write `secret` for the positive control, made independently of [`forms`].
pub(super) fn planted(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let url = percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut planted = vec![
        ("plain".to_owned(), secret.to_vec()),
        ("hex".to_owned(), hex(secret).into_bytes()),
        ("URL-encoded".to_owned(), url.clone().into_bytes()),
        ("URL-encoded, lower case".to_owned(), lower_escapes(&url).into_bytes()),
    ];
    for prefix in ["", "a", "ab"] {
        let text = [prefix.as_bytes(), secret, b":"].concat();
        planted.push((format!("base64 behind {prefix:?}"), STANDARD.encode(&text).into_bytes()));
        planted.push((format!("base64url behind {prefix:?}"), URL_SAFE.encode(&text).into_bytes()));
    }
    planted
}

/// `%2F` → `%2f`; letters outside escapes stay.
fn lower_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        out.extend(["%", &digits.to_ascii_lowercase(), rest]);
    }
    out
}

/// The bytes with every valid escape decoded, if there is one.
pub(super) fn percent_decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'%', bytes)?;
    Some(percent_encoding::percent_decode(bytes).collect())
}
