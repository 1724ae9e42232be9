use fairlead_app_router::{PathError, Ports, split};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const MANUAL: Ports = Ports::Manual;
const UCL: Ports = Ports::Ucl;

#[test]
fn paths_are_cut_into_key_rest_and_query() {
    for (ports, path, key, rest, query) in [
        (MANUAL, "/app/svc", "app/svc", "", None),
        (MANUAL, "/app/svc/", "app/svc", "", None),
        (MANUAL, "/app/svc///", "app/svc", "", None),
        (MANUAL, "//app/svc/orders/", "app/svc", "orders", None),
        (MANUAL, "/app/svc//orders", "app/svc", "/orders", None),
        (MANUAL, "/app/svc///x/y", "app/svc", "//x/y", None),
        (MANUAL, "/app/svc/a/b?c=d", "app/svc", "a/b", Some("c=d")),
        (MANUAL, "/app/svc/a/b/?c=/d/", "app/svc", "a/b", Some("c=/d/")),
        (MANUAL, "/app/svc?", "app/svc", "", Some("")),
        (MANUAL, "/app/svc?a?b", "app/svc", "", Some("a?b")),
        (MANUAL, "/app//x", "app/", "x", None),
        (MANUAL, "app/svc/x", "app/svc", "x", None),
        (MANUAL, "/my%20app/svc/x", "my%20app/svc", "x", None),
        (MANUAL, "/App/.svc/x", "App/.svc", "x", None),
        (MANUAL, "/app/..svc/x", "app/..svc", "x", None),
        (MANUAL, "/app/.../x", "app/...", "x", None),
        (MANUAL, "/app/%252e%252e/x", "app/%252e%252e", "x", None),
        (MANUAL, "/app/svc/..", "app/svc", "..", None),
        (MANUAL, "/app/\u{fc}/x", "app/\u{fc}", "x", None),
        (UCL, "/app/svc/entry", "app/svc/entry", "", None),
        (UCL, "/app/svc/entry/", "app/svc/entry", "", None),
        (UCL, "/app/svc/entry/x/y?z", "app/svc/entry", "x/y", Some("z")),
        (UCL, "/app/svc//x", "app/svc/", "x", None),
        (UCL, "/app//entry/x", "app//entry", "x", None),
    ] {
        let split = split(ports, path.as_bytes()).unwrap();
        assert_eq!(split.key, key.as_bytes(), "{path}");
        assert_eq!(split.rest, rest.as_bytes(), "{path}");
        assert_eq!(split.query, query.map(str::as_bytes), "{path}");
        let parts: Vec<&[u8]> = [split.app, split.service].into_iter().chain(split.entry).collect();
        assert_eq!(parts.join(&b'/'), key.as_bytes(), "{path}");
        assert_eq!(split.entry.is_some(), ports == UCL);
    }
}

#[test]
fn too_few_segments_are_an_error() {
    for path in ["", "/", "//", "/app", "/app/", "/app//", "/app?x/y", "?", "*", "/?/app/svc"] {
        assert_eq!(split(MANUAL, path.as_bytes()), Err(PathError::TooShort), "{path}");
    }
    for path in ["", "/", "/app", "/app/svc", "/app/svc/", "/app/svc//", "/app/svc?/entry"] {
        assert_eq!(split(UCL, path.as_bytes()), Err(PathError::TooShort), "{path}");
    }
}

#[test]
fn ambiguous_segments_are_refused() {
    for segment in [
        ".",
        "..",
        "%2e",
        "%2E",
        "%2e%2e",
        ".%2E",
        "%2e.",
        "a%2Fb",
        "%2f",
        "a%5Cb",
        "a%5cb",
        "a\\b",
        "\\",
        "%00",
        "a%00b",
        "a\0b",
        "..;x",
        ".;",
        "..%3Bx",
        "..%00",
        "%2e%2e%2f",
        "%zz",
        "a%",
        "a%2",
        "%%41",
        "..%20",
    ] {
        for path in [format!("/{segment}/svc/x"), format!("/app/{segment}/x"), format!("/app/{segment}")] {
            assert_eq!(split(MANUAL, path.as_bytes()), Err(PathError::Refused), "{path}");
        }
        let path = format!("/app/svc/{segment}/x");
        assert!(split(MANUAL, path.as_bytes()).is_ok(), "{path}: not a compared segment");
        assert_eq!(split(UCL, path.as_bytes()), Err(PathError::Refused), "{path}");
    }
}
