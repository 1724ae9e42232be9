//! PEM (RFC 7468) as Secrets hold it: whatever text stands around the blocks is ignored, `openssl` writes `notBefore=…`
//! and bag attributes there; lines may be of any length, indented, and end as on Windows.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Characters of base64 in a line (RFC 7468 §2).
const LINE: usize = 64;

/// A block.
pub(crate) struct Block<'a> {
    /// What stands after `BEGIN`.
    pub(crate) label: &'a str,
    /// What stands between the two lines, as it is.
    pub(crate) body: &'a str,
}

/// There is a beginning without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut;

/// The blocks of a text, in order.
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = Result<Block<'_>, Cut>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, begun) = rest.split_once("-----BEGIN ")?;
        // Whatever comes of it, what is cut ends the list.
        rest = "";
        let Some((label, after)) = begun.split_once("-----") else { return Some(Err(Cut)) };
        let Some((body, after)) = after.split_once(&*format!("-----END {label}-----")) else {
            return Some(Err(Cut));
        };
        rest = after;
        Some(Ok(Block { label, body }))
    })
}

impl Block<'_> {
    /// What it encodes; nothing if that is not base64.
    pub(crate) fn decode(&self) -> Option<Vec<u8>> {
        let compact: String = self.body.split_ascii_whitespace().collect();
        STANDARD.decode(compact).ok()
    }
}

/// Appends a block in the one way in which we write it.
pub(crate) fn encode(out: &mut String, label: &str, der: &[u8]) {
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----");
    for (index, c) in STANDARD.encode(der).chars().enumerate() {
        if index % LINE == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push_str("\n-----END ");
    out.push_str(label);
    out.push_str("-----\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_blocks_is_ignored() {
        let text = "notBefore=Jan 1\r\nBag Attributes\n-----BEGIN A B-----\r\n AQID\n\tBA ==\r\n-----END A B----- x\n-----BEGIN C-----\n-----END C-----";
        let found: Vec<_> =
            blocks(text).map(Result::unwrap).map(|block| (block.label, block.decode())).collect();
        assert_eq!(found, [("A B", Some(vec![1, 2, 3, 4])), ("C", Some(vec![]))]);
        assert_eq!(blocks("nothing").count(), 0);
    }

    #[test]
    fn a_block_without_end_is_told() {
        for text in ["-----BEGIN A", "-----BEGIN A-----\nAQID", "-----BEGIN A-----\nAQID\n-----END B-----"] {
            assert!(blocks(text).any(|block| block.is_err()), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let der: Vec<u8> = (0..100).collect();
        let mut text = String::new();
        encode(&mut text, "X", &der);
        assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
        assert_eq!(blocks(&text).next().unwrap().unwrap().decode(), Some(der));
    }
}
