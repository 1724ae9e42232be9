//! Pairs as `openssl` writes them (`tests/pairs/make.sh`), and forged ones.

use secrecy::ExposeSecret as _;

use super::{der::*, *};

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../tests/pairs/", $name))
    };
}

fn read(certificate: &str, key: &str) -> Result<ClientPair, PairError> {
    ClientPair::read(certificate.as_bytes(), key.as_bytes())
}

#[test]
fn every_usual_form_of_one_key_becomes_the_same_pair() {
    let (rsa, p256) = (file!("rsa.crt"), file!("p256.crt"));
    for (certificate, forms) in [
        (rsa, [file!("rsa.pkcs1.key"), file!("rsa.pkcs8.key")].as_slice()),
        (p256, [file!("p256.sec1.key"), file!("p256.pkcs8.key"), file!("p256.bare.key")].as_slice()),
        (file!("p384.crt"), [file!("p384.sec1.key"), file!("p384.pkcs8.key")].as_slice()),
        (file!("p521.crt"), [file!("p521.sec1.key"), file!("p521.pkcs8.key")].as_slice()),
    ] {
        let pairs: Vec<_> = forms.iter().map(|key| read(certificate, key).unwrap()).collect();
        for pair in &pairs {
            assert_eq!(pair.certificate_pem, certificate, "it is openssl's own spelling");
            assert_eq!(pair.key_pem.expose_secret(), pairs[0].key_pem.expose_secret());
            assert_eq!(pair.fingerprint, pairs[0].fingerprint);
            assert!(pair.expires > 4_000_000_000, "{}", pair.expires);
        }
        assert_eq!(pairs[0].key_pem.expose_secret(), forms[1], "PKCS#8 as openssl writes it");
    }
}

#[test]
fn text_around_blocks_and_chains_are_tolerated() {
    let key = format!("notBefore=Jan  1\nnotAfter=Jan  2\n{}", file!("p256.pkcs8.key")).replace('\n', "\r\n");
    let chain = format!("notBefore=Jan  1\n{}\ntrailing", file!("chain.crt"));
    let pair = read(&chain, &key).unwrap();
    assert_eq!(pair.certificate_pem, file!("chain.crt"));
    let alone = read(file!("p256.crt"), &key).unwrap();
    assert_ne!(pair.fingerprint, alone.fingerprint, "another chain is shown");
    let both = format!("{}{}", file!("p256.pkcs8.key"), file!("p256.crt"));
    assert_eq!(read(&both, &both).unwrap(), alone, "certificate and key in one");
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    use PairError::*;
    let (certificate, key) = (file!("rsa.crt"), file!("rsa.pkcs8.key"));
    let ca_first = file!("chain.crt").replacen(file!("p256.crt"), "", 1) + file!("p256.crt");
    for (certificate, key, error) in [
        ("", "", NoCertificate),
        (key, key, NoCertificate),
        (certificate.trim_end_matches(['-', '\n']), key, NoCertificate),
        (&certificate.replace("MII", "MIJ"), key, NoCertificate),
        (&certificate.replace("MII", "!II"), key, NoCertificate),
        (&certificate.repeat(17), key, LongChain),
        (certificate, "", NoKey),
        (certificate, certificate, NoKey),
        (certificate, key.trim_end_matches(['-', '\n']), NoKey),
        (certificate, &key.replace("MII", "MIJ"), NoKey),
        (certificate, &key.replace("MII", "!II"), NoKey),
        (certificate, file!("rsa.pkcs8-encrypted.key"), EncryptedKey),
        (certificate, file!("rsa.pkcs1-encrypted.key"), EncryptedKey),
        (file!("ed25519.crt"), file!("ed25519.key"), KeyKind),
        (file!("short.crt"), file!("short.key"), KeyLength),
        (certificate, file!("p256.pkcs8.key"), Mismatch),
        (file!("p256.crt"), key, Mismatch),
        (file!("p384.crt"), file!("p256.pkcs8.key"), Mismatch),
        (file!("ed25519.crt"), key, Mismatch),
        (&ca_first, file!("p256.pkcs8.key"), Mismatch),
    ] {
        let got = read(certificate, key).unwrap_err();
        assert_eq!(got, error, "{certificate} {key}");
    }
}

/// Who knows the certificate, which is public, could write these keys. To pass for its holder would give him the holder's
/// key, since equal certificates make one profile.
#[test]
fn a_key_that_only_says_that_it_belongs_is_refused() {
    let integers = |numbers: &[&[u8]]| {
        let (mut fields, mut der) = (Vec::new(), Vec::new());
        for number in numbers {
            write(&mut fields, INTEGER, &[&[0], *number].concat());
        }
        write(&mut der, SEQUENCE, &fields);
        der
    };
    let certificate = pem::blocks(file!("rsa.crt")).next().unwrap().unwrap().decode().unwrap();
    let certificate = Certificate::read(&certificate).unwrap();
    let Some(key::Public::Rsa { modulus, exponent }) = certificate.key else { panic!("RSA") };
    for (p, q) in [(&[1][..], modulus), (modulus, &[1]), (&[], &[]), (&[3], &[5])] {
        let mut forged = String::new();
        pem::encode(
            &mut forged,
            "RSA PRIVATE KEY",
            &integers(&[&[], modulus, exponent, &[7], p, q, &[7], &[7], &[7]]),
        );
        assert_eq!(read(file!("rsa.crt"), &forged).unwrap_err(), PairError::BrokenKey);
    }

    // The public key that an EC key carries along is not believed.
    let sec1 = pem::blocks(file!("p256.sec1.key")).nth(1).unwrap().unwrap().decode().unwrap();
    let mut forged = sec1.clone();
    forged[10] ^= 1;
    let mut text = String::new();
    pem::encode(&mut text, "EC PRIVATE KEY", &forged);
    assert_eq!(read(file!("p256.crt"), &text).unwrap_err(), PairError::Mismatch);
    for scalar in [[0; 32], [0xff; 32]] {
        let mut forged = sec1.clone();
        forged[7..39].copy_from_slice(&scalar);
        let mut text = String::new();
        pem::encode(&mut text, "EC PRIVATE KEY", &forged);
        assert_eq!(read(file!("p256.crt"), &text).unwrap_err(), PairError::BrokenKey);
    }
}

#[test]
fn a_pair_prints_without_its_key() {
    let pair = read(file!("p256.crt"), file!("p256.pkcs8.key")).unwrap();
    let shown = format!("{pair:?} {}", pair.fingerprint);
    for line in file!("p256.pkcs8.key").lines().filter(|line| !line.starts_with('-')) {
        assert!(!shown.contains(line), "{shown}");
    }
}

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_panic(der in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..1200, value: u8) {
            let mut good = pem::blocks(file!("rsa.pkcs8.key")).next().unwrap().unwrap().decode().unwrap();
            if let Some(byte) = good.get_mut(at) {
                *byte = value;
            }
            for label in ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"] {
                for der in [&der, &good] {
                    let _ = Key::read(label, der);
                    let _ = Certificate::read(der);
                }
            }
        }
    }
}
