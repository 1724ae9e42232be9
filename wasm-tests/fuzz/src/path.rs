//! Paths: the grammar of both ports, joining with a target's base path, redirects.
//!
//! An input is up to four lines: `:path`, base path of the target, its query, `Location` of its answer.

use fairlead_app_router::{Base, Ports, Sent, Split, join, join_query, location, split};

use crate::bytes::{climbs, is_one_line};

/// A target's host.
const AUTHORITY: &[u8] = b"target.example.com";

/// Takes `input` through a whole exchange, on both ports and with both settings of `encodeUrl`.
pub fn run(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (path, base, query, redirect) = (line(), line(), line(), line());
    if !is_one_line(path) {
        return;
    }
    let Some(base) = std::str::from_utf8(base).ok().and_then(|base| Base::new(base).ok()) else { return };
    for ports in [Ports::Manual, Ports::Ucl] {
        let Ok(split) = split(ports, path) else { continue };
        check_split(ports, path, &split);
        for encode in [false, true] {
            exchange(&split, &base, encode, query, redirect);
        }
    }
}

fn check_split(ports: Ports, path: &[u8], split: &Split<'_>) {
    let segments: Vec<&[u8]> =
        [Some(split.app), Some(split.service), split.entry].into_iter().flatten().collect();
    assert_eq!(split.key, segments.join(&b'/'));
    assert_eq!(split.entry.is_some(), ports == Ports::Ucl);
    for segment in segments {
        assert!(!segment.contains(&b'/') && !matches!(segment, b"." | b".."));
    }
    assert!(path.windows(split.key.len()).any(|window| window == split.key));
    let read = split.key.len() + split.rest.len() + split.query.map_or(0, |query| query.len() + 1);
    assert!(read <= path.len());
}

fn exchange(split: &Split<'_>, base: &Base, encode: bool, query: &[u8], redirect: &[u8]) {
    // A base path that goes out alone may be spelt otherwise (AG §5.1).
    let mut plain = Vec::new();
    assert!(join(&mut plain, base, b"x", encode).is_ok());
    let stem = plain.strip_suffix(b"/x").unwrap_or_default();

    let mut out = b"before".to_vec();
    if join(&mut out, base, split.rest, encode).is_err() {
        assert_eq!(out, b"before");
        return;
    }
    let sent = out.strip_prefix(b"before").unwrap_or_default();
    assert!(sent.starts_with(b"/") && sent.iter().all(u8::is_ascii_graphic));
    assert!(!sent.iter().any(|byte| matches!(byte, b'?' | b'#')));
    if !split.rest.is_empty() {
        assert!(sent.strip_prefix(stem).is_some_and(|rest| rest.starts_with(b"/") && !climbs(rest)));
    }

    let mut whole = sent.to_vec();
    join_query(&mut whole, query, split.query);
    assert!(whole.starts_with(sent));
    assert!(!is_one_line(query) || is_one_line(&whole));

    let Some(back) = location(redirect, &Sent { authority: AUTHORITY, base, path: &whole }, split.key) else {
        return;
    };
    let rest = back.strip_prefix(b"/").and_then(|back| back.strip_prefix(split.key));
    assert!(rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?' | b'#'))));
    assert!(is_one_line(&back));
    let path = rest.unwrap_or_default().split(|byte| matches!(byte, b'?' | b'#')).next();
    assert!(!climbs(path.unwrap_or_default()));
}
