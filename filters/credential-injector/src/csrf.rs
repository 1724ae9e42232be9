//! CSRF: a token and the session that it holds in, on top of every request (AG §9).
//!
//! The broker fetches both and the grant table keeps them as a [`Session`]; the egress pipeline sets the header
//! [`CSRF_TOKEN`](fairlead_wire::header::CSRF_TOKEN) to [`Session::token`] and the one `Cookie` line that
//! [`Session::cookies`] makes of the session's cookies and the caller's.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use fairlead_wire::grant::Csrf;

/// What a CSRF endpoint gave, as requests need it.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    token: Box<[u8]>,
    /// `name=value` of each, joined by `; `.
    cookies: Box<[u8]>,
}

impl Session {
    /// None if it holds what no header can carry.
    #[must_use]
    pub fn new(csrf: &Csrf) -> Option<Self> {
        let mut cookies = Vec::new();
        csrf.cookies.iter().for_each(|cookie| add(&mut cookies, cookie.as_bytes()));
        Self::from_parts(csrf.token.as_bytes(), &cookies)
    }

    /// From [`Session::token`] and [`Session::own_cookies`] of another one.
    #[must_use]
    pub fn from_parts(token: &[u8], cookies: &[u8]) -> Option<Self> {
        let both = || Self { token: token.into(), cookies: cookies.into() };
        (is_header_value(token) && is_header_value(cookies)).then(both)
    }

    /// Value of the token's header; may be empty.
    #[must_use]
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// The session's cookies as one `Cookie` line; empty if it has none.
    #[must_use]
    pub fn own_cookies(&self) -> &[u8] {
        &self.cookies
    }

    /// The value of `Cookie`: all of the session's, then those of the caller's lines whose names are not among them; of
    /// several with one name the first. Pairs without a name or `=` are left out. Empty: no `Cookie` at all.
    pub fn cookies<'l>(&self, callers: impl Iterator<Item = &'l [u8]>) -> Cow<'_, [u8]> {
        let mut merged = Cow::Borrowed(&*self.cookies);
        // A set, because a caller chooses how many there are.
        let mut seen = BTreeSet::new();
        for (name, pair) in callers.flat_map(pairs) {
            if seen.is_empty() {
                seen.extend(pairs(&self.cookies).map(|(name, _)| name));
            }
            if seen.insert(name) {
                add(merged.to_mut(), pair);
            }
        }
        merged
    }
}

/// Both are secrets.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session([redacted])")
    }
}

/// Adds a pair to a `Cookie` line.
fn add(line: &mut Vec<u8>, pair: &[u8]) {
    if !line.is_empty() {
        line.extend_from_slice(b"; ");
    }
    line.extend_from_slice(pair);
}

/// Name and whole pair of each cookie in a line (RFC 6265 §4.2.1).
fn pairs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').filter_map(|pair| {
        let pair = pair.trim_ascii();
        let end = pair.iter().position(|byte| *byte == b'=').filter(|end| *end > 0)?;
        Some((pair.get(..end)?, pair))
    })
}

/// Whether a header can carry these bytes (RFC 9110 §5.5).
#[must_use]
pub fn is_header_value(bytes: &[u8]) -> bool {
    !bytes.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn session(cookies: &[&str]) -> Session {
        let cookies = cookies.iter().map(|cookie| (*cookie).to_owned()).collect();
        Session::new(&Csrf { token: "t".to_owned(), cookies }).unwrap()
    }

    #[test]
    fn the_sessions_cookies_come_first_and_win() {
        for (own, callers, expected) in [
            (&["a=1", "b=2"][..], &[][..], "a=1; b=2"),
            (&["a=1", "b=2"], &["c=3; a=4;b=5 ;d=6"], "a=1; b=2; c=3; d=6"),
            (&["a=1"], &["c=3", "d=4; c=5"], "a=1; c=3; d=4"),
            (&["a=1", "a=2"], &["a=3"], "a=1; a=2"),
            (&[], &["c=3;c=4; d=\"x y\""], "c=3; d=\"x y\""),
            (&[], &[], ""),
            (&["a=1"], &["bare; =nameless; ; e=", ""], "a=1; e="),
            (&["a=1"], &["A=2; b=x=y"], "a=1; A=2; b=x=y"),
        ] {
            let session = session(own);
            let merged = session.cookies(callers.iter().map(|line| line.as_bytes()));
            assert_eq!(std::str::from_utf8(&merged).unwrap(), expected, "{own:?} {callers:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_pass() {
        assert_eq!(&*session(&["a=1"]).cookies([&b"b=\xff\xfe"[..]].into_iter()), b"a=1; b=\xff\xfe");
    }

    #[test]
    fn what_no_header_can_carry_is_no_session() {
        for (token, cookie) in [("a\r\nb", "c=d"), ("a", "c=d\nx: y"), ("\0", "")] {
            let csrf = Csrf { token: token.to_owned(), cookies: vec![cookie.to_owned()] };
            assert!(Session::new(&csrf).is_none());
        }
        let empty = Session::new(&Csrf::default()).unwrap();
        assert!(empty.token().is_empty() && empty.own_cookies().is_empty());
        assert!(!format!("{:?}", session(&["a=secret"])).contains("secret"));
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn every_name_is_there_once_and_the_sessions_stay(
                own in proptest::collection::vec("[a-c]=[0-9]", 0..3),
                callers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..4),
            ) {
                let csrf = Csrf { token: String::new(), cookies: own };
                let session = Session::new(&csrf).unwrap();
                let merged = session.cookies(callers.iter().map(Vec::as_slice)).into_owned();
                prop_assert!(merged.starts_with(session.own_cookies()));
                let names: Vec<_> = pairs(&merged).map(|(name, _)| name.to_vec()).collect();
                let added: BTreeSet<_> = names.iter().skip(csrf.cookies.len()).collect();
                prop_assert_eq!(added.len(), names.len().saturating_sub(csrf.cookies.len()));
                for (name, _) in callers.iter().flat_map(|line| pairs(line)) {
                    prop_assert!(names.iter().any(|there| there == name));
                }
            }
        }
    }
}
