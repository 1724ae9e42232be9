#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// A name, and the kind and text of each of its attributes.
type Row<'a> = (&'a str, &'a [(&'a str, &'a [u8])]);
type Texts = Vec<(String, Option<Vec<u8>>)>;

fn texts(name: &str) -> Result<Texts, IdentityError> {
    attributes(name.as_bytes())
        .map(|attribute| {
            let attribute = attribute?;
            let kind = String::from_utf8_lossy(attribute.kind).into_owned();
            Ok((kind, attribute.text().map(Cow::into_owned)))
        })
        .collect()
}

#[test]
fn names_are_split_and_unescaped() {
    let rows: &[Row] = &[
        ("", &[]),
        ("CN=shop", &[("CN", b"shop")]),
        ("CN=", &[("CN", b"")]),
        ("CN=,O=", &[("CN", b""), ("O", b"")]),
        ("CN=my.app-1,C=DE,OU=Test", &[("CN", b"my.app-1"), ("C", b"DE"), ("OU", b"Test")]),
        ("CN=a+OU=b,O=c", &[("CN", b"a"), ("OU", b"b"), ("O", b"c")]),
        ("CN=a=b=", &[("CN", b"a=b=")]),
        ("O=client organization", &[("O", b"client organization")]),
        (r"O=Foo\, Inc.,CN=a", &[("O", b"Foo, Inc."), ("CN", b"a")]),
        (r#"CN=\,\+\"\\\<\>\;\=\#"#, &[("CN", br#",+"\<>;=#"#)]),
        (r"CN=\ a \ ,O=\ ", &[("CN", b" a  "), ("O", b" ")]),
        (r"CN=a\ ", &[("CN", b"a ")]),
        (r"CN=\#1234", &[("CN", b"#1234")]),
        (r"CN=a#1", &[("CN", b"a#1")]),
        (r"CN=M\C3\BCller\c3\bc", &[("CN", "Müllerü".as_bytes())]),
        (r"CN=shop\00evil", &[("CN", b"shop\0evil")]),
        (r"CN=a\\,O=b", &[("CN", br"a\"), ("O", b"b")]),
        ("CN=Müller", &[("CN", "Müller".as_bytes())]),
        ("1.2.840.113549.1.9.1=a", &[("1.2.840.113549.1.9.1", b"a")]),
    ];
    for (name, expected) in rows {
        let expected =
            expected.iter().map(|(kind, text)| ((*kind).to_owned(), Some(text.to_vec()))).collect();
        assert_eq!(texts(name), Ok(expected), "{name}");
    }
}

#[test]
fn a_dump_is_no_text() {
    assert_eq!(texts("1.2.3=#0401fF,CN=a").map(|all| all[0].1.clone()), Ok(None));
}

#[test]
fn what_boringssl_does_not_print_is_refused() {
    for name in [
        "shop",
        "=shop",
        ",",
        "CN=a,",
        "CN=a+",
        ",CN=a",
        "CN=a,,O=b",
        "CN=a,shop",
        "CN=a, O=b",
        "CN =a",
        " CN=a",
        "CN= a",
        "CN=a ",
        "CN=a ,O=b",
        "CN=\"a\"",
        "CN=a\"",
        "CN=a;O=b",
        "CN=<a",
        "CN=>a",
        "CN=a\\",
        "CN=a\\x",
        "CN=a\\4",
        "CN=a\\4x",
        "CN=a\nb",
        "CN=a\0b",
        "CN=a\u{7f}",
        "CN=#",
        "CN=#123",
        "CN=#12x4",
        "CN=\\",
        "C\\4E=a",
        "CÖ=a",
    ] {
        assert_eq!(texts(name), Err(IdentityError::MalformedName), "{name}");
    }
}

#[test]
fn nothing_comes_after_an_error() {
    assert_eq!(
        attributes(b"CN=a,x,CN=b").map(|attribute| attribute.is_ok()).collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn text_without_escapes_is_borrowed() {
    for attribute in attributes(br"CN=shop,O=a\,b").map_while(Result::ok) {
        assert_eq!(matches!(attribute.text(), Some(Cow::Borrowed(_))), attribute.kind == b"CN");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Prints a value as BoringSSL does (`do_esc_char` with `ASN1_STRFLGS_RFC2253`).
    fn print(value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, &byte) in value.iter().enumerate() {
            let end = at == 0 || at + 1 == value.len();
            match byte {
                b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => out.extend([b'\\', byte]),
                b' ' if end => out.extend(b"\\ "),
                b'#' if at == 0 => out.extend(b"\\#"),
                0..=0x1f | 0x7f.. => out.extend(format!("\\{byte:02X}").into_bytes()),
                _ => out.push(byte),
            }
        }
        out
    }

    /// Bytes of which half are those that need care.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(
            prop_oneof![prop::sample::select(&b" ,+\"\\<>;=#\0\xc3Aa1"[..]), any::<u8>()],
            0..24,
        )
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(values in prop::collection::vec((prop::sample::select(&["CN", "O", "OU", "1.2.3"][..]), value(), any::<bool>()), 1..6)) {
            let mut name = Vec::new();
            for (kind, value, multi) in &values {
                if !name.is_empty() {
                    name.push(if *multi { b'+' } else { b',' });
                }
                name.extend(kind.as_bytes());
                name.push(b'=');
                name.extend(print(value));
            }
            let read: Result<Vec<_>, _> = attributes(&name).collect();
            let read: Vec<_> = read.unwrap().iter().map(|a| (a.kind.to_vec(), a.text().unwrap().into_owned())).collect();
            let written: Vec<_> = values.into_iter().map(|(kind, value, _)| (kind.as_bytes().to_vec(), value)).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn nothing_panics(name in prop::collection::vec(prop_oneof![prop::sample::select(&b" ,+\"\\<>;=#CNO1f"[..]), any::<u8>()], 0..64)) {
            for attribute in attributes(&name).map_while(Result::ok) {
                let text = attribute.text();
                prop_assert!(text.is_none_or(|text| text.len() <= attribute.raw.len()));
            }
        }
    }
}
