//! What pages are read into ([`json`](fairlead_wire::json)): all of the envelope or nothing, but each record by itself.

use fairlead_wire::{feed::Keyed, json::Raw};

/// A record whose content is not read yet.
pub(super) type Record<'a> = Keyed<Raw<'a>>;

/// An answer that is not what the contract says. Nothing of it has been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The hash of a record as a number; `None` for what is not 32 hex digits (and for zero, which rows without one hold).
pub(super) fn digest(hex: &str) -> Option<u128> {
    let (high, low) = hex.as_bytes().split_first_chunk::<16>()?;
    let (high, low) = (half(high)?, half(low.try_into().ok()?)?);
    // In halves: the machine has no 128-bit arithmetic, and a page has hundreds of these.
    Some(u128::from(high) << 64 | u128::from(low)).filter(|digest| *digest != 0)
}

fn half(digits: &[u8; 16]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(nibble))
    })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::digest;

    #[test]
    fn a_hash_is_32_digits_and_not_zero() {
        assert_eq!(
            digest("0123456789abcdefFEDCBA9876543210"),
            Some(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210)
        );
        assert_eq!(digest(&format!("{:032x}", 1)), Some(1));
        for other in
            ["", "1", "0123456789abcdef", &"0".repeat(32), &"1".repeat(33), &"g".repeat(32), &"+".repeat(32)]
        {
            assert_eq!(digest(other), None, "{other}");
        }
    }
}
