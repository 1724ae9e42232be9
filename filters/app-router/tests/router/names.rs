use fairlead_app_router::normalise;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn names_become_segments() {
    for (name, segment) in [
        ("DisplayName", "displayname"),
        ("display_!@#$%^&*()name", "display-name"),
        ("-----displayname", "displayname"),
        ("My API (v2)", "my-api-v2"),
        ("***", ""),
        ("", ""),
        ("-", ""),
        ("a", "a"),
        ("a-", "a"),
        ("a--", "a"),
        ("-a-", "a"),
        ("Ärger", "rger"),
        ("größe", "gr-e"),
        ("日本語", ""),
        ("a\u{130}b", "a-b"),
        ("\0a\u{7f}", "a"),
        ("a_b.c/d", "a-b-c-d"),
    ] {
        assert_eq!(normalise(name), segment, "{name:?}");
    }
}

#[test]
fn long_names_are_cut() {
    let letters = |count| "x".repeat(count);
    assert_eq!(normalise(&letters(71)), letters(57));
    assert_eq!(normalise(&letters(57)), letters(57));
    // The leading dash goes after the cut, the trailing one before it.
    assert_eq!(normalise(&format!("!{}", letters(71))), letters(56));
    assert_eq!(normalise(&format!("{}!{}", letters(56), letters(5))), format!("{}-", letters(56)));
    assert_eq!(normalise(&format!("{}!", letters(56))), letters(56));
    assert_eq!(normalise(&format!("{}!!", letters(57))), letters(57));
    assert_eq!(normalise(&format!("!{}!{}", letters(55), letters(5))), format!("{}-", letters(55)));
}
