//! Zero-copy view of the header map as the host serialises it: one host call fetches everything that a request needs.
//!
//! Layout (proxy-wasm ABI 0.2.1), integers little-endian: `u32` number of pairs; for each pair `u32` length of the
//! name and `u32` length of the value; then for each pair name, NUL, value, NUL. No pairs at all may come as zero
//! bytes. Names are lower case (the host makes them so); values are any bytes, not only UTF-8.

/// The bytes are not a serialised header map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// All headers of a request, checked once and read in place.
#[derive(Clone, Copy, Debug)]
pub struct HeaderBlock<'a> {
    /// The table of lengths, eight bytes a pair.
    sizes: &'a [u8],
    /// Names and values.
    data: &'a [u8],
}

impl<'a> HeaderBlock<'a> {
    /// Checks that the lengths add up exactly, so that reading never stops halfway: a header that a reader misses
    /// could be one that has to be removed.
    ///
    /// # Errors
    /// [`Malformed`] when they do not.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Ok(Self { sizes: &[], data: &[] });
        }
        let (count, rest) = bytes.split_first_chunk::<4>().ok_or(Malformed)?;
        let count = usize::try_from(u32::from_le_bytes(*count)).map_err(|_| Malformed)?;
        let (sizes, data) =
            count.checked_mul(8).and_then(|len| rest.split_at_checked(len)).ok_or(Malformed)?;
        let mut total = 0_u64;
        for pair in sizes.as_chunks::<8>().0 {
            let (name, value) = lengths(*pair);
            total = total.saturating_add(u64::from(name)).saturating_add(u64::from(value)).saturating_add(2);
        }
        if u64::try_from(data.len()).ok() != Some(total) {
            return Err(Malformed);
        }
        Ok(Self { sizes, data })
    }

    /// Name and value of every line, in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'a> {
        Iter { sizes: self.sizes.as_chunks::<8>().0.iter(), data: self.data }
    }

    /// Whether there is a line of this name, whatever the case of letters.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.iter().any(|(line, _)| line.eq_ignore_ascii_case(name))
    }
}

impl<'a> IntoIterator for &HeaderBlock<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterator over the lines of a [`HeaderBlock`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    sizes: std::slice::Iter<'a, [u8; 8]>,
    data: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (name_len, value_len) = lengths(*self.sizes.next()?);
        let (name, rest) = self.data.split_at_checked(usize::try_from(name_len).ok()?)?;
        let (value, rest) = rest.get(1..)?.split_at_checked(usize::try_from(value_len).ok()?)?;
        self.data = rest.get(1..)?;
        Some((name, value))
    }
}

/// The two lengths of a pair.
#[inline]
fn lengths(pair: [u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = pair;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// Serialises lines as the host does.
#[must_use]
pub fn serialise<N: AsRef<[u8]>, V: AsRef<[u8]>>(lines: &[(N, V)]) -> Vec<u8> {
    // What is longer than that does not fit into the memory of a VM.
    let len = |len: usize| u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    let mut out = Vec::with_capacity(256);
    out.extend(len(lines.len()));
    for (name, value) in lines {
        out.extend(len(name.as_ref().len()));
        out.extend(len(value.as_ref().len()));
    }
    for (name, value) in lines {
        for part in [name.as_ref(), value.as_ref()] {
            out.extend(part);
            out.push(0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn lines_come_in_order_and_unchanged() {
        let lines: [(&[u8], &[u8]); 4] = [(b":path", b"/a"), (b"x", b""), (b"x", b"\xff\0\xfe"), (b"", b"v")];
        let bytes = serialise(&lines);
        let block = HeaderBlock::parse(&bytes).unwrap();
        assert_eq!(block.iter().collect::<Vec<_>>(), lines);
        assert!(block.contains(b"X"));
        assert!(!block.contains(b"y"));
    }

    #[test]
    fn nothing_is_no_lines() {
        assert_eq!(HeaderBlock::parse(&[]).unwrap().iter().count(), 0);
        assert_eq!(HeaderBlock::parse(&[0; 4]).unwrap().iter().count(), 0);
    }

    #[test]
    fn every_cut_and_every_extra_byte_is_malformed() {
        let bytes = serialise(&[("a", "1"), ("bc", "23")]);
        for end in 1..bytes.len() {
            assert!(HeaderBlock::parse(&bytes[..end]).is_err(), "{end}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(HeaderBlock::parse(&longer).is_err());
    }

    #[test]
    fn huge_numbers_are_malformed() {
        for bytes in [
            [0xff_u8; 4].as_slice(),
            &[0xff; 64],
            &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(HeaderBlock::parse(bytes).is_err());
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
                if let Ok(block) = HeaderBlock::parse(&bytes) {
                    block.iter().count();
                }
            }

            #[test]
            fn what_was_serialised_comes_back(
                lines in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..9), proptest::collection::vec(any::<u8>(), 0..9)), 0..9)
            ) {
                let bytes = serialise(&lines);
                let block = HeaderBlock::parse(&bytes).unwrap();
                let back: Vec<_> = block.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                prop_assert_eq!(back, lines);
            }
        }
    }
}
