//! Whether a number is the product of two others: that someone knows the primes of an RSA modulus proves that he holds its
//! private key.

/// Whether `product` is `a` times `b`, and neither of them one. Big-endian, without leading zeros.
pub(super) fn is_product(product: &[u8], a: &[u8], b: &[u8]) -> bool {
    // Whatever is longer is none, and the work stays bounded.
    let plausible = a.len() + b.len() <= product.len() + 1;
    plausible && ![a, b].iter().any(|factor| matches!(factor, [] | [1])) && digits(product) == multiply(a, b)
}

/// As taught at school, with digits of 32 bits.
fn multiply(a: &[u8], b: &[u8]) -> Vec<u32> {
    let (a, b) = (digits(a), digits(b));
    let mut out = vec![0_u32; a.len() + b.len()];
    for (i, x) in a.iter().enumerate() {
        let mut carry = 0_u64;
        let b = b.iter().chain(std::iter::once(&0));
        for (digit, y) in out.iter_mut().skip(i).zip(b) {
            // At most (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1.
            let sum = u64::from(*x) * u64::from(*y) + u64::from(*digit) + carry;
            (*digit, carry) = (low(sum), sum >> 32);
        }
    }
    normal(out)
}

#[allow(clippy::cast_possible_truncation, reason = "the upper half is meant to go")]
fn low(value: u64) -> u32 {
    value as u32
}

/// Little-endian, without leading zeros.
fn digits(bytes: &[u8]) -> Vec<u32> {
    let digit = |bytes: &[u8]| bytes.iter().fold(0, |digit, byte| digit << 8 | u32::from(*byte));
    normal(bytes.rchunks(4).map(digit).collect())
}

fn normal(mut digits: Vec<u32>) -> Vec<u32> {
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(number: u128) -> Vec<u8> {
        super::super::der::trim(&number.to_be_bytes()).to_vec()
    }

    proptest! {
        #[test]
        fn products_are_known(a in 2..=u64::MAX, b in 2..=u64::MAX, other in any::<u128>()) {
            let product = u128::from(a) * u128::from(b);
            let (a, b) = (bytes(a.into()), bytes(b.into()));
            prop_assert!(is_product(&bytes(product), &a, &b));
            prop_assert_eq!(is_product(&bytes(other), &a, &b), other == product);
        }
    }

    #[test]
    fn to_know_the_product_is_not_to_know_a_factor() {
        for (product, a, b) in [(35, 1, 35), (35, 35, 1), (0, 0, 35), (35, 5, 6)] {
            assert!(!is_product(&bytes(product), &bytes(a), &bytes(b)), "{product} {a} {b}");
        }
        assert!(is_product(&bytes(35), &bytes(5), &bytes(7)));
        let largest = vec![0xff; 512];
        let mut product = vec![0xff; 511];
        product.extend([0xfe]);
        product.extend(vec![0; 511]);
        product.push(1);
        assert!(is_product(&product, &largest, &largest));
    }
}
