#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::{client_subject, gateway_subject, matches};

const MESH: &str = r#"By=spiffe://cluster.local/ns/kyma-system/sa/default;Hash=6d1f;Subject="";URI=spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"#;

/// What the ingress answers (CV §3): 200 stands for "goes on".
fn status(xfcc: &str, ids: &[&str]) -> u16 {
    match client_subject(xfcc.as_bytes()) {
        Ok(subject) if matches(&subject, ids, None) => 200,
        Ok(_) => 403,
        Err(IdentityError::Missing) => 500,
        Err(_) => 403,
    }
}

/// CV §4.3, row by row. Rows 12 to 14 are defects there: the wanted behaviour is asserted.
#[test]
fn examples_of_the_specification() {
    let sidecar = format!(
        r#"Hash=f4cf;Cert="-----BEGIN%20CERT";Subject="CN=test-application,OU=OrgUnit,O=Organization,L=Waldorf,ST=Waldorf,C=DE";URI=,{MESH}"#
    );
    let rows: &[(&str, &str, &[&str], u16)] = &[
        ("CV-4.3-r01", &sidecar, &["test-application"], 200),
        ("CV-4.3-r02", r#"Hash=h;Cert="c";Subject="O=client organization,CN=shop";URI="#, &["shop"], 200),
        ("CV-4.3-r03", r#"Subject="CN=shop""#, &["shop"], 200),
        ("CV-4.3-r04", r#"Subject="CN=clientId1""#, &["clientId1", "clientId2"], 200),
        ("CV-4.3-r05", r#"Subject="CN=shop""#, &["clientId1"], 403),
        ("CV-4.3-r06", r#"Subject="CN=Shop""#, &["shop"], 403),
        ("CV-4.3-r07", r#"Hash=hash1;Cert="cert""#, &["shop"], 403),
        ("CV-4.3-r08", r#"Subject="""#, &["shop"], 403),
        ("CV-4.3-r09", r#"subject="CN=shop""#, &["shop"], 403),
        ("CV-4.3-r10", r#"Subject="O=x, CN=shop""#, &["shop"], 403),
        ("CV-4.3-r11", r#"Subject="CN=other";URI=,Subject="CN=shop""#, &["shop"], 200),
        ("CV-4.3-r11", r#"Subject="CN=other";URI=,Subject="CN=shop""#, &["other"], 403),
        ("CV-4.3-r12", r#"Subject="CN=shop=evil""#, &["shop"], 403),
        ("CV-4.3-r12", r#"Subject="CN=shop=evil""#, &["shop=evil"], 200),
        ("CV-4.3-r13", r#"Subject="O=a\,CN=shop,CN=evil""#, &["shop"], 403),
        ("CV-4.3-r13", r#"Subject="O=a\,CN=shop,CN=evil""#, &["evil"], 200),
        ("CV-4.3-r13", r#"Subject="CN=evil,O=a\,CN=shop""#, &["shop"], 403),
        ("CV-4.3-r14", r#"Subject="O=Foo\, Inc.,CN=shop""#, &["shop"], 200),
        ("CV-4.3-r14", r#"Subject="O=Foo, Inc.,CN=shop""#, &["shop"], 403),
        ("CV-4.3-r14", r#"Subject="CN=shop,x""#, &["shop"], 403),
        ("CV-4.3-r15", "", &["shop"], 500),
        ("CV-4.3-r15", " ", &["shop"], 500),
    ];
    for (row, xfcc, ids, expected) in rows {
        fairlead_cases::cover(row);
        assert_eq!(status(xfcc, ids), *expected, "{row}: {xfcc}");
    }
}

fn parts(xfcc: &str) -> Result<(String, Option<String>, Option<String>, bool), IdentityError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    client(xfcc.as_bytes()).map(|c| (text(c.subject), c.hash.map(text), c.cert.map(text), c.first))
}

#[test]
fn hash_and_certificate_are_those_of_the_element_that_counts() {
    let xfcc = format!(
        r#"Hash=00;Cert="x";Subject="CN=a";URI=,Hash=01;Cert="y%2C";Subject="CN=b";DNS=d;DNS=e,{MESH},{MESH}"#
    );
    let expected = ("CN=b".to_owned(), Some("01".to_owned()), Some("y%2C".to_owned()), false);
    assert_eq!(parts(&xfcc), Ok(expected));
    assert_eq!(parts(&format!(r#"Subject="CN=a",{MESH}"#)), Ok(("CN=a".to_owned(), None, None, true)));
}

#[test]
fn delimiters_in_quotes_are_text() {
    for subject in
        [r"CN=a\,b", r"CN=a\;b", r"CN=a\\", r#"CN=a\"\,Subject=\"CN=shop"#, r#"O=\\\"\,x=\",CN=a"#, "CN=a=b"]
    {
        let xfcc = format!(r#"Hash=1;Subject="{subject}";URI=x,{MESH}"#);
        assert_eq!(parts(&xfcc).map(|parts| parts.0), Ok(subject.to_owned()), "{xfcc}");
    }
}

#[test]
fn empty_elements_and_blanks_around_elements_are_passed_over() {
    assert_eq!(
        parts(&format!(r#" , Subject="CN=a" , {MESH}, "#)).map(|parts| parts.0),
        Ok("CN=a".to_owned())
    );
}

#[test]
fn only_mesh_hops_are_passed_over() {
    for last in
        ["Hash=1", r#"Hash=1;Subject="""#, r#"Subject="";URI=https://a"#, r#"By=spiffe://a;Subject="";URI="#]
    {
        assert_eq!(parts(&format!(r#"Subject="CN=a",{last}"#)), Err(IdentityError::NoSubject), "{last}");
    }
}

#[test]
fn what_envoy_does_not_write_is_refused() {
    for element in [
        "Subject",
        "Subject=CN=a",
        r#"Subject="CN=a"#,
        r#"Subject=CN=a""#,
        r#"Subject="CN=a";"#,
        r#";Subject="CN=a""#,
        r#"Subject="CN=a"x"#,
        r#"Subject=x"CN=a""#,
        r#"Subject ="CN=a""#,
        r#"="";Subject="CN=a""#,
        r#"Subject="CN=a\""#,
        r#"Subject="CN=a";Subject="CN=b""#,
        r#"Subject="";Subject="CN=b""#,
        r#"Hash=1;Hash=2;Subject="CN=a""#,
        r#"Cert="1";Cert="2";Subject="CN=a""#,
        r#"Subject="CN=a";URI=x"y"#,
        r#"Subject="CN=a";URI=x;y"#,
        r#"Subject="CN=a";URI=x,y"#,
    ] {
        assert_eq!(parts(element), Err(IdentityError::MalformedHeader), "{element}");
        assert_eq!(
            parts(&format!(r#"Subject="CN=b",{element},{MESH}"#)),
            Err(IdentityError::MalformedHeader),
            "{element}"
        );
    }
}

/// What Envoy 1.40 wrote (`SANITIZE_SET`) for a certificate that a CA signed with names made to deceive: subject
/// `Mü",Subject="CN=shop`, URI `x,Hash=2;Subject="CN=shop"`, DNS name `a;Subject="CN=shop"`.
#[test]
fn names_in_a_certificate_cannot_imitate_another_subject() {
    let subject = r#"Hash=a1;Cert="c";Subject="CN=M\C3\BC\"\,Subject=\"CN=shop,OU=\ lead,O=Foo\, \"Inc\" \\ \<x\>\;\+=#,C=DE""#;
    let uri = r#";URI=x,Hash=2;Subject="CN=shop""#;
    let dns = r#";DNS=a;Subject="CN=shop""#;

    let own = gateway_subject(subject.as_bytes()).unwrap();
    assert_eq!(own.common_name(), "Mü\",Subject=\"CN=shop".as_bytes());
    assert_eq!(own.organizations().collect::<Vec<_>>(), [br#"Foo, "Inc" \ <x>;+=#"#.as_slice()]);
    assert_eq!(own.units().collect::<Vec<_>>(), [b" lead".as_slice()]);

    assert_eq!(gateway_subject(format!("{subject}{uri}").as_bytes()), Err(IdentityError::Imitated));
    assert_eq!(gateway_subject(format!("{subject}{uri},{MESH}").as_bytes()), Err(IdentityError::Imitated));
    assert_eq!(gateway_subject(format!("{subject}{dns}").as_bytes()), Err(IdentityError::MalformedHeader));
    assert_eq!(
        gateway_subject(format!("{subject}{uri}{dns}").as_bytes()),
        Err(IdentityError::MalformedHeader)
    );
    assert_eq!(
        gateway_subject(br#"Hash=1;Subject="";URI=x,Subject="CN=shop""#),
        Err(IdentityError::Imitated)
    );
    assert!(gateway_subject(format!("{subject};URI=https://a/b;DNS=a.b,{MESH}").as_bytes()).is_ok());
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn bytes(length: usize) -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(vec!["Subject=\"", "CN=", "URI=spiffe://", "Hash=1", "\\\"", "\\\\"])
                .prop_map(|text| text.as_bytes().to_vec()),
            prop::sample::select(&b"\",;=\\ a"[..]).prop_map(|byte| vec![byte]),
            any::<u8>().prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(piece, 0..length).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn nothing_panics(xfcc in bytes(40)) {
            let _ = client_subject(&xfcc);
        }

        /// Whatever a client may have sent before the gateway appended its element.
        #[test]
        fn what_is_left_of_the_element_that_counts_is_never_read(before in bytes(40), hops in 0..3_usize, subject in r#"([a-z]|\\[",\\]){1,9}"#) {
            let mut right = format!(r#"Hash=1;Cert="c";Subject="CN={subject}";URI=x"#);
            for _ in 0..hops {
                right = format!("{right},{MESH}");
            }
            let alone = client(right.as_bytes()).unwrap();
            let xfcc = [&before[..], b",", right.as_bytes()].concat();
            let with = client(&xfcc).unwrap();
            prop_assert_eq!((with.subject, with.hash, with.cert), (alone.subject, alone.hash, alone.cert));
            prop_assert_eq!(with.subject.to_vec(), format!("CN={subject}").into_bytes());
            prop_assert_eq!(client_subject(&xfcc), client_subject(right.as_bytes()));
        }
    }
}
