//! The query that goes to the target (AG §5.2).

use crate::bytes::escape;

/// Appends `?` and the query of `targetUrl` and of the request, joined by `&` if both have one. Nothing is decoded or
/// sorted. A caller's bare `?` stays. Without any query nothing is appended.
///
/// Bytes go out as they came, except blanks and control bytes, which end a request line: they become `%XX`.
pub fn join_query(out: &mut Vec<u8>, target_query: &[u8], request_query: Option<&[u8]>) {
    if target_query.is_empty() && request_query.is_none() {
        return;
    }
    out.push(b'?');
    append(out, target_query);
    let request_query = request_query.unwrap_or_default();
    if !target_query.is_empty() && !request_query.is_empty() {
        out.push(b'&');
    }
    append(out, request_query);
}

fn append(out: &mut Vec<u8>, query: &[u8]) {
    if query.iter().any(|byte| ends_a_line(*byte)) {
        for byte in query {
            if ends_a_line(*byte) { escape(out, *byte) } else { out.push(*byte) }
        }
    } else {
        out.extend_from_slice(query);
    }
}

fn ends_a_line(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}
