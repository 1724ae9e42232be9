//! What pages are read into ([`json`](fairlead_wire::json)): all of the envelope or nothing, but each record by itself.

use fairlead_wire::{feed::Keyed, json::Raw};

/// A record whose content is not read yet.
pub(super) type Record = Keyed<Raw>;

/// An answer that is not what the contract says. Nothing of it has been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The hash of a record as a number; `None` for what is not 32 hex digits (and for zero, which rows without one hold).
pub(super) fn digest(hex: &str) -> Option<u128> {
    if hex.len() != 32 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(hex, 16).ok().filter(|digest| *digest != 0)
}
