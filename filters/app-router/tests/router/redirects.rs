use fairlead_app_router::{Base, Sent, has_location, location};
use fairlead_cases::cover;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What the caller gets for `value`; `None`: the value as it is.
fn rewritten(base: &str, value: &str) -> Option<String> {
    let base_path = Base::new(base).unwrap();
    let path = format!("{}/x?sent=1", base.trim_end_matches('/'));
    let sent = Sent { authority: b"t", base: &base_path, path: path.as_bytes() };
    location(value.as_bytes(), &sent, b"app/svc").map(|value| String::from_utf8(value).unwrap())
}

/// The table of AG §12.1: row, base path, value, what the caller gets.
#[test]
fn the_table_of_the_specification_holds() {
    for (row, base, value, expected) in [
        ("r01", "/api/v1", "https://t/api/v1/some/p", Some("/app/svc/some/p")),
        ("r02", "/api/v1", "/api/v1/some/p?q=1#f", Some("/app/svc/some/p?q=1#f")),
        ("r03", "/api/v1", "some/p", Some("/app/svc/some/p")),
        ("r04", "/api/v1", "https://t/api/v1", Some("/app/svc")),
        ("r05", "/api/v1", "https://t/api/v1/", Some("/app/svc/")),
        ("r06", "/api/v1", "/other", None),
        ("r07", "/api/v1", "https://o/api/v1/x", None),
        ("r08", "/api/v1", "ftp://t/api/v1/x", None),
        ("r09", "/api/v1", "http://t:8443/api/v1/x", Some("/app/svc/x")),
        // Defects in the reference from here to r13: only at a segment border; the base without its slash; escapes.
        ("r10", "/api/v1", "https://t/api/v1beta/x", None),
        ("r11", "/api/", "https://t/api", Some("/app/svc")),
        ("r12", "/api/v1", "https://t/api/v1/a%2Fb", Some("/app/svc/a%2Fb")),
        ("r13", "/api/v1", "https://t/api/v1/a%25b", Some("/app/svc/a%25b")),
        ("r14", "", "https://t/x/y/", Some("/app/svc/x/y/")),
    ] {
        assert_eq!(rewritten(base, value).as_deref(), expected, "{base}: {value}");
        cover(&format!("AG-12.1-{row}"));
    }
}

#[test]
fn values_are_rewritten_or_left() {
    for (base, value, expected) in [
        // Forms of references.
        ("/api", "", None),
        ("/api", "//t/api/x", Some("/app/svc/x")),
        ("/api", "//o/api/x", None),
        ("/api", "HTTPS://t/api/x", Some("/app/svc/x")),
        ("/api", "https://T/api/x", None),
        ("/api", "https://t:443/api/x", Some("/app/svc/x")),
        ("/api", "https://t:/api/x", Some("/app/svc/x")),
        ("/api", "https://t:x/api/x", None),
        ("/api", "https://u:p@t/api/x", Some("/app/svc/x")),
        ("/api", "https://t@o/api/x", None),
        ("/api", "https://t.o/api/x", None),
        ("/api", "https:/api/x", None),
        ("/api", "https:x", None),
        ("/api", "https:///api/x", None),
        ("/api", "mailto:a@t", None),
        ("/api", "1a:b", None),
        ("/api", ":b", None),
        ("/api", "./a:b", Some("/app/svc/a:b")),
        ("/api", "y/a:b", Some("/app/svc/y/a:b")),
        ("/api", "?q", Some("/app/svc/x?q")),
        ("/api", "#f", Some("/app/svc/x?sent=1#f")),
        ("/api", "y?", Some("/app/svc/y?")),
        ("/api", "y#", Some("/app/svc/y#")),
        ("/api", "y?a=/../b#/../c?d", Some("/app/svc/y?a=/../b#/../c?d")),
        ("", "https://t", Some("/app/svc")),
        ("", "https://t?q", Some("/app/svc?q")),
        ("", "https://t/", Some("/app/svc/")),
        ("/", "https://t", Some("/app/svc")),
        ("/api", "https://t", None),
        // Cleaning, and staying below the base.
        ("/api", "/api//a///b//", Some("/app/svc/a/b/")),
        ("/api", "//api/x", None),
        ("/api", "/api/./a/../b/.", Some("/app/svc/b/")),
        ("/api", "/api/a/..", Some("/app/svc/")),
        ("/api", "/api/..", None),
        ("/api", "/api/../other", None),
        ("/api", "/api/%2e%2e/other", None),
        ("/api", "/other/../api/y", Some("/app/svc/y")),
        ("/api", "../api/y", Some("/app/svc/y")),
        ("/api", "../../../api/y", Some("/app/svc/y")),
        ("/api", "../y", None),
        ("/api", "/api/..;/y", None),
        ("/api", "/api/..%2fy", None),
        ("/api", "/api/..\\y", None),
        ("/api", "/api/..%5Cy", None),
        ("/api", "/api/a/..%2fy", Some("/app/svc/a/..%2fy")),
        ("/api", "/api%2Fy", None),
        // Spelling.
        ("/api", "/%61pi/%61", Some("/app/svc/%61")),
        ("/a%20b", "/a%20b/x", Some("/app/svc/x")),
        ("/a b", "/a%20b/x", Some("/app/svc/x")),
        ("/a(b)", "/a%28b%29/x", Some("/app/svc/x")),
        ("/api", "/api/X('1')", Some("/app/svc/X('1')")),
        ("/api", "/api/ü|", Some("/app/svc/%C3%BC%7C")),
        ("/api", "/api/y?ü b#c d", Some("/app/svc/y?%C3%BC%20b#c%20d")),
        ("/api", "/api/%zz", None),
        ("/api", "/api/a\r\nX: y", None),
    ] {
        assert_eq!(rewritten(base, value).as_deref(), expected, "{base}: {value}");
    }
}

#[test]
fn ports_and_literals_do_not_hide_the_host() {
    let base = Base::new("/api").unwrap();
    for (authority, value, is_rewritten) in [
        ("t:8443", "https://t/api/x", true),
        ("t:8443", "https://o:8443/api/x", false),
        ("[::1]:8443", "https://[::1]/api/x", true),
        ("[::1]", "https://[::2]/api/x", false),
        ("[::1]", "https://[::1/api/x", false),
    ] {
        let sent = Sent { authority: authority.as_bytes(), base: &base, path: b"/api/y" };
        let result = location(value.as_bytes(), &sent, b"app/svc/entry");
        assert_eq!(
            result.as_deref(),
            is_rewritten.then_some(&b"/app/svc/entry/x"[..]),
            "{authority}: {value}"
        );
    }
}

#[test]
fn only_redirects_and_created_have_a_location() {
    let with: Vec<u16> = (100..600).filter(|status| has_location(*status)).collect();
    let expected: Vec<u16> = std::iter::once(201).chain(300..400).collect();
    assert_eq!(with, expected);
}
