//! The header map as the host serialises it.

use fairlead_engine::headers::HeaderBlock;

/// Reads `input` as the bytes of a header map.
pub fn run(input: &[u8]) {
    let Ok(block) = HeaderBlock::parse(input) else { return };
    let lines: Vec<(&[u8], &[u8])> = block.iter().collect();
    let declared = input.first_chunk::<4>().map_or(0, |count| u32::from_le_bytes(*count));
    assert_eq!(u32::try_from(lines.len()), Ok(declared));
    let read: usize = lines.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
    assert_eq!(read + input.len().min(4), input.len());
    for (name, _) in lines {
        assert!(block.contains(name));
    }
}

/// Header lines as the host serialises them.
pub(crate) fn serialise(lines: &[(&[u8], &[u8])]) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes();
    let mut out = u32::try_from(lines.len()).unwrap_or_default().to_le_bytes().to_vec();
    for (name, value) in lines {
        out.extend(size(name));
        out.extend(size(value));
    }
    for (name, value) in lines {
        for part in [name, value] {
            out.extend_from_slice(part);
            out.push(0);
        }
    }
    out
}
