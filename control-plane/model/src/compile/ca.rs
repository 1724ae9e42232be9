//! A CA Secret → the PEM that a transport profile believes. Only certificates leave the Secret: whatever else stands
//! there, a private key perhaps, must not reach a gateway.

use fairlead_resources::Secret;

use crate::pem;

const LABEL: &str = "CERTIFICATE";

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
    let mut out = String::with_capacity(text.len());
    for block in pem::blocks(text) {
        let block = block.map_err(|_| "its CA has a PEM block without end")?;
        if block.label != LABEL {
            continue;
        }
        let der = block.decode().ok_or("its CA has a PEM block that is not base64")?;
        if !is_der_sequence(&der) {
            return Err("its CA has a PEM block that is no certificate");
        }
        pem::encode(&mut out, LABEL, &der);
    }
    if out.is_empty() { Err("its CA holds no certificate: it must be PEM") } else { Ok(out) }
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
