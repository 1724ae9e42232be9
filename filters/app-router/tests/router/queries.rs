use fairlead_app_router::join_query;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn queries_are_appended_in_order_and_unchanged() {
    for (target, request, expected) in [
        ("", None, ""),
        ("", Some(""), "?"),
        ("", Some("a=b"), "?a=b"),
        ("t=1", None, "?t=1"),
        ("t=1", Some(""), "?t=1"),
        ("t=1", Some("a=b"), "?t=1&a=b"),
        ("t=1&t=2", Some("t=3&"), "?t=1&t=2&t=3&"),
        ("", Some("b=%zz;c=|\"&a=+%20&?"), "?b=%zz;c=|\"&a=+%20&?"),
        ("", Some("ü"), "?ü"),
        ("", Some("a b\r\nX: y\0\u{7f}"), "?a%20b%0D%0AX:%20y%00%7F"),
        ("a b", Some("c"), "?a%20b&c"),
    ] {
        let mut out = b"/p".to_vec();
        join_query(&mut out, target.as_bytes(), request.map(str::as_bytes));
        assert_eq!(out, format!("/p{expected}").as_bytes(), "{target:?} {request:?}");
    }
}
