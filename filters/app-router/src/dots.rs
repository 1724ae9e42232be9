//! Would a path, as some server reads it, climb above where it starts?
//!
//! Servers disagree: whether `%2F` and `\` separate, whether `//` is one level or two, whether `..;x` is `..`, in
//! which order they decode and resolve. So the depth is counted as a lower bound over all of these readings, over the
//! bytes that go out, decoded once (`%252e` is not a dot).

use crate::bytes::decoded;

/// What a segment does to the depth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing between two separators.
    Empty,
    /// `.`
    Dot,
    /// `..`
    Climb,
    /// A name: one level down.
    Name,
}

/// Reads one segment, byte by byte, until what servers cut off: path parameters (`;`), what a second parse would
/// take for query or fragment, and blanks and control bytes.
#[derive(Default)]
struct Reader {
    dots: u8,
    name: bool,
    cut: bool,
}

impl Reader {
    fn push(&mut self, byte: u8) {
        match byte {
            _ if self.cut => {}
            b';' | b'?' | b'#' | 0..=b' ' => self.cut = true,
            b'.' if self.dots < 2 && !self.name => self.dots += 1,
            _ => self.name = true,
        }
    }

    fn kind(&self) -> Kind {
        match self.dots {
            _ if self.name => Kind::Name,
            0 => Kind::Empty,
            1 => Kind::Dot,
            _ => Kind::Climb,
        }
    }
}

/// What one segment is, escapes decoded; separators inside count as part of a name.
pub(crate) fn kind(segment: &[u8]) -> Kind {
    let mut reader = Reader::default();
    decoded(segment).for_each(|byte| reader.push(byte));
    reader.kind()
}

/// Could some server resolve `path`, relative to where it starts, to something above that?
pub(crate) fn leaves(path: &[u8]) -> bool {
    let mut depth: isize = 0;
    for segment in path.split(|byte| *byte == b'/') {
        depth += least_depth(segment);
        if depth < 0 {
            return true;
        }
    }
    false
}

/// The least that a segment (between slashes as spelt) adds to the depth in any reading.
///
/// With encoded slashes or backslashes inside it is one segment or several. If its head is a name it is at least one
/// level down either way; each `..` inside may climb.
fn least_depth(segment: &[u8]) -> isize {
    let mut depth = 0;
    let mut head = true;
    let mut reader = Reader::default();
    let mut settle = |kind: Kind| {
        match kind {
            Kind::Climb => depth -= 1,
            Kind::Name if head => depth += 1,
            Kind::Name | Kind::Dot | Kind::Empty => {}
        }
        head = false;
    };
    for byte in decoded(segment) {
        if byte == b'/' || byte == b'\\' {
            settle(reader.kind());
            reader = Reader::default();
        } else {
            reader.push(byte);
        }
    }
    settle(reader.kind());
    depth
}
