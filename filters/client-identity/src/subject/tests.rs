#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn common_name(name: &str) -> Result<String, IdentityError> {
    Subject::parse(name.as_bytes()).map(|subject| String::from_utf8_lossy(subject.common_name()).into_owned())
}

#[test]
fn a_subject_has_exactly_one_common_name() {
    use IdentityError::{MalformedName, NoCommonName, NoSubject, SeveralCommonNames};
    let rows: &[(&str, Result<&str, IdentityError>)] = &[
        ("CN=shop,O=a", Ok("shop")),
        ("O=a,CN=shop", Ok("shop")),
        ("CN=shop+OU=b,O=a", Ok("shop")),
        ("OU=b+CN=shop,O=a", Ok("shop")),
        (r"O=a\,CN=shop,CN=evil", Ok("evil")),
        (r"O=a\+CN=shop", Err(NoCommonName)),
        ("", Err(NoSubject)),
        ("O=a", Err(NoCommonName)),
        ("CN=", Err(NoCommonName)),
        ("CN=#0C0473686F70", Err(NoCommonName)),
        ("DCN=shop", Err(NoCommonName)),
        ("CN=shop,CN=evil", Err(SeveralCommonNames)),
        ("CN=shop+CN=evil", Err(SeveralCommonNames)),
        ("CN=shop,O=a,CN=shop", Err(SeveralCommonNames)),
        ("CN=,CN=shop", Err(SeveralCommonNames)),
        ("CN=#0400,CN=shop", Err(SeveralCommonNames)),
        ("cn=shop", Err(MalformedName)),
        ("CN=shop,cn=evil", Err(MalformedName)),
        ("commonname=shop", Err(MalformedName)),
        ("2.5.4.3=shop", Err(MalformedName)),
        ("oid.2.5.4.3=shop", Err(MalformedName)),
        ("CN=shop,x", Err(MalformedName)),
    ];
    for (name, expected) in rows {
        assert_eq!(common_name(name), expected.map(str::to_owned), "{name}");
    }
}

#[test]
fn a_plain_common_name_is_borrowed() {
    assert!(matches!(Subject::parse(br"CN=shop,O=a\,b").unwrap().common_name, Cow::Borrowed(_)));
}

#[test]
fn organisations_and_units_are_listed() {
    let subject = Subject::parse(br"CN=shop,OU=b\+c,OU=d,O=e,C=DE").unwrap();
    assert_eq!(subject.organizations().collect::<Vec<_>>(), [&b"e"[..]]);
    assert_eq!(subject.units().collect::<Vec<_>>(), [&b"b+c"[..], b"d"]);
    assert_eq!(subject.name(), br"CN=shop,OU=b\+c,OU=d,O=e,C=DE");
}

fn allowed(name: &str, common_names: &[&str], organization: Option<(&str, &str)>) -> bool {
    let subject = Subject::parse(name.as_bytes()).unwrap();
    matches(&subject, common_names, organization.map(|(o, ou)| (o.as_bytes(), ou.as_bytes())))
}

/// CV §4.2.
#[test]
fn common_names_are_compared_exactly() {
    fairlead_cases::cover("CV-4.2-r01");
    assert!(allowed("CN=shop", &["shop"], None));
    for other in ["CN=Shop", "CN=shop2", "CN=sho", r"CN=shop\ ", r"CN=shop\00"] {
        assert!(!allowed(other, &["shop"], None), "{other}");
    }

    fairlead_cases::cover("CV-4.2-r02");
    assert!(allowed("CN=id2", &["id1", "id2"], None));
    assert!(!allowed("CN=shop", &["id1", "id2"], None));
    assert!(!allowed("CN=id1,O=shop", &["shop"], None));
    assert!(!allowed("CN=shop", &[], None));
}

/// CV §10 (3).
#[test]
fn an_empty_id_matches_nothing() {
    assert!(!allowed("CN=shop", &[""], None));
    assert_eq!(common_name("O=a"), Err(IdentityError::NoCommonName));
}

/// Decision 5.
#[test]
fn tenant_and_group_are_demanded_as_organisation_and_unit() {
    let demanded = Some(("tenant", "group"));
    for (name, expected) in [
        ("CN=shop,OU=group,O=tenant", true),
        ("CN=shop,OU=other,OU=group,O=tenant", true),
        ("CN=shop+OU=group,O=tenant", true),
        ("CN=shop,OU=group", false),
        ("CN=shop,O=tenant", false),
        ("CN=shop,OU=tenant,O=group", false),
        ("CN=shop,OU=Group,O=tenant", false),
        (r"CN=shop,OU=group,O=a\,O=tenant", false),
        ("CN=other,OU=group,O=tenant", false),
    ] {
        assert_eq!(allowed(name, &["shop"], demanded), expected, "{name}");
    }
    assert!(!allowed("CN=shop,OU=,O=", &["shop"], Some(("", ""))));
    assert!(!allowed("CN=shop,OU=#0400,O=a", &["shop"], Some(("a", "#0400"))));
}
