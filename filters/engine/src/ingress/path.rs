//! Paths that an Application may call, and where they lead at the sink (CV §3 step 1, §5).

use std::borrow::Cow;

use fairlead_wire::feed::Sink;

/// A request's path, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// First segment as spelt; may be empty.
    pub(super) application: &'a [u8],
    /// What follows it, beginning with a slash, without query.
    pub(super) rest: &'a [u8],
    /// The query with its question mark, or empty.
    pub(super) query: &'a [u8],
}

/// Takes a path apart; none if no slash follows the first segment.
pub(super) fn split(path: &[u8]) -> Option<Parts<'_>> {
    let end = memchr::memchr(b'?', path).unwrap_or(path.len());
    let (path, query) = path.split_at_checked(end)?;
    let after = path.strip_prefix(b"/")?;
    let (application, rest) = after.split_at_checked(memchr::memchr(b'/', after)?)?;
    Some(Parts { application, rest, query })
}

/// Percent-decodes a segment. A bad escape stays as it is: no Application has such a name.
pub(super) fn decode(segment: &[u8]) -> Cow<'_, [u8]> {
    if !segment.contains(&b'%') {
        return Cow::Borrowed(segment);
    }
    let mut out = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((byte, after)) = rest.split_first() {
        let escape = if *byte == b'%' { after.split_first_chunk::<2>() } else { None };
        let decoded = escape.and_then(|([high, low], after)| Some((hex(*high)? << 4 | hex(*low)?, after)));
        let (byte, after) = decoded.unwrap_or((*byte, after));
        out.push(byte);
        rest = after;
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Appends the path at the sink; false if the path is none that an Application may call.
///
/// Prefixes end at segment borders (Kyma also takes `/v1/eventsfoo`). Repeated slashes count as one and are sent
/// as one: Kyma answers 301, which makes a GET of a POSTed event. A dot segment, in whatever spelling a sink may
/// decode, could lead to another Application's events behind the check, and is no path of ours.
pub(super) fn destination(out: &mut Vec<u8>, parts: &Parts<'_>, sink: &Sink) -> bool {
    let rest = single_slashes(parts.rest);
    if rest.contains(&b'\\') || has_dot_segment(&rest) {
        return false;
    }
    if under(&rest, b"/v1/events") {
        out.push(b'/');
        out.extend_from_slice(parts.application);
        out.extend_from_slice(&rest);
    } else if under(&rest, b"/v2/events") || under(&rest, b"/events") {
        out.extend_from_slice(sink.publish_path.as_bytes());
    } else {
        return false;
    }
    out.extend_from_slice(parts.query);
    true
}

/// Whether `path` is `prefix` or below it.
fn under(path: &[u8], prefix: &[u8]) -> bool {
    path.strip_prefix(prefix).is_some_and(|below| below.first().is_none_or(|byte| *byte == b'/'))
}

fn single_slashes(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.windows(2).any(|pair| pair == b"//") {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    for byte in path {
        if *byte != b'/' || out.last() != Some(&b'/') {
            out.push(*byte);
        }
    }
    Cow::Owned(out)
}

/// Whether decoding, as often as somebody behind may do it, shows a `.` or `..` segment, a backslash being a slash
/// too. What is still encoded after that is nothing that an honest client sends.
fn has_dot_segment(path: &[u8]) -> bool {
    const ROUNDS: usize = 4;
    let mut path = Cow::Borrowed(path);
    for _ in 0..ROUNDS {
        if path.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| matches!(segment, b"." | b"..")) {
            return true;
        }
        match decode(&path) {
            Cow::Owned(decoded) if decoded.len() < path.len() => path = Cow::Owned(decoded),
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use fairlead_cases::cover;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn sent(path: &str) -> Option<String> {
        let sink = Sink { profile: "p".into(), authority: "a".into(), publish_path: "/publish".into() };
        let mut out = Vec::new();
        destination(&mut out, &split(path.as_bytes())?, &sink).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn legacy_events_keep_their_path() {
        cover("CV-5-r01");
        for path in [
            "/app/v1/events",
            "/app/v1/events/",
            "/app/v1/events/x/y",
            "/app/v1/events?a=b",
            "/a%20b/v1/events/subscribed?x",
        ] {
            assert_eq!(sent(path).as_deref(), Some(path));
        }
    }

    #[test]
    fn cloud_events_go_to_the_publish_path_and_lose_what_follows() {
        cover("CV-5-r02");
        cover("CV-5-r03");
        for (path, want) in [
            ("/app/v2/events", "/publish"),
            ("/app/v2/events/", "/publish"),
            ("/app/v2/events/a/b?q=1", "/publish?q=1"),
            ("/app/events", "/publish"),
            ("/app/events/a?q=/v1/events", "/publish?q=/v1/events"),
        ] {
            assert_eq!(sent(path).as_deref(), Some(want), "{path}");
        }
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in [
            "/app/",
            "/app/v1",
            "/app/v1/metadata/services",
            "/app/v3/events",
            "/app/v1/eventsfoo",
            "/app/eventsfoo",
            "/app/EVENTS",
            "/app/x/events",
            "/app?/v1/events",
            "/app/v1%2Fevents",
        ] {
            assert_eq!(sent(path), None, "{path}");
        }
    }

    #[test]
    fn repeated_slashes_count_as_one() {
        assert_eq!(sent("/app//v1///events//x//?a=//").as_deref(), Some("/app/v1/events/x/?a=//"));
        assert_eq!(sent("/app//events").as_deref(), Some("/publish"));
    }

    #[test]
    fn dot_segments_lead_nowhere_in_any_spelling() {
        for rest in [
            "..",
            ".",
            "../../other/v1/events",
            "%2e%2E",
            "a/.%2e/b",
            "..%2fother",
            "a%5c..",
            "%252e%252e",
            "a\\b",
            "%25252e.",
            "%2525252525a",
        ] {
            assert_eq!(sent(&format!("/app/v1/events/{rest}")), None, "{rest}");
        }
        for rest in ["...", "a.b", "..a", "%2f", "%zz", "%"] {
            assert!(sent(&format!("/app/v1/events/{rest}")).is_some(), "{rest}");
        }
    }

    #[test]
    fn the_application_is_a_segment_with_a_slash_behind_it() {
        for path in ["", "/", "/app", "/app?/", "app/v1/events", "*"] {
            assert_eq!(split(path.as_bytes()), None, "{path}");
        }
        let parts = split(b"/a%20b/x?q").unwrap();
        assert_eq!((parts.application, parts.rest, parts.query), (&b"a%20b"[..], &b"/x"[..], &b"?q"[..]));
        assert_eq!(split(b"//x").unwrap().application, b"");
    }

    #[test]
    fn names_are_decoded_once() {
        for (segment, want) in
            [("app", "app"), ("my%20app", "my app"), ("%2561", "%61"), ("a%", "a%"), ("%zz%4", "%zz%4")]
        {
            assert_eq!(*decode(segment.as_bytes()), *want.as_bytes(), "{segment}");
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_path_panics_and_none_leaves_the_application(path in "/app/[v12evnts/.%25cf\\\\?]{0,24}") {
                if let Some(sent) = sent(&path) {
                    let decoded = String::from_utf8_lossy(&decode(&decode(sent.as_bytes()))).into_owned();
                    let path = decoded.split('?').next().unwrap_or_default().to_owned();
                    prop_assert!(path == "/publish" || path.starts_with("/app/v1/events"));
                    let dots = path.split(['/', '\\']).any(|segment| segment == "..");
                    prop_assert!(!dots);
                }
            }
        }
    }
}
