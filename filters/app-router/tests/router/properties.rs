use fairlead_app_router::{Base, JoinError, Ports, Sent, join, join_query, location, normalise, split};
use proptest::prelude::*;

const BASE: &str = "/base/v1";

/// How some server turns a path into directories. Written apart from what it judges.
#[derive(Clone, Copy, Debug)]
struct Server {
    /// Decodes before it splits; else after.
    decodes_first: bool,
    backslash_separates: bool,
    /// Cuts path parameters before decoding, or after splitting, or never.
    cuts_first: bool,
    cuts_last: bool,
    merges_slashes: bool,
}

fn servers() -> impl Iterator<Item = Server> {
    (0..32u8).map(|bits| {
        let bit = |index: u8| bits >> index & 1 == 1;
        Server {
            decodes_first: bit(0),
            backslash_separates: bit(1),
            cuts_first: bit(2),
            cuts_last: bit(3),
            merges_slashes: bit(4),
        }
    })
}

impl Server {
    fn resolve(self, path: &[u8]) -> Vec<Vec<u8>> {
        let mut path = path.to_vec();
        if self.cuts_first {
            let cut = path.split(|byte| *byte == b'/').map(until_semicolon).collect::<Vec<_>>();
            path = cut.join(&b'/');
        }
        if self.decodes_first {
            path = decode(&path);
        }
        let separates = |byte: &u8| *byte == b'/' || (self.backslash_separates && *byte == b'\\');
        let mut directories: Vec<Vec<u8>> = Vec::new();
        for segment in path.split(separates).skip(1) {
            let mut segment = if self.decodes_first { segment.to_vec() } else { decode(segment) };
            if self.cuts_last {
                segment = until_semicolon(&segment).to_vec();
            }
            match segment.as_slice() {
                b"." => {}
                b".." => drop(directories.pop()),
                b"" if self.merges_slashes => {}
                _ => directories.push(segment),
            }
        }
        directories
    }
}

fn until_semicolon(segment: &[u8]) -> &[u8] {
    segment.split(|byte| *byte == b';').next().unwrap_or_default()
}

fn decode(bytes: &[u8]) -> Vec<u8> {
    let text: Vec<char> = bytes.iter().map(|byte| char::from(*byte)).collect();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(character) = text.get(at) {
        let digits: String = text.iter().skip(at + 1).take(2).collect();
        match u8::from_str_radix(&digits, 16) {
            Ok(byte) if *character == '%' && digits.len() == 2 => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(*character as u8);
                at += 1;
            }
        }
    }
    out
}

/// Paths of what matters to resolution, in many spellings.
fn tricky() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just("/"), 3 => Just(".."), 2 => Just("a"), 1 => Just("."), 1 => Just("%2e"), 1 => Just("%2E%2e"),
        1 => Just("%2F"), 1 => Just("%2f"), 1 => Just("\\"), 1 => Just("%5C"), 1 => Just(";"), 1 => Just("%3b"),
        1 => Just("|"), 1 => Just("%00"), 1 => Just("%252e"), 1 => Just("("), 1 => Just("/../"), 1 => Just("%2f..%2F"),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Any bytes, and tricky ones.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        tricky(),
        "[ -~]{0,40}".prop_map(String::into_bytes)
    ]
}

fn joined(base: &str, rest: &[u8], encode: bool) -> Result<Vec<u8>, JoinError> {
    let mut out = Vec::new();
    join(&mut out, &Base::new(base).unwrap(), rest, encode).map(|()| out)
}

fn is_wire(path: &[u8]) -> bool {
    path.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]%".contains(byte))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn no_server_leaves_the_base(rest in tricky(), encode: bool) {
        if let Ok(path) = joined(BASE, &rest, encode) {
            for server in servers() {
                let directories = server.resolve(&path);
                let below = directories.starts_with(&[b"base".to_vec(), b"v1".to_vec()]);
                prop_assert!(below, "{} is {directories:?} for {server:?}", path.escape_ascii());
            }
        }
    }

    #[test]
    fn only_what_climbs_is_refused(segments in prop::collection::vec("(a|\\.|\\.\\.|b\\.\\.|%2e%2E|;p|\\(|%2541)", 0..8), encode: bool) {
        let rest = segments.join("/");
        let mut depth = 0;
        let climbs = segments.iter().any(|segment| {
            depth += match segment.as_str() {
                ".." | "%2e%2E" => -1,
                "." | ";p" => 0,
                _ => 1,
            };
            depth < 0
        });
        prop_assert_eq!(joined(BASE, rest.as_bytes(), encode).is_err(), climbs, "{}", rest);
    }

    #[test]
    fn whatever_goes_out_is_a_path_below_the_base(rest in anything(), encode: bool) {
        if let Ok(path) = joined(BASE, &rest, encode) {
            prop_assert!(is_wire(&path), "{}", path.escape_ascii());
            prop_assert!(path.starts_with(BASE.as_bytes()));
            prop_assert!(rest.is_empty() || path.get(BASE.len()) == Some(&b'/'));
        }
    }

    #[test]
    fn joining_again_changes_nothing(rest in anything(), encode: bool) {
        if let Ok(path) = joined("", &rest, encode) {
            prop_assert_eq!(joined("", &path, encode), Ok(path));
        }
    }

    #[test]
    fn encoding_keeps_the_decoded_path(rest in anything()) {
        if let Ok(path) = joined("", &rest, true) {
            let plain = decode(&rest);
            let expected = [b"/", plain.strip_prefix(b"/").unwrap_or(&plain)].concat();
            prop_assert_eq!(decode(&path), expected);
        }
    }

    #[test]
    fn without_encoding_a_tolerated_path_is_kept(rest in "([a-zA-Z0-9_.~$&+,:;=@!'()*\\[\\]-]|%[0-9a-fA-F]{2}|/){1,30}") {
        if let Ok(path) = joined("/b%20(c)", rest.as_bytes(), false) {
            let expected = format!("/b%20(c)/{}", rest.strip_prefix('/').unwrap_or(&rest));
            prop_assert_eq!(path, expected.into_bytes());
        }
    }

    #[test]
    fn parts_of_a_split_are_those_of_the_path(path in anything(), ucl: bool) {
        let ports = if ucl { Ports::Ucl } else { Ports::Manual };
        if let Ok(split) = split(ports, &path) {
            let mut whole = split.key.to_vec();
            if !split.rest.is_empty() {
                whole.push(b'/');
                whole.extend(split.rest);
            }
            let end = path.iter().position(|byte| *byte == b'?').unwrap_or(path.len());
            let text = String::from_utf8_lossy(&path[..end]).into_owned();
            prop_assert_eq!(String::from_utf8_lossy(&whole), text.trim_matches('/'));
            prop_assert_eq!(split.query, path.get(end + 1..));
        }
    }

    #[test]
    fn queries_keep_their_bytes(target in "[!-~]{0,10}", request in prop::option::of(anything())) {
        let mut out = Vec::new();
        join_query(&mut out, target.as_bytes(), request.as_deref());
        prop_assert!(!out.iter().any(|byte| *byte <= b' ' || *byte == 0x7f));
        let start = [b"?", target.as_bytes()].concat();
        prop_assert!(out.is_empty() || out.starts_with(&start));
    }

    #[test]
    fn a_base_takes_any_text(path in "\\PC{0,20}", rest in anything(), encode: bool) {
        if let Ok(base) = Base::new(&path) {
            let mut out = Vec::new();
            if join(&mut out, &base, &rest, encode).is_ok() {
                prop_assert!(out.starts_with(b"/"));
                prop_assert!(is_wire(&out), "{}", out.escape_ascii());
            }
        }
    }

    #[test]
    fn a_redirect_stays_below_the_key(value in anything(), start in "(|/base/v1|/base/v1/|https://t/base/v1/|//t/base/v1/a/|x/)", path in anything()) {
        let base = Base::new(BASE).unwrap();
        let value = [start.as_bytes(), &value].concat();
        let sent = Sent { authority: b"t", base: &base, path: &path };
        if let Some(result) = location(&value, &sent, b"app/svc") {
            prop_assert!(result.iter().all(u8::is_ascii_graphic), "{}", result.escape_ascii());
            prop_assert!(result.starts_with(b"/app/svc"));
            let end = result.iter().position(|byte| b"?#".contains(byte)).unwrap_or(result.len());
            for server in servers() {
                let directories = server.resolve(&result[..end]);
                let below = directories.starts_with(&[b"app".to_vec(), b"svc".to_vec()]);
                prop_assert!(below, "{} is {directories:?} for {server:?}", result.escape_ascii());
            }
        }
    }

    #[test]
    fn a_redirect_leads_back_to_its_target(segments in prop::collection::vec("[a-z('%]{1,4}", 0..5)) {
        let escaped = segments.join("/").replace('%', "%2F");
        let target = joined(BASE, escaped.as_bytes(), false).unwrap();
        let base = Base::new(BASE).unwrap();
        let sent = Sent { authority: b"t", base: &base, path: b"/base/v1/x" };
        let value = [b"https://t", target.as_slice()].concat();
        let result = location(&value, &sent, b"app/svc").unwrap();
        let again = split(Ports::Manual, &result).unwrap();
        prop_assert_eq!(again.key, b"app/svc");
        prop_assert_eq!(joined(BASE, again.rest, false), Ok(target));
    }

    #[test]
    fn names_are_segments(name in "(\\PC{0,80}|[a-zA-Z0-9 _-]{0,80})") {
        let segment = normalise(&name);
        prop_assert!(segment.len() <= 57);
        prop_assert!(segment.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
        prop_assert!(!segment.starts_with('-') && !segment.contains("--"));
        // Only a cut name may end in a dash, which a second pass would drop.
        prop_assert_eq!(normalise(&segment), segment.strip_suffix('-').unwrap_or(&segment));
        prop_assert!(!segment.ends_with('-') || segment.len() >= 56);
    }
}
