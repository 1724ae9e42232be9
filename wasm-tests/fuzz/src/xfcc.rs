//! `X-Forwarded-Client-Cert`.

use fairlead_client_identity::{IdentityError, client_subject, gateway_subject, xfcc};

/// An element as a gateway appends it.
const OWN: &[u8] = br#"Hash=1;Cert="c";Subject="CN=own";URI="#;

/// Reads `input` as a header value, and as what a client sent before a gateway appended its own element.
pub fn run(input: &[u8]) {
    let subject = client_subject(input);
    match gateway_subject(input) {
        Err(IdentityError::Imitated) => assert!(xfcc::client(input).is_ok_and(|client| !client.first)),
        gateway => assert_eq!(gateway, subject),
    }
    if let Ok(client) = xfcc::client(input) {
        assert!(!client.subject.is_empty());
    }
    let appended = [input, b",", OWN].concat();
    assert!(xfcc::client(&appended).is_ok_and(|client| {
        client.subject == b"CN=own" && client.hash == Some(b"1") && client.cert == Some(b"c")
    }));
}
