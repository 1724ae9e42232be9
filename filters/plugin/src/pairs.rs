//! Header maps as the host wants them serialised (layout: [`fairlead_engine::headers`]).

/// Serialises lines.
pub(crate) fn serialise(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    push_len(&mut out, lines.len());
    for (name, value) in lines {
        push_len(&mut out, name.len());
        push_len(&mut out, value.len());
    }
    for (name, value) in lines {
        for part in [name, value] {
            out.extend_from_slice(part.as_bytes());
            out.push(0);
        }
    }
    out
}

fn push_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}
