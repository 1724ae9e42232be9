//! A certificate → its public key and its end (RFC 5280 §4.1).

use super::{
    PairError,
    der::{CONTEXT_0, GENERALIZED_TIME, INTEGER, OBJECT, Reader, SEQUENCE, UTC_TIME},
    key::{Curve, EC, Public, RSA},
};
use crate::date;

/// What is read of a certificate.
pub(super) struct Certificate<'a> {
    /// Whose private key must be there.
    pub(super) key: Option<Public<'a>>,
    /// `notBefore`, seconds since 1970.
    pub(super) begins: i64,
    /// `notAfter`, seconds since 1970.
    pub(super) expires: i64,
}

impl<'a> Certificate<'a> {
    /// Reads it. A key of a kind that is not known here is none.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, PairError> {
        Self::find(der).ok_or(PairError::NoCertificate)
    }

    fn find(der: &'a [u8]) -> Option<Self> {
        let mut certificate = Reader::new(Reader::only(der, SEQUENCE)?);
        let mut fields = certificate.inside(SEQUENCE)?;
        let _version = fields.take(CONTEXT_0);
        let _serial = fields.take(INTEGER)?;
        let _signature = fields.take(SEQUENCE)?;
        let _issuer = fields.take(SEQUENCE)?;
        let mut validity = fields.inside(SEQUENCE)?;
        let _subject = fields.take(SEQUENCE)?;
        let key = fields.inside(SEQUENCE)?;
        let mut time = || validity.any().and_then(|(tag, text)| seconds(tag, text));
        Some(Self { begins: time()?, expires: time()?, key: public(key) })
    }
}

/// `SubjectPublicKeyInfo` (RFC 3279 §2.3, RFC 5480 §2).
fn public(mut key: Reader<'_>) -> Option<Public<'_>> {
    let mut algorithm = key.inside(SEQUENCE)?;
    let bits = key.bits()?;
    match algorithm.take(OBJECT)? {
        RSA => {
            let mut fields = Reader::new(Reader::only(bits, SEQUENCE)?);
            Some(Public::Rsa { modulus: fields.unsigned()?, exponent: fields.unsigned()? })
        }
        EC => Some(Public::Ec { curve: Curve::find(algorithm.take(OBJECT)?)?, point: bits.into() }),
        _ => None,
    }
}

/// `YYMMDDhhmmssZ`, where years from 50 are of the last century, or `YYYYMMDDhhmmssZ` (RFC 5280 §4.1.2.5).
fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let digits = text.strip_suffix(b"Z").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year);
            (year + if year < 50 { 2000 } else { 1900 }, rest)
        }
        (GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    let mut pairs = rest.chunks(2).map(number);
    let [month, day, hour, minute, second] = std::array::from_fn(|_| pairs.next().unwrap_or_default());
    (matches!(month, 1..=12) && matches!(day, 1..=31))
        .then(|| date::start(year, month, day) + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (tag, text, want) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229235959Z", Some(951_868_799)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20261121181700Z", Some(1_795_285_020)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "20261121181700Z", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "700101000000+0100", None),
            (GENERALIZED_TIME, "2026112118170xZ", None),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), want, "{text}");
        }
    }
}
