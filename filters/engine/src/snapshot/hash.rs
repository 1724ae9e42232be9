//! The tables' hash function: eight bytes a step, one multiplication and one fold each.
//!
//! Keys come from the control plane, callers only look up: nobody can fill a table with colliding keys from outside.

use std::hash::{BuildHasherDefault, Hasher};

const FACTOR: u64 = 0x517c_c1b7_2722_0a95;

/// Hashes the keys of the view's tables.
pub(crate) type KeyHash = BuildHasherDefault<KeyHasher>;

/// A 64-bit hash, not cryptographic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl KeyHasher {
    fn step(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(FACTOR);
        self.0 ^= self.0 >> 32;
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.step(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.step(u64::from_le_bytes(last));
    }

    fn write_u8(&mut self, n: u8) {
        self.step(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.step(n.into());
    }

    fn write_usize(&mut self, n: usize) {
        self.step(n as u64);
    }

    /// The table takes its bucket from the low bits and its tag from the high ones: each must see all.
    fn finish(&self) -> u64 {
        let mixed = self.0.wrapping_mul(FACTOR);
        mixed ^ (mixed >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::KeyHash;

    #[test]
    fn hashes_of_numbered_keys_spread_over_buckets() {
        let mut buckets = vec![0_u32; 4096];
        for n in 0..40_960 {
            let bucket = KeyHash::default().hash_one(format!("app-{n}/service").as_bytes()) % 4096;
            buckets[usize::try_from(bucket).unwrap()] += 1;
        }
        assert!(
            buckets.iter().all(|n| *n <= 40),
            "none is crowded: 10 on average, {:?} at most",
            buckets.iter().max()
        );
    }

    #[test]
    fn hash_tells_a_key_from_its_zero_padded_twin() {
        assert_ne!(
            KeyHash::default().hash_one(b"a".as_slice()),
            KeyHash::default().hash_one(b"a\0".as_slice())
        );
    }
}
