//! Who gets a connection at all.

use fairlead_testkit::{
    bed::INGRESS_HOST,
    certs::{Attribute, Request as Certificate},
    http::{Connection, Tls},
};

use super::{Place, outside, post, shop};

/// Whoever has no certificate of an accepted authority, a time that is over, or TLS of former days has no connection.
pub fn handshakes(place: &dyn Place) {
    shop(place).unwrap();
    let authorities = place.authorities();
    let shop = [Attribute::CommonName("shop")];
    let expired = authorities.first.issue(&Certificate::client(&shop).expired()).unwrap();
    place.double().clear().unwrap();
    for (tls, alert) in [
        (Tls::new().server_name(INGRESS_HOST), "CertificateRequired"),
        (place.client(&authorities.stranger.client("shop").unwrap()), "UnknownCA"),
        (place.client(&expired), "CertificateExpired"),
    ] {
        let error = place.call(&outside(&tls), &post("/shop/events")).unwrap_err().to_string();
        assert!(error.contains(alert), "{error}");
    }
    assert!(place.double().recorded(&[]).unwrap().is_empty());

    // Record type, version, length; of an alert its level and description.
    let answer = |minor| {
        let mut connection = Connection::open(place.address(&outside(&Tls::new())).unwrap()).unwrap();
        connection.write(&client_hello(minor)).unwrap();
        <[u8; 7]>::try_from(connection.exactly(7).unwrap()).unwrap()
    };
    for old in [1, 2] {
        let [kind, .., description] = answer(old);
        assert_eq!((kind, description), (ALERT, PROTOCOL_VERSION), "TLS 1.{}", old - 1);
    }
    let [kind, ..] = answer(3);
    assert_eq!(kind, HANDSHAKE, "TLS 1.2");
}

/// RFC 5246 §6.2.1, §7.2.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const PROTOCOL_VERSION: u8 = 70;

/// A first message whose newest version is TLS 1.(`minor` - 1) (RFC 5246 §7.4.1.2): rustls speaks nothing so old.
fn client_hello(minor: u8) -> Vec<u8> {
    // ECDHE with ECDSA and AES: GCM for 1.2, CBC with SHA-1 for all versions.
    let suites = [0xc0, 0x2b, 0xc0, 0x09];
    let groups = [0, 10, 0, 4, 0, 2, 0, 23]; // secp256r1
    let points = [0, 11, 0, 2, 1, 0]; // uncompressed
    let signatures = [0, 13, 0, 6, 0, 4, 4, 3, 2, 3]; // ECDSA with SHA-256 and SHA-1
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    // RFC 6066 §3: one name, a host.
    let name = [&[0][..], &length(INGRESS_HOST.as_bytes()), INGRESS_HOST.as_bytes()].concat();
    let names = [&length(&name)[..], &name].concat();
    let server_name = [&[0, 0][..], &length(&names), &names].concat();
    let extensions = [&server_name[..], &groups, &points, &signatures].concat();
    let body = [
        &[3, minor][..],
        &[7; 32],
        &[0],
        &length(&suites),
        &suites,
        &[1, 0],
        &length(&extensions),
        &extensions,
    ]
    .concat();
    let message = [&[1, 0][..], &length(&body), &body].concat();
    [&[HANDSHAKE, 3, 1][..], &length(&message), &message].concat()
}
