//! A private key → its public one and its PKCS#8 form. Whoever has the public key only must not pass for its holder: pairs of
//! equal certificates are one (see [`ClientPair`](super::ClientPair)), so a forged key would be given somebody else's.

use p256::elliptic_curve::{
    AffinePoint, CurveArithmetic, FieldBytesSize, SecretKey,
    sec1::{FromSec1Point, ModulusSize, ToSec1Point},
};
use secrecy::zeroize::Zeroizing;

use super::{
    PairError,
    der::{CONTEXT_0, CONTEXT_1, INTEGER, OBJECT, OCTET_STRING, Reader, SEQUENCE, write},
    product::is_product,
};

/// `rsaEncryption` (RFC 8017 §A.1).
pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-ecPublicKey` (RFC 5480 §2.1.1).
pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// What Envoy takes, bits of an RSA modulus: shorter ones are refused there, longer ones by its TLS library.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Curves that Envoy takes (RFC 5480 §2.1.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

const CURVES: [(Curve, &[u8], usize); 3] = [
    (Curve::P256, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], 32),
    (Curve::P384, &[0x2b, 0x81, 0x04, 0x00, 0x22], 48),
    (Curve::P521, &[0x2b, 0x81, 0x04, 0x00, 0x23], 66),
];

impl Curve {
    pub(super) fn find(object: &[u8]) -> Option<Self> {
        CURVES.iter().find(|(_, known, _)| *known == object).map(|(curve, ..)| *curve)
    }

    fn public(self, scalar: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::P256 => multiply::<p256::NistP256>(scalar),
            Self::P384 => multiply::<p384::NistP384>(scalar),
            Self::P521 => multiply::<p521::NistP521>(scalar),
        }
    }
}

/// The uncompressed point that belongs to a private key.
fn multiply<C>(scalar: &[u8]) -> Option<Vec<u8>>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let key = SecretKey::<C>::from_slice(scalar).ok()?;
    Some(key.public_key().to_sec1_point(false).as_bytes().to_vec())
}

/// A public key.
#[derive(PartialEq, Eq)]
pub(super) enum Public<'a> {
    Rsa { modulus: &'a [u8], exponent: &'a [u8] },
    Ec { curve: Curve, point: std::borrow::Cow<'a, [u8]> },
}

/// A private key of a kind that Envoy takes.
pub(super) struct Key<'a> {
    pub(super) public: Public<'a>,
    /// `PrivateKeyInfo` (RFC 5208 §5).
    pub(super) pkcs8: Zeroizing<Vec<u8>>,
}

impl<'a> Key<'a> {
    /// Reads a block of PEM that has this label.
    pub(super) fn read(label: &str, der: &'a [u8]) -> Result<Self, PairError> {
        match label {
            "RSA PRIVATE KEY" => Self::rsa(der),
            "EC PRIVATE KEY" => Self::ec(der, None),
            _ => Self::wrapped(der),
        }
    }

    /// PKCS#8 (RFC 5208 §5, RFC 5958 §2).
    fn wrapped(der: &'a [u8]) -> Result<Self, PairError> {
        let parts = || {
            let mut fields = Reader::new(Reader::only(der, SEQUENCE)?);
            let _version = fields.take(INTEGER)?;
            let mut algorithm = fields.inside(SEQUENCE)?;
            Some((algorithm.take(OBJECT)?, algorithm.take(OBJECT), fields.take(OCTET_STRING)?))
        };
        match parts().ok_or(PairError::NoKey)? {
            (RSA, _, key) => Self::rsa(key),
            (EC, curve, key) => Self::ec(key, curve),
            _ => Err(PairError::KeyKind),
        }
    }

    /// PKCS#1 (RFC 8017 §A.1.2).
    fn rsa(der: &'a [u8]) -> Result<Self, PairError> {
        let parts = || {
            let mut fields = Reader::new(Reader::only(der, SEQUENCE)?);
            let version = fields.unsigned()?;
            let [modulus, exponent, _private, p, q] = [
                fields.unsigned()?,
                fields.unsigned()?,
                fields.unsigned()?,
                fields.unsigned()?,
                fields.unsigned()?,
            ];
            Some((version, modulus, exponent, p, q))
        };
        let (version, modulus, exponent, p, q) = parts().ok_or(PairError::NoKey)?;
        if !RSA_BITS.contains(&bits(modulus)) {
            return Err(PairError::KeyLength);
        }
        if !version.is_empty() || !is_product(modulus, p, q) {
            return Err(PairError::BrokenKey);
        }
        let pkcs8 = info(RSA, &[0x05, 0x00], der);
        Ok(Self { public: Public::Rsa { modulus, exponent }, pkcs8 })
    }

    /// SEC 1 (RFC 5915 §3); inside PKCS#8 the curve may stand outside.
    fn ec(der: &'a [u8], outside: Option<&[u8]>) -> Result<Self, PairError> {
        let parts = || {
            let mut fields = Reader::new(Reader::only(der, SEQUENCE)?);
            let _version = fields.take(INTEGER)?;
            let scalar = fields.take(OCTET_STRING)?;
            Some((scalar, fields.inside(CONTEXT_0).and_then(|mut inside| inside.take(OBJECT))))
        };
        let (scalar, inside) = parts().ok_or(PairError::NoKey)?;
        let object = outside.or(inside).ok_or(PairError::NoKey)?;
        let (curve, _, size) =
            CURVES.iter().find(|(_, known, _)| *known == object).ok_or(PairError::KeyKind)?;
        // Some write the number without its leading zeros, or with more of them.
        let scalar = super::der::trim(scalar);
        let zeros = size.checked_sub(scalar.len()).ok_or(PairError::BrokenKey)?;
        let mut padded = Zeroizing::new(vec![0; zeros]);
        padded.extend_from_slice(scalar);
        let point = curve.public(&padded).ok_or(PairError::BrokenKey)?;

        let mut key = Zeroizing::new(Vec::new());
        write(&mut key, INTEGER, &[1]);
        write(&mut key, OCTET_STRING, &padded);
        let (mut bits, mut public) = (vec![0], Vec::new());
        bits.extend_from_slice(&point);
        write(&mut public, super::der::BIT_STRING, &bits);
        write(&mut key, CONTEXT_1, &public);
        let (mut sec1, mut parameters) = (Zeroizing::new(Vec::new()), Vec::new());
        write(&mut sec1, SEQUENCE, &key);
        write(&mut parameters, OBJECT, object);
        let pkcs8 = info(EC, &parameters, &sec1);
        Ok(Self { public: Public::Ec { curve: *curve, point: point.into() }, pkcs8 })
    }
}

/// `PrivateKeyInfo`; `parameters` are an element.
fn info(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut identifier = Vec::new();
    write(&mut identifier, OBJECT, algorithm);
    identifier.extend_from_slice(parameters);
    let (mut fields, mut out) = (Zeroizing::new(Vec::new()), Zeroizing::new(Vec::new()));
    write(&mut fields, INTEGER, &[0]);
    write(&mut fields, SEQUENCE, &identifier);
    write(&mut fields, OCTET_STRING, key);
    write(&mut out, SEQUENCE, &fields);
    out
}

/// How many bits a number has; its first byte is not zero.
fn bits(digits: &[u8]) -> usize {
    let unused = digits.first().map_or(0, |first| first.leading_zeros());
    (digits.len() * 8).saturating_sub(usize::try_from(unused).unwrap_or_default())
}
