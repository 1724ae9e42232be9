//! Custom query parameters: added where their key is absent, which re-serialises the whole query (AG §10).

/// A key and its values, undecoded.
pub type Parameter = (Box<str>, Box<[Box<str>]>);

/// Appends `query` with `parameters` added where their key is absent: parsed, sorted by key, and written again as
/// Go's `url.Values` does it (AG §10). Space becomes `+`; pairs with a bare `;` or a bad escape are dropped.
/// Values of one key keep their order. Nothing is written for an empty result; there is no `?` in front.
pub fn reserialise(out: &mut Vec<u8>, query: &[u8], parameters: &[Parameter]) {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query.split(|b| *b == b'&').filter_map(pair).collect();
    let sent = pairs.len();
    for (key, values) in parameters {
        let absent = !pairs.iter().take(sent).any(|(sent, _)| sent == key.as_bytes());
        if absent {
            pairs.extend(values.iter().map(|value| (key.as_bytes().to_vec(), value.as_bytes().to_vec())));
        }
    }
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (n, (key, value)) in pairs.iter().enumerate() {
        if n > 0 {
            out.push(b'&');
        }
        escape(out, key);
        out.push(b'=');
        escape(out, value);
    }
}

/// Key and value of one piece of a query; none if it is empty or cannot be read.
fn pair(piece: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if piece.is_empty() || piece.contains(&b';') {
        return None;
    }
    let mut halves = piece.splitn(2, |b| *b == b'=');
    let key = unescape(halves.next().unwrap_or_default())?;
    let value = unescape(halves.next().unwrap_or_default())?;
    Some((key, value))
}

/// Percent-decodes a query component, `+` being a space; none if an escape is bad.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => hex(*bytes.next()?)? << 4 | hex(*bytes.next()?)?,
            other => *other,
        });
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Writes a query component: unreserved bytes as they are, space as `+`, all else as `%XX`.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            other => {
                out.push(b'%');
                out.extend(
                    [other >> 4, other & 0xf].iter().filter_map(|nibble| DIGITS.get(usize::from(*nibble))),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn with(query: &[u8], parameters: &[(&str, &[&str])]) -> String {
        let parameters: Vec<Parameter> = parameters
            .iter()
            .map(|(key, values)| ((*key).into(), values.iter().map(|value| (*value).into()).collect()))
            .collect();
        let mut out = Vec::new();
        reserialise(&mut out, query, &parameters);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parameters_are_added_where_the_key_is_absent() {
        let custom: &[(&str, &[&str])] = &[("sap-client", &["100"]), ("k", &["v2", "v1"])];
        for (query, want) in [
            ("", "k=v2&k=v1&sap-client=100"),
            ("a=1", "a=1&k=v2&k=v1&sap-client=100"),
            ("sap-client=200", "k=v2&k=v1&sap-client=200"),
            ("k", "k=&sap-client=100"),
            ("%6b=x&sap%2Dclient=3", "k=x&sap-client=3"),
            ("K=upper", "K=upper&k=v2&k=v1&sap-client=100"),
        ] {
            assert_eq!(with(query.as_bytes(), custom), want, "{query}");
        }
    }

    #[test]
    fn the_query_is_written_as_go_writes_it() {
        for (query, want) in [
            ("b=2&a=1&b=1", "a=1&b=2&b=1"),
            ("&&a=1&", "a=1"),
            ("a=x y", "a=x+y"),
            ("a=x+y&b=%20", "a=x+y&b=+"),
            ("a=1;b=2&c=3", "c=3"),
            ("a=%zz&b=%2&c=%&%zz=1&d=4", "d=4"),
            ("a=b=c&=v", "=v&a=b%3Dc"),
            ("$filter=Name eq 'x'", "%24filter=Name+eq+%27x%27"),
            ("a=~-_.*", "a=~-_.%2A"),
        ] {
            assert_eq!(with(query.as_bytes(), &[]), want, "{query}");
        }
    }

    #[test]
    fn bytes_outside_utf8_survive() {
        assert_eq!(with(b"a=\xff%fe", &[("b", &["\u{e9}"])]), "a=%FF%FE&b=%C3%A9");
    }

    #[test]
    fn a_key_without_values_adds_nothing() {
        assert_eq!(with(b"", &[("k", &[])]), "");
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn writing_again_changes_nothing(query in proptest::collection::vec(any::<u8>(), 0..60)) {
                let mut once = Vec::new();
                reserialise(&mut once, &query, &[]);
                let mut twice = Vec::new();
                reserialise(&mut twice, &once, &[]);
                prop_assert_eq!(once, twice);
            }

            #[test]
            fn a_parameter_is_there_exactly_if_absent_before(query in "[kab=&%;+]{0,20}", value in "\\PC{0,5}") {
                let custom = [(Box::from("k"), Box::from([Box::from(value.as_str())]))];
                let mut out = Vec::new();
                reserialise(&mut out, query.as_bytes(), &custom);
                let sent: Vec<_> = query.as_bytes().split(|b| *b == b'&').filter_map(pair).filter(|(key, _)| key == b"k").collect();
                let got: Vec<_> = out.split(|b| *b == b'&').filter_map(pair).filter(|(key, _)| key == b"k").collect();
                if sent.is_empty() {
                    prop_assert_eq!(got, vec![(b"k".to_vec(), value.into_bytes())]);
                } else {
                    prop_assert_eq!(got, sent);
                }
            }
        }
    }
}
