//! What several targets ask of bytes.

/// Whether nothing in `bytes` can end a header line or a request line.
pub(crate) fn is_one_line(bytes: &[u8]) -> bool {
    !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// Whether a server could take `path` (relative, as sent) to lead above where it begins: escapes decoded, backslashes
/// read as slashes, path parameters cut off, repeated slashes read as one. Written plainly, apart from the code
/// that is checked with it.
pub(crate) fn climbs(path: &[u8]) -> bool {
    let decoded = decode(path);
    let mut depth = 0_usize;
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment.split(|byte| *byte == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// Percent escapes decoded once; invalid ones stay.
pub(crate) fn decode(mut text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded = Vec::new();
    while let [byte, rest @ ..] = text {
        if let (b'%', [high, low, after @ ..]) = (byte, rest)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            decoded.extend(u8::try_from(high * 16 + low));
            text = after;
        } else {
            decoded.push(*byte);
            text = rest;
        }
    }
    decoded
}
