//! As much of DER (X.690) as it takes to compare a certificate with a key. It is lenient: who believes a certificate reads it
//! with a library of their own, here only what could never work is found out early.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]` and `[1]`, constructed.
pub(super) const CONTEXT_0: u8 = 0xa0;
pub(super) const CONTEXT_1: u8 = 0xa1;

/// Elements one after another.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The one element that these bytes are, of this tag.
    pub(super) fn only(bytes: &'a [u8], tag: u8) -> Option<&'a [u8]> {
        let mut reader = Self(bytes);
        reader.take(tag).filter(|_| reader.0.is_empty())
    }

    /// The next element's content, if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content, rest) = element(self.0)?;
        if found != tag {
            return None;
        }
        self.0 = rest;
        Some(content)
    }

    /// What [`take`](Self::take) finds, as elements.
    pub(super) fn inside(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }

    /// The next integer, if it is not negative: big-endian, without leading zeros.
    pub(super) fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.take(INTEGER)? {
            [] | [0x80..=0xff, ..] => None,
            digits => Some(trim(digits)),
        }
    }

    /// The next bit string of whole bytes.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        self.take(BIT_STRING)?.strip_prefix(&[0])
    }

    /// The next element, whatever it is: its tag and content.
    pub(super) fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, content, rest) = element(self.0)?;
        self.0 = rest;
        Some((tag, content))
    }
}

/// Without leading zeros.
pub(super) fn trim(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.get(zeros..).unwrap_or_default()
}

/// Tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // Nothing that comes here is larger than a Secret, which three bytes can say.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// Appends an element.
pub(super) fn write(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let length = content.len().to_be_bytes();
    match (content.len(), trim(&length)) {
        (short @ 0..=0x7f, _) => out.extend(u8::try_from(short)),
        (_, digits) => {
            out.extend(u8::try_from(digits.len()).map(|count| 0x80 | count));
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
}
