//! What ingress must do, as a list of cases (spec connectivity-validator), and the resources that they need.

use fairlead_testkit::{
    Result,
    bed::{INGRESS_HOST, Seed, outside},
    certs::{Attribute, Authority, Request as Certificate},
    double::Double,
    http::{CALLER, Request, Tls},
    resources::Application,
};
use fairlead_wire::Reason;

use crate::case::{Answer, Arrival, Case, Expected, Text, Way};
use Attribute::{CommonName, Country, Locality, Multi, Organization, OrganizationalUnit, State};

/// The authorities of external systems.
pub struct Authorities {
    /// Accepted by the gateway.
    pub first: Authority,
    /// Accepted too.
    pub second: Authority,
    /// Not accepted.
    pub stranger: Authority,
}

impl Authorities {
    /// New ones.
    ///
    /// # Errors
    /// A certificate cannot be made.
    pub fn new() -> Result<Self> {
        Ok(Self {
            first: Authority::new("Clients One")?,
            second: Authority::new("Clients Two")?,
            stranger: Authority::new("Strangers")?,
        })
    }
}

/// Plants all resources and asks for an ingress gateway.
///
/// # Errors
/// A file cannot be written.
pub fn plant(seed: &mut Seed, authorities: &Authorities) -> Result {
    seed.ingress(&[&authorities.first, &authorities.second])?;
    let applications = [
        Application::new("shop"),
        Application::new("managed").client_ids(&["client-1", "client-2"]),
        Application::new("empty-ids").client_ids(&[""]),
        Application::new("group").spec("tenant", "Tenant Ö").spec("group", "Group, Inc."),
    ];
    seed.put("ingress.yaml", &applications.map(|application| application.manifest()));
    Ok(())
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

/// All cases.
///
/// # Errors
/// A certificate cannot be made.
pub fn cases(double: &Double, authorities: &Authorities) -> Result<Vec<Case>> {
    let mut cases = subjects(double, authorities)?;
    cases.extend(paths(double, authorities)?);
    cases.extend(requests(double, authorities)?);
    Ok(cases)
}

/// Name, rows, application, subject of the certificate, whether it is accepted.
type SubjectRow<'a> = (&'a str, &'a [&'static str], &'a str, &'a [Attribute<'a>], bool);

/// Who may call as whom (CV §4).
fn subjects(double: &Double, authorities: &Authorities) -> Result<Vec<Case>> {
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
    ];
    let mut cases = Vec::new();
    for (name, rows, application, subject, accepted) in table {
        let identity = authorities.first.issue(&Certificate::client(subject))?;
        let expected = if *accepted {
            Expected::Arrives(arrival(double, "/publish")?)
        } else {
            Expected::Refused(Answer::json(403, Reason::SubjectRefused, "no valid subject found"))
        };
        cases.push(case(
            name,
            rows,
            outside(&identity),
            post(&format!("/{application}/v2/events")),
            expected,
        ));
    }
    let second = authorities.second.issue(&Certificate::client(&subject("shop")))?;
    let expected = Expected::Arrives(arrival(double, "/publish")?);
    cases.push(case("the second authority", &[], outside(&second), post("/shop/v2/events"), expected));
    Ok(cases)
}

/// Where which path leads (CV §3, §5).
fn paths(double: &Double, authorities: &Authorities) -> Result<Vec<Case>> {
    let identity = authorities.first.client("shop")?;
    let unknown = || {
        let text = "could not determine destination host, requested resource not found";
        Answer::json(404, Reason::UnknownPath, text)
    };
    let mut cases = Vec::new();
    for (rows, path, arrives) in [
        (&["CV-5-r01"][..], "/shop/v1/events", Some("/shop/v1/events")),
        (&["CV-5-r01"], "/shop/v1/events/sub?a=%7c", Some("/shop/v1/events/sub?a=%7c")),
        (&["CV-5-r02"], "/shop/v2/events?a=b", Some("/publish?a=b")),
        (&["CV-5-r02"], "/shop/v2/events/more/of/it", Some("/publish")),
        (&["CV-5-r03"], "/shop/events", Some("/publish")),
        (&[], "/shop//events", Some("/publish")),
        (&["CV-3-r05"], "/shop/v3/events", None),
        (&["CV-3-r05"], "/shop/", None),
        (&[], "/shop/v1/eventsfoo", None),
        (&[], "/shop/v1/metadata/services", None),
        (&[], "/shop/v1/events/..%2f..%2fmanaged", None),
    ] {
        let expected = match arrives {
            Some(target) => Expected::Arrives(arrival(double, target)?),
            None => Expected::Refused(unknown()),
        };
        cases.push(case(path, rows, outside(&identity), post(path), expected));
    }
    let text = "while getting application ClientIds: application data for name nobody is not found in the cache. \
                Please retry";
    let unknown_application = Answer::json(404, Reason::UnknownApplication, text);
    let refused = |answer| Expected::Refused(answer);
    cases.push(case(
        "/nobody/v1/events",
        &["CV-3-r03"],
        outside(&identity),
        post("/nobody/v1/events"),
        refused(unknown_application),
    ));
    let no_segment = Answer { body: Text::Exactly("404 page not found\n".to_owned()), ..Answer::status(404) };
    cases.push(case("/shop", &[], outside(&identity), post("/shop"), refused(no_segment)));
    Ok(cases)
}

/// What is forwarded, and what comes back (CV §6, decision 9).
fn requests(double: &Double, authorities: &Authorities) -> Result<Vec<Case>> {
    let identity = authorities.first.client("shop")?;
    let event = Request::new("POST", "/shop/events")
        .header("Host", INGRESS_HOST)
        .header("Content-Type", "application/cloudevents+json")
        .header("ce-type", "order.created.v1")
        .header("Authorization", "Bearer theirs")
        .header("Access-Token", "Bearer theirs")
        .header("X-Forwarded-Client-Cert", "Subject=\"CN=managed\"")
        .header("X-Application", "managed")
        .header("x-fairlead-profile", "fairlead.control")
        .header("x-envoy-max-retries", "3")
        .header("X-Forwarded-For", "10.0.0.1")
        .body("{}");
    let forwarded = Arrival {
        headers: vec![("x-forwarded-for".to_owned(), format!("10.0.0.1,{CALLER}"))],
        ..arrival(double, "/publish")?
    };
    let with = |mut arrival: Arrival, lines: &[(&str, &str)]| {
        arrival.headers.extend(lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        arrival
    };
    let forwarded = with(
        forwarded,
        &[
            ("content-type", "application/cloudevents+json"),
            ("ce-type", "order.created.v1"),
            ("authorization", "Bearer theirs"),
            ("access-token", "Bearer theirs"),
            ("content-length", "2"),
        ],
    );
    let host = |host: &str| Request::new("POST", "/shop/events").header("Host", host).body("{}");
    let mismatch = Answer { body: Text::Any, ..Answer::status(421) };
    Ok(vec![
        case("a complete event", &["CV-5-r03"], outside(&identity), event, Expected::Arrives(forwarded)),
        case(
            "the port in Host is ignored",
            &[],
            outside(&identity),
            host(&format!("{INGRESS_HOST}:8443")),
            Expected::Arrives(arrival(double, "/publish")?),
        ),
        case(
            "another server name",
            &[],
            Tls::new().server_name("other.kyma.local").identity(&identity),
            host(INGRESS_HOST),
            Expected::Refused(mismatch.clone()),
        ),
        case(
            "no server name",
            &[],
            Tls::new().identity(&identity),
            host(INGRESS_HOST),
            Expected::Refused(mismatch),
        ),
        case(
            "a host that is not ours",
            &[],
            outside(&identity),
            host("elsewhere.kyma.local"),
            Expected::Refused(Answer { body: Text::Any, ..Answer::status(403) }),
        ),
    ])
}

fn case(name: &str, rows: &[&'static str], tls: Tls, request: Request, expected: Expected) -> Case {
    Case { name: name.to_owned(), rows: rows.to_vec(), way: Way::Outside(Box::new(tls)), request, expected }
}

/// An event to the gateway's host.
fn post(path: &str) -> Request {
    Request::new("POST", path).header("Host", INGRESS_HOST).body("{}")
}

/// An event of [`post`] at the sink.
fn arrival(double: &Double, target: &str) -> Result<Arrival> {
    let line = |name: &str, value: String| (name.to_owned(), value);
    Ok(Arrival {
        listener: "sink",
        target: target.to_owned(),
        host: double.address("sink")?.to_string(),
        headers: vec![line("x-forwarded-for", CALLER.to_string()), line("content-length", "2".to_owned())],
        body: "{}".to_owned(),
    })
}
