//! The character sets of AG §5.1 and percent-coding over bytes.

/// Set of the plain bytes but the dot: they go out as they are in every mode.
pub(crate) const PLAIN: u8 = 0;
/// The dot: plain, but two of them may climb.
pub(crate) const DOT: u8 = 1;
/// Bytes that AG §5.1 tolerates in a caller's spelling but writes as `%XX` itself.
pub(crate) const TOLERATED: u8 = 2;
/// The percent sign.
pub(crate) const PERCENT: u8 = 4;
/// Everything else: must not stand in a path unencoded.
pub(crate) const STRAY: u8 = 8;

static CLASSES: [u8; 256] = classes();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index out of bounds")]
const fn classes() -> [u8; 256] {
    let mut table = [STRAY; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => PLAIN,
            b'-' | b'_' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@' => PLAIN,
            b'.' => DOT,
            b'!' | b'\'' | b'(' | b')' | b'*' | b'[' | b']' => TOLERATED,
            b'%' => PERCENT,
            _ => STRAY,
        };
        byte += 1;
    }
    table
}

/// The set that `byte` is in.
pub(crate) fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(STRAY)
}

/// The sets that occur in `bytes`, or-ed.
pub(crate) fn classes_in(bytes: &[u8]) -> u8 {
    bytes.iter().fold(PLAIN, |seen, byte| seen | class(*byte))
}

/// Writes `%XX` with upper-case digits.
pub(crate) fn escape(out: &mut Vec<u8>, byte: u8) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
    out.extend([b'%', digit(byte >> 4), digit(byte & 0xf)]);
}

/// `enc` of AG §5.1: plain bytes as they are, every other one escaped.
pub(crate) fn encode(out: &mut Vec<u8>, decoded: impl Iterator<Item = u8>) {
    for byte in decoded {
        if class(byte) & !DOT == PLAIN { out.push(byte) } else { escape(out, byte) }
    }
}

/// `bytes` as they are spelt, with only what must not stand in a path escaped.
pub(crate) fn keep(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        if class(*byte) == STRAY { escape(out, *byte) } else { out.push(*byte) }
    }
}

/// What is before and after the first `at`.
pub(crate) fn cut(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(at, bytes).and_then(|index| bytes.split_at_checked(index)) {
        Some((before, after)) => (before, after.get(1..)),
        None => (bytes, None),
    }
}

/// Is each `%` followed by two hexadecimal digits?
pub(crate) fn escapes_are_valid(bytes: &[u8]) -> bool {
    let mut left = bytes;
    while let Some(at) = memchr::memchr(b'%', left) {
        match left.get(at..at + 3) {
            Some([_, high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
            _ => return false,
        }
        left = left.get(at + 3..).unwrap_or_default();
    }
    true
}

/// The decoded bytes of a percent-encoded string, once decoded. An invalid escape stands for itself.
#[derive(Clone)]
pub(crate) struct Decoded<'a> {
    /// What was not read yet, as spelt.
    pub(crate) left: &'a [u8],
}

/// Decodes `bytes` while they are read.
pub(crate) fn decoded(bytes: &[u8]) -> Decoded<'_> {
    Decoded { left: bytes }
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let [b'%', high, low, left @ ..] = self.left
            && let (Some(high), Some(low)) = (value(*high), value(*low))
        {
            self.left = left;
            return Some(high << 4 | low);
        }
        let (byte, left) = self.left.split_first()?;
        self.left = left;
        Some(*byte)
    }
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
