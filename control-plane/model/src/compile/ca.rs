//! A CA Secret → the PEM that a transport profile believes. Only certificates leave the Secret: whatever else stands
//! there, a private key perhaps, must not reach a gateway.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_resources::Secret;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Characters of base64 in a line (RFC 7468 §2).
const LINE: usize = 64;

/// The certificates of `ca.crt`, or, where that is missing, `tls.ca`, written in one canonical way so that the same
/// certificates always make the same profile.
///
/// # Errors
/// What is wrong, without anything of the content.
pub(crate) fn certificates(secret: &Secret) -> Result<String, &'static str> {
    let bytes = secret
        .get("ca.crt")
        .or_else(|| secret.get("tls.ca"))
        .ok_or("it has neither 'ca.crt' nor 'tls.ca'")?;
    let text = std::str::from_utf8(bytes).map_err(|_| "its CA is not text: it must be PEM")?;
    let mut pem = String::with_capacity(text.len());
    for block in text.split(BEGIN).skip(1) {
        let (body, _) = block.split_once(END).ok_or("its CA has a PEM block without end")?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(&body).map_err(|_| "its CA has a PEM block that is not base64")?;
        if !is_der_sequence(&der) {
            return Err("its CA has a PEM block that is no certificate");
        }
        pem.push_str(BEGIN);
        for (index, c) in body.chars().enumerate() {
            if index % LINE == 0 {
                pem.push('\n');
            }
            pem.push(c);
        }
        pem.push('\n');
        pem.push_str(END);
        pem.push('\n');
    }
    if pem.is_empty() { Err("its CA holds no certificate: it must be PEM") } else { Ok(pem) }
}

/// Whether it is one DER SEQUENCE and nothing after it (X.690 §8.1.3): catches what was cut or mixed up. Envoy does the rest.
fn is_der_sequence(der: &[u8]) -> bool {
    match der {
        [0x30, length, rest @ ..] if *length < 0x80 => rest.len() == usize::from(*length),
        [0x30, 0x81, length, rest @ ..] => rest.len() == usize::from(*length),
        [0x30, 0x82, high, low, rest @ ..] => rest.len() == usize::from(u16::from_be_bytes([*high, *low])),
        _ => false,
    }
}
