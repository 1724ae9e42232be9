//! Basic credentials (AG §8.2).

use base64::{Engine, engine::general_purpose::STANDARD};

/// The `Authorization` value `Basic base64(username:password)`, standard alphabet with padding (RFC 7617 §2).
/// Bytes, since a Secret's values need not be text; a key that a Secret lacks is the empty string (AG §8).
#[must_use]
pub fn basic(username: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> String {
    let mut value = String::from("Basic ");
    STANDARD.encode_string([username.as_ref(), b":", password.as_ref()].concat(), &mut value);
    value
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::basic;

    #[test]
    fn values_are_those_of_rfc_7617() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic("test", "123£"), "Basic dGVzdDoxMjPCow==");
        assert_eq!(basic("", ""), "Basic Og==");
        assert_eq!(basic("a:b", "??>"), "Basic YTpiOj8/Pg==");
    }
}
