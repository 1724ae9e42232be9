//! Who may call as whom (CV §4, decision 5), with every subject that a certificate can have.

use fairlead_testkit::{
    Result,
    certs::{Attribute, Request as Certificate},
};

use super::{Application, Case, Expected, Place, arrival, case, post, subject_refused};
use Attribute::{CommonName, Country, Locality, Multi, Organization, OrganizationalUnit, State};

/// A client id with everything that a subject escapes.
const AWKWARD: &str = "Kundin Ö, \"1\"";

pub(super) fn applications() -> Vec<Application> {
    vec![
        Application::new("shop"),
        Application::new("managed").client_ids(&["client-1", "client-2", AWKWARD]),
        Application::new("empty-ids").client_ids(&[""]),
        Application::new("group").spec("tenant", "Tenant Ö").spec("group", "Group, Inc."),
    ]
}

/// A tutorial's subject with this common name (decision 15).
fn subject(name: &str) -> [Attribute<'_>; 6] {
    [
        OrganizationalUnit("Test"),
        Organization("TestOrg"),
        Locality("Waldorf"),
        State("Waldorf"),
        Country("DE"),
        CommonName(name),
    ]
}

/// Name, rows, application, subject of the certificate, whether it is accepted.
type SubjectRow<'a> = (&'a str, &'a [&'static str], &'a str, &'a [Attribute<'a>], bool);

/// Names beside the subject are no part of who somebody is, whatever they look like: name, common name, URI, whether
/// it is accepted as the shop.
const ALTERNATIVE_NAMES: &[(&str, &str, &str, bool)] = &[
    ("an alternative name that looks like an element", "evil", "x:,Hash=1;Subject=\"CN=shop\"", false),
    ("an alternative name that looks like a subject", "evil", "x:;Subject=\"CN=shop\"", false),
    ("an alternative name of a mesh", "evil", "spiffe://cluster.local/ns/shop/sa/shop", false),
    ("an alternative name with signs", "shop", "https://a/?b;c,d=\"", true),
];

pub(super) fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let table: &[SubjectRow<'_>] = &[
        ("the name", &["CV-4.2-r01", "CV-4.3-r01"], "shop", &subject("shop"), true),
        (
            "other attributes around it",
            &["CV-4.3-r02"],
            "shop",
            &[CommonName("shop"), Organization("client organization")],
            true,
        ),
        ("the name alone", &["CV-4.3-r03"], "shop", &[CommonName("shop")], true),
        ("a client id", &["CV-4.2-r02", "CV-4.3-r04"], "managed", &[CommonName("client-1")], true),
        ("another client id", &["CV-4.2-r02"], "managed", &subject("client-2"), true),
        (
            "the name where ids count",
            &["CV-4.2-r02", "CV-4.3-r05"],
            "managed",
            &[CommonName("managed")],
            false,
        ),
        ("another case", &["CV-4.3-r06"], "shop", &[CommonName("Shop")], false),
        ("no common name", &["CV-4.3-r07"], "shop", &[Organization("shop")], false),
        ("an empty subject", &["CV-4.3-r08"], "shop", &[], false),
        ("an equals sign in the name", &["CV-4.3-r12"], "shop", &[CommonName("shop=evil")], false),
        (
            "a comma in another attribute",
            &["CV-4.3-r13"],
            "shop",
            &[CommonName("evil"), Organization("a,CN=shop")],
            false,
        ),
        (
            "a company with a comma",
            &["CV-4.3-r14"],
            "shop",
            &[CommonName("shop"), Organization("Foo, Inc.")],
            true,
        ),
        (
            "a quote and a semicolon",
            &[],
            "shop",
            &[CommonName("evil"), Organization("\";Subject=\"CN=shop")],
            false,
        ),
        ("several common names", &[], "shop", &[CommonName("evil"), CommonName("shop")], false),
        (
            "a common name that shares its place",
            &[],
            "shop",
            &[Multi(&[CommonName("evil"), OrganizationalUnit("CN=shop")])],
            false,
        ),
        ("an empty client id", &[], "empty-ids", &[Organization("o")], false),
        ("somebody else", &["CV-3-r04"], "shop", &subject("managed"), false),
        (
            "tenant and group",
            &[],
            "group",
            &[Organization("Tenant Ö"), OrganizationalUnit("Group, Inc."), CommonName("group")],
            true,
        ),
        (
            "another tenant",
            &[],
            "group",
            &[Organization("Other"), OrganizationalUnit("Group, Inc."), CommonName("group")],
            false,
        ),
        ("without tenant and group", &[], "group", &[CommonName("group")], false),
        (
            "a common name that shares its place with a unit",
            &[],
            "shop",
            &[Multi(&[CommonName("shop"), OrganizationalUnit("b")]), Country("DE")],
            true,
        ),
        (
            "two common names in one place",
            &[],
            "shop",
            &[Multi(&[CommonName("evil"), CommonName("shop")])],
            false,
        ),
        ("the same common name twice", &[], "shop", &[CommonName("shop"), CommonName("shop")], false),
        ("a client id outside ASCII", &[], "managed", &[CommonName(AWKWARD)], true),
        (
            "the same letters, composed otherwise",
            &[],
            "managed",
            &[CommonName("Kundin O\u{308}, \"1\"")],
            false,
        ),
        ("a blank behind the name", &[], "shop", &[CommonName("shop ")], false),
        ("a blank before the name", &["CV-4.3-r10"], "shop", &[CommonName(" shop")], false),
        ("a zero byte behind the name", &[], "shop", &[CommonName("shop\0evil")], false),
        ("a line break behind the name", &[], "shop", &[CommonName("shop\n")], false),
        ("a percent escape of the name", &[], "shop", &[CommonName("%73hop")], false),
        (
            "tenant and group exchanged",
            &[],
            "group",
            &[Organization("Group, Inc."), OrganizationalUnit("Tenant Ö"), CommonName("group")],
            false,
        ),
        (
            "the tenant without the group",
            &[],
            "group",
            &[Organization("Tenant Ö"), CommonName("group")],
            false,
        ),
    ];
    let mut cases = Vec::new();
    for (name, rows, application, subject, accepted) in table {
        let certificate = Certificate::client(subject);
        let expected = expected(place, *accepted)?;
        cases.push(event(place, (name, rows), application, &certificate, expected)?);
    }
    for (name, common_name, uri, accepted) in ALTERNATIVE_NAMES {
        let certificate = Certificate::client(&[CommonName(common_name)]).uri(uri);
        cases.push(event(place, (name, &[]), "shop", &certificate, expected(place, *accepted)?)?);
    }
    let second = place.authorities().second.issue(&Certificate::client(&subject("shop")))?;
    let arrives = expected(place, true)?;
    cases.push(case("the second authority", &[], place.client(&second), post("/shop/v2/events"), arrives));
    Ok(cases)
}

fn expected(place: &dyn Place, accepted: bool) -> Result<Expected> {
    Ok(if accepted {
        Expected::Arrives(arrival(place, "/publish")?)
    } else {
        Expected::Refused(subject_refused())
    })
}

/// An event to `application` with a certificate of the first authority.
fn event(
    place: &dyn Place,
    (name, rows): (&str, &[&'static str]),
    application: &str,
    certificate: &Certificate,
    expected: Expected,
) -> Result<Case> {
    let identity = place.authorities().first.issue(certificate)?;
    Ok(case(name, rows, place.client(&identity), post(&format!("/{application}/v2/events")), expected))
}
