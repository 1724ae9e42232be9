//! Reading pages: all of the envelope or nothing, but each record by itself.

use fairlead_wire::feed::Keyed;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// A record's JSON as it came.
pub(super) type Raw = Box<RawValue>;
/// A record whose content is not read yet.
pub(super) type Record = Keyed<Raw>;

/// An answer that is not what the contract says. Nothing of it has been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads a whole page.
pub(super) fn read<P: DeserializeOwned>(body: &[u8]) -> Result<P, Malformed> {
    serde_json::from_slice(body).map_err(|_| Malformed)
}

/// The hash of a record as a number; `None` for what is not 32 hex digits (and for zero, which rows without one hold).
pub(super) fn digest(hex: &str) -> Option<u128> {
    if hex.len() != 32 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(hex, 16).ok().filter(|digest| *digest != 0)
}
