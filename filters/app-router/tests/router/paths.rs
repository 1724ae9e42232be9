use fairlead_app_router::{Base, BaseError, Ports, join, split};
use fairlead_cases::cover;

use crate::sent;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const LEAVES: &str = "400 LeavesBase";
const ESCAPE: &str = "400 Escape";

/// The table of AG §5.1: row, request paths, what goes out with `encodeUrl` and without.
#[test]
fn the_table_of_the_specification_holds() {
    let rows: &[(&str, &[&str], &str, &str)] = &[
        ("r01", &["/app/svc", "/app/svc/"], "/base", "/base"),
        (
            "r02",
            &["/app/svc/orders", "//app/svc/orders/", "/app/svc//orders"],
            "/base/orders",
            "/base/orders",
        ),
        ("r03", &["/app/svc/a//b"], "/base/a//b", "/base/a//b"),
        ("r04", &["/app/svc/a%2Fb"], "/base/a/b", "/base/a%2Fb"),
        ("r05", &["/app/svc/a%252Fb"], "/base/a%252Fb", "/base/a%252Fb"),
        ("r06", &["/app/svc/a%20b"], "/base/a%20b", "/base/a%20b"),
        ("r07", &["/app/svc/a+b"], "/base/a+b", "/base/a+b"),
        ("r08", &["/app/svc/X('1')"], "/base/X%28%271%27%29", "/base/X('1')"),
        ("r09", &["/app/svc/X(%271%27)"], "/base/X%28%271%27%29", "/base/X(%271%27)"),
        ("r10", &["/app/svc/X('a%7Cb')"], "/base/X%28%27a%7Cb%27%29", "/base/X('a%7Cb')"),
        ("r11", &["/app/svc/a|b%2Fc"], "/base/a%7Cb/c", "/base/a%7Cb/c"),
        ("r12", &["/app/svc/caf%c3%a9"], "/base/caf%C3%A9", "/base/caf%c3%a9"),
        ("r13", &["/app/svc/%61bc"], "/base/abc", "/base/%61bc"),
        ("r14", &["/app/svc/x;y=1,z"], "/base/x;y=1,z", "/base/x;y=1,z"),
        ("r15", &["/app/svc/[x]"], "/base/%5Bx%5D", "/base/[x]"),
        ("r16", &["/app/svc/a%3Fb"], "/base/a%3Fb", "/base/a%3Fb"),
        // Decision 20: not above the base path. Through a gateway it is service `x` (decision 40): see below.
        ("r17", &["/app/svc/../x"], LEAVES, LEAVES),
        ("r18", &["/app/svc/z/a:b"], "/base/z/a:b", "/base/z/a:b"),
        // Defect in the reference (`/base`): the sub-path is a path, not a URI.
        ("r19", &["/app/svc/a:b"], "/base/a:b", "/base/a:b"),
    ];
    for (row, paths, encoded, verbatim) in rows {
        for path in *paths {
            assert_eq!(sent("/base", path, true), *encoded, "{path}, encodeUrl: true");
            assert_eq!(sent("/base", path, false), *verbatim, "{path}, encodeUrl: false");
        }
        cover(&format!("AG-5.1-{row}"));
    }
    let normalised_by_envoy = split(Ports::Manual, b"/app/x").unwrap();
    assert_eq!(normalised_by_envoy.key, b"app/x");
}

/// Base path, request path, what goes out with `encodeUrl` and without.
const PATHS: &[(&str, &str, &str, &str)] = &[
    // Other targets (AG §5.1, below the table).
    ("", "/app/svc", "/", "/"),
    ("/", "/app/svc", "/", "/"),
    ("/base/", "/app/svc", "/base/", "/base/"),
    ("/O('1')", "/app/svc", "/O('1')", "/O('1')"),
    // One slash between the parts.
    ("", "/app/svc/x", "/x", "/x"),
    ("/", "/app/svc/x", "/x", "/x"),
    ("/", "/app/svc//x", "/x", "/x"),
    ("/base/", "/app/svc/x", "/base/x", "/base/x"),
    ("/base/", "/app/svc//x", "/base/x", "/base/x"),
    ("/base", "/app/svc///x", "/base//x", "/base//x"),
    ("/base//", "/app/svc/x", "/base//x", "/base//x"),
    ("/base", "/app/svc/%2Fx", "/base/x", "/base/%2Fx"),
    ("/base", "/app/svc/%2F", "/base/", "/base/%2F"),
    ("/base", "/app/svc/x%2F", "/base/x/", "/base/x%2F"),
    ("base", "/app/svc/x", "/base/x", "/base/x"),
    // The base path goes out as spelt without `encodeUrl` (defect in the reference: re-encoded).
    ("/a%20b", "/app/svc", "/a%20b", "/a%20b"),
    ("/a%20b", "/app/svc/x", "/a%20b/x", "/a%20b/x"),
    ("/a%20b", "/app/svc/X('1')", "/a%20b/X%28%271%27%29", "/a%20b/X('1')"),
    ("/a%2fb", "/app/svc", "/a/b", "/a%2fb"),
    ("/a%2fb", "/app/svc/c%2fd", "/a/b/c/d", "/a%2fb/c%2fd"),
    ("/O('1')", "/app/svc/x", "/O%28%271%27%29/x", "/O('1')/x"),
    ("/O('1')", "/app/svc/(x)", "/O%28%271%27%29/%28x%29", "/O('1')/(x)"),
    ("/a b", "/app/svc/x", "/a%20b/x", "/a%20b/x"),
    ("/a|b%2Fc", "/app/svc", "/a%7Cb/c", "/a%7Cb%2Fc"),
    ("/ü", "/app/svc/x", "/%C3%BC/x", "/%C3%BC/x"),
    // A path, not a URI (defect in the reference).
    ("/base", "/app/svc/a:b/c", "/base/a:b/c", "/base/a:b/c"),
    ("/base", "/app/svc/urn:x", "/base/urn:x", "/base/urn:x"),
    ("/base", "/app/svc/1a:b", "/base/1a:b", "/base/1a:b"),
    ("/base", "/app/svc/:b", "/base/:b", "/base/:b"),
    ("/base", "/app/svc/http://anything/x/y", "/base/http://anything/x/y", "/base/http://anything/x/y"),
    ("/base", "/app/svc///x/y", "/base//x/y", "/base//x/y"),
    ("/base", "/app/svc////x", "/base///x", "/base///x"),
    // Plain, tolerated and stray bytes.
    ("/base", "/app/svc/-_.~$&+,/:;=@", "/base/-_.~$&+,/:;=@", "/base/-_.~$&+,/:;=@"),
    ("/base", "/app/svc/!'()*[]", "/base/%21%27%28%29%2A%5B%5D", "/base/!'()*[]"),
    ("/base", "/app/svc/a\"b", "/base/a%22b", "/base/a%22b"),
    ("/base", "/app/svc/<x>{y}^`", "/base/%3Cx%3E%7By%7D%5E%60", "/base/%3Cx%3E%7By%7D%5E%60"),
    ("/base", "/app/svc/a#b", "/base/a%23b", "/base/a%23b"),
    ("/base", "/app/svc/a b", "/base/a%20b", "/base/a%20b"),
    ("/base", "/app/svc/a\\b", "/base/a%5Cb", "/base/a%5Cb"),
    ("/base", "/app/svc/café", "/base/caf%C3%A9", "/base/caf%C3%A9"),
    ("/base", "/app/svc/a\tb\u{7f}", "/base/a%09b%7F", "/base/a%09b%7F"),
    ("/base", "/app/svc/a%0d%0aX:%20y", "/base/a%0D%0AX:%20y", "/base/a%0d%0aX:%20y"),
    ("/base", "/app/svc/%00", "/base/%00", "/base/%00"),
    ("/base", "/app/svc/%ff%FE", "/base/%FF%FE", "/base/%ff%FE"),
    ("/base", "/app/svc/('|')", "/base/%28%27%7C%27%29", "/base/%28%27%7C%27%29"),
    ("/base", "/app/svc/%25", "/base/%25", "/base/%25"),
    ("/base", "/app/svc/%2541", "/base/%2541", "/base/%2541"),
    // Invalid escapes.
    ("/base", "/app/svc/%zz", ESCAPE, ESCAPE),
    ("/base", "/app/svc/a%", ESCAPE, ESCAPE),
    ("/base", "/app/svc/a%4", ESCAPE, ESCAPE),
    ("/base", "/app/svc/%%41", ESCAPE, ESCAPE),
    ("/base", "/app/svc/a%u002e", ESCAPE, ESCAPE),
    ("/base", "/app/svc/%41%g1", ESCAPE, ESCAPE),
    ("/base", "/app/svc/x?y=%zz", "/base/x", "/base/x"),
    // Dots that are no dot segments, and dot segments that stay below the base.
    ("/base", "/app/svc/file.json", "/base/file.json", "/base/file.json"),
    ("/base", "/app/svc/a..b/..c/d../...", "/base/a..b/..c/d../...", "/base/a..b/..c/d../..."),
    ("/base", "/app/svc/.", "/base/.", "/base/."),
    ("/base", "/app/svc/./x", "/base/./x", "/base/./x"),
    ("/base", "/app/svc/a/..", "/base/a/..", "/base/a/.."),
    ("/base", "/app/svc/a/../b", "/base/a/../b", "/base/a/../b"),
    ("/base", "/app/svc/a/b/../../c", "/base/a/b/../../c", "/base/a/b/../../c"),
    ("/base", "/app/svc/a/%2e%2E/b", "/base/a/../b", "/base/a/%2e%2E/b"),
    ("/base", "/app/svc/a/..%2Fb", "/base/a/../b", "/base/a/..%2Fb"),
    ("/base", "/app/svc/a%2F../b", "/base/a/../b", "/base/a%2F../b"),
    ("/base", "/app/svc/a/..;x=1/b", "/base/a/..;x=1/b", "/base/a/..;x=1/b"),
    ("/base", "/app/svc/%252e%252e/x", "/base/%252e%252e/x", "/base/%252e%252e/x"),
    ("/base", "/app/svc/x?a=/../..", "/base/x", "/base/x"),
    // Dot segments that leave the base.
    ("/base", "/app/svc/..", LEAVES, LEAVES),
    ("/base", "/app/svc/../base/x", LEAVES, LEAVES),
    ("/base", "/app/svc/a/../..", LEAVES, LEAVES),
    ("/base", "/app/svc/a/../../base/b", LEAVES, LEAVES),
    ("/base", "/app/svc/./../x", LEAVES, LEAVES),
    ("/base", "/app/svc//../x", LEAVES, LEAVES),
    ("/base", "/app/svc/a//../../x", LEAVES, LEAVES),
    ("/base", "/app/svc/%2e%2e/x", LEAVES, LEAVES),
    ("/base", "/app/svc/.%2E", LEAVES, LEAVES),
    ("/base", "/app/svc/%2e./x", LEAVES, LEAVES),
    ("/base", "/app/svc/..%2fx", LEAVES, LEAVES),
    ("/base", "/app/svc/%2e%2e%2fx", LEAVES, LEAVES),
    ("/base", "/app/svc/%2F..%2Fx", LEAVES, LEAVES),
    ("/base", "/app/svc/a%2F..%2F..%2Fx", LEAVES, LEAVES),
    ("/base", "/app/svc/..\\x", LEAVES, LEAVES),
    ("/base", "/app/svc/..%5Cx", LEAVES, LEAVES),
    ("/base", "/app/svc/a\\..\\..\\x", LEAVES, LEAVES),
    ("/base", "/app/svc/a%5c%2e%2e%5c%2e%2e", LEAVES, LEAVES),
    ("/base", "/app/svc/..;/x", LEAVES, LEAVES),
    ("/base", "/app/svc/..;a=b/x", LEAVES, LEAVES),
    ("/base", "/app/svc/a/..;x/..;y/b", LEAVES, LEAVES),
    ("/base", "/app/svc/..%3Bx/y", LEAVES, LEAVES),
    ("/base", "/app/svc/%2e%2e;x", LEAVES, LEAVES),
    ("/base", "/app/svc/;/../x", LEAVES, LEAVES),
    ("/base", "/app/svc/..%00/x", LEAVES, LEAVES),
    ("/base", "/app/svc/..%20/x", LEAVES, LEAVES),
    ("/base", "/app/svc/..%3Fx", LEAVES, LEAVES),
    ("/base", "/app/svc/..%23x", LEAVES, LEAVES),
    ("/base", "/app/svc/..|/../x", "/base/..%7C/../x", "/base/..%7C/../x"),
    ("/base", "/app/svc/..|/../../x", LEAVES, LEAVES),
    ("/base", "/app/svc/|/../../x", LEAVES, LEAVES),
    ("", "/app/svc/../x", LEAVES, LEAVES),
    ("/", "/app/svc/..", LEAVES, LEAVES),
    // An encoded slash is one level or two: what leaves in one reading only is refused where it goes out encoded.
    ("/base", "/app/svc/a%2Fb/../..", "/base/a/b/../..", LEAVES),
    ("/base", "/app/svc/a%2Fb/..", "/base/a/b/..", "/base/a%2Fb/.."),
    // Compared segments are judged before anything else.
    ("/base", "/app/%2e%2e/x", "400 Refused", "400 Refused"),
    ("/base", "/app/", "400 TooShort", "400 TooShort"),
];

#[test]
fn paths_go_out_as_the_table_says() {
    assert!(PATHS.len() >= 80, "{}", PATHS.len());
    for (base, path, encoded, verbatim) in PATHS {
        assert_eq!(sent(base, path, true), *encoded, "{base} + {path}, encodeUrl: true");
        assert_eq!(sent(base, path, false), *verbatim, "{base} + {path}, encodeUrl: false");
    }
}

#[test]
fn bytes_beyond_utf_8_are_escaped() {
    for encode in [true, false] {
        let mut out = Vec::new();
        join(&mut out, &Base::new("/b").unwrap(), b"\xff/\x00\x80", encode).unwrap();
        assert_eq!(out, b"/b/%FF/%00%80");
    }
}

#[test]
fn a_common_path_fits_without_growing() {
    let base = Base::new("/base").unwrap();
    for encode in [true, false] {
        let mut out = Vec::with_capacity(b"/base/orders/4711.json".len());
        let buffer = out.as_ptr();
        join(&mut out, &base, b"orders/4711.json", encode).unwrap();
        assert_eq!(out, b"/base/orders/4711.json");
        assert_eq!(out.as_ptr(), buffer);
    }
}

#[test]
fn a_base_that_no_parser_takes_is_refused() {
    assert_eq!(Base::new("/a%zz"), Err(BaseError::Escape));
    assert_eq!(Base::new("/a%2"), Err(BaseError::Escape));
    assert_eq!(Base::new("/a\nb"), Err(BaseError::Control));
    assert_eq!(Base::new("/a\u{7f}"), Err(BaseError::Control));
}
