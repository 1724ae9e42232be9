//! Parameters in a Secret: JSON objects *name → array of strings* under the keys `headers` and `queryParameters`
//! (AG §10).

use std::collections::BTreeMap;

use serde_json::error::Category;

use crate::applies;

/// Why parameters cannot be used. The text never shows a value, since these are secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// AG E9.
    #[error("Failed to unmarshal headers, {0}")]
    Headers(String),
    /// AG E10.
    #[error("Failed to unmarshal query parameters, {0}")]
    QueryParameters(String),
}

impl ParametersError {
    /// The text of E9 or E10 for the service of this name (`services[].name`).
    #[must_use]
    pub fn message(&self, service: &str) -> String {
        format!("failed to read API for {service} service, {self}")
    }
}

/// Reads the key `headers`: header lines with names in lower case, in the order of names, values of one name in
/// order. Names that cannot take effect ([`applies`]) are left out; of two spellings of one name the first in byte
/// order counts.
///
/// # Errors
/// [`ParametersError::Headers`] when it is not an object of arrays of strings, or a name or value cannot be a
/// header's.
pub fn headers(json: &[u8]) -> Result<Vec<(String, String)>, ParametersError> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for (spelt, values) in read(json).map_err(ParametersError::Headers)? {
        let name = spelt.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(ParametersError::Headers(format!("{spelt:?} is not a header name")));
        }
        if values.iter().any(|value| !is_field_value(value)) {
            return Err(ParametersError::Headers(format!("a value of {spelt:?} has a control character")));
        }
        if applies(&name) && !lines.iter().any(|(earlier, _)| *earlier == name) {
            lines.extend(
                values.into_iter().map(|value| (name.clone(), value.trim_matches([' ', '\t']).to_owned())),
            );
        }
    }
    Ok(lines)
}

/// Reads the key `queryParameters`: keys with their values, undecoded, in the order of keys.
///
/// # Errors
/// [`ParametersError::QueryParameters`] when it is not an object of arrays of strings.
pub fn query_parameters(json: &[u8]) -> Result<Vec<(String, Vec<String>)>, ParametersError> {
    Ok(read(json).map_err(ParametersError::QueryParameters)?.into_iter().collect())
}

/// `null` counts as empty wherever it stands, as in Go.
fn read(json: &[u8]) -> Result<BTreeMap<String, Vec<String>>, String> {
    type Object = BTreeMap<String, Option<Vec<Option<String>>>>;
    let object: Option<Object> = serde_json::from_slice(json).map_err(|error| describe(&error))?;
    let strings = |values: Vec<Option<String>>| values.into_iter().map(Option::unwrap_or_default).collect();
    Ok(object
        .unwrap_or_default()
        .into_iter()
        .map(|(name, values)| (name, strings(values.unwrap_or_default())))
        .collect())
}

/// serde's own text quotes what it found, which may be a secret: only the kind and the place are told.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Eof => "unexpected end of JSON input",
        Category::Data => "not an object with arrays of strings",
        Category::Syntax | Category::Io => "invalid JSON",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110 §5.5, with bytes above 0x7f allowed.
fn is_field_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use fairlead_cases::cover;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn pairs(lines: &[(String, String)]) -> Vec<(&str, &str)> {
        lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn values_of_one_name_become_lines_in_order() {
        let lines = headers(br#"{"X-Tenant":["a"],"X-Multi":["v2","v1"],"user-agent":["ours"]}"#).unwrap();
        assert_eq!(
            pairs(&lines),
            [("x-multi", "v2"), ("x-multi", "v1"), ("x-tenant", "a"), ("user-agent", "ours")]
        );
    }

    #[test]
    fn names_that_cannot_take_effect_are_left_out() {
        let json =
            br#"{"Host":["h"],"Connection":["x"],"X-Fairlead-Profile":["p"],"x-a":["2"],"X-A":["1"],"e":[]}"#;
        assert_eq!(pairs(&headers(json).unwrap()), [("x-a", "1")]);
    }

    #[test]
    fn query_parameters_keep_their_spelling() {
        let read = query_parameters(br#"{"sap-client":["100"],"K y":["v1","v2"]}"#).unwrap();
        let want = [
            ("K y".to_owned(), vec!["v1".to_owned(), "v2".to_owned()]),
            ("sap-client".to_owned(), vec!["100".to_owned()]),
        ];
        assert_eq!(read, want);
    }

    #[test]
    fn null_is_empty() {
        assert_eq!(headers(b"null"), Ok(vec![]));
        assert_eq!(headers(br#"{"a":null}"#), Ok(vec![]));
        assert_eq!(pairs(&headers(br#"{"a":[null]}"#).unwrap()), [("a", "")]);
        assert_eq!(query_parameters(b"null"), Ok(vec![]));
    }

    #[test]
    fn any_other_shape_is_e9_or_e10_and_shows_no_value() {
        cover("AG-14-r11");
        cover("AG-14-r12");
        for json in [
            "",
            " ",
            "{",
            "[]",
            "\"s3cret\"",
            "7",
            r#"{"a":"s3cret"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":{"s3cret":1}}"#,
            r#"{"a":["s3cret"]"#,
            r#"{"a":["b"]}x"#,
        ] {
            let e9 = headers(json.as_bytes()).unwrap_err().message("svc-1");
            assert!(
                e9.starts_with("failed to read API for svc-1 service, Failed to unmarshal headers, "),
                "{e9}"
            );
            let e10 = query_parameters(json.as_bytes()).unwrap_err().message("svc-1");
            assert!(
                e10.starts_with(
                    "failed to read API for svc-1 service, Failed to unmarshal query parameters, "
                ),
                "{e10}"
            );
            assert!(!e9.contains("s3cret") && !e10.contains("s3cret"), "{e9} {e10}");
        }
        assert_eq!(
            headers(br#"{"a":"x"}"#).unwrap_err().to_string(),
            "Failed to unmarshal headers, not an object with arrays of strings (line 1, column 8)"
        );
    }

    #[test]
    fn what_cannot_be_a_header_is_e9() {
        for json in [
            r#"{"":["x"]}"#,
            r#"{"a b":["x"]}"#,
            r#"{":path":["x"]}"#,
            r#"{"a":["x\r\ny: z"]}"#,
            r#"{"a":["\u0000"]}"#,
        ] {
            assert!(matches!(headers(json.as_bytes()), Err(ParametersError::Headers(_))), "{json}");
        }
        assert_eq!(pairs(&headers(r#"{"a":[" é\t"]}"#.as_bytes()).unwrap()), [("a", "é")]);
    }
}
