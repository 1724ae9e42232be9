//! What a caller gets for each kind of credential that cannot be used (AG §8.4, §8.5, §9; E12, E17–E21).

use fairlead_testkit::{
    Result,
    http::Request,
    resources::{Application, Entry, secret},
};
use fairlead_wire::Reason;
use serde_json::{Value, json};

use crate::{
    case::{Answer, Case, Expected, Text, run_all},
    place::{Needs, Place, Way},
};

/// An egress gateway.
pub const NEEDS: Needs = Needs::EGRESS;

const HOST: &str = "api.example.test";
/// E18 (AG §14).
const HIDDEN: &str = "Failed to get token: Failed to fetch token, possible certificate problem";

fn entry(place: &dyn Place, kind: &str, secret: &str, token: &str, csrf: Option<&str>) -> Result<Entry> {
    let target = format!("{}/base", place.double().url_by_name("https", HOST)?);
    let mut credentials = json!({ "type": kind, "secretName": secret, "authenticationUrl": token });
    if let (Some(csrf), Some(fields)) = (csrf, credentials.as_object_mut()) {
        fields.insert("csrfInfo".to_owned(), json!({ "tokenEndpointURL": csrf }));
    }
    Ok(Entry::api(&target).field("credentials", credentials))
}

/// Two pairs; the key of one beside the certificate of the other; what is no PEM.
fn secrets(place: &dyn Place) -> Result<Vec<Value>> {
    let authority = &place.authorities().first;
    let (one, two) = (authority.client("errors-one")?, authority.client("errors-two")?);
    place.secret_is("client key", &body(&one.key_pem))?;
    let pair = |name: &str, crt: &str, key: &str| {
        let (user, word) = (("username", "user"), ("password", "word"));
        secret(name, &[("clientId", "id"), ("clientSecret", "s"), ("crt", crt), ("key", key), user, word])
    };
    Ok(vec![
        pair("errors-good", &format!("notBefore=x\n{}", one.certificate_pem), &one.key_pem),
        pair("errors-mixed", &one.certificate_pem, &two.key_pem),
        pair("errors-no-key", &one.certificate_pem, "no PEM"),
        pair("errors-no-certificate", "", &one.key_pem),
    ])
}

/// One line of a PEM block's inside.
fn body(pem: &str) -> String {
    pem.lines().find(|line| !line.starts_with('-')).unwrap_or_default().to_owned()
}

fn plant(place: &dyn Place) -> Result {
    let http = place.double().url_by_name("http", HOST)?;
    let (nobody, mtls) = (place.nobody(), place.double().url_by_name("mtls", HOST)?);
    let certified = |secret: &str, url: &str| entry(place, "OAuthWithCert", secret, url, None);
    let shown = |secret: &str| entry(place, "CertificateGen", secret, "", None);
    let csrf = |url: &str| entry(place, "Basic", "errors-good", "", Some(url));
    let token = format!("{mtls}/oauth/certificate");
    let app = Application::new("errors")
        .service("Cert Mixed", &[certified("errors-mixed", &token)?])
        .service("Cert No Key", &[certified("errors-no-key", &token)?])
        .service("Cert Nobody", &[certified("errors-good", &format!("{nobody}/token"))?])
        .service("Cert Status", &[certified("errors-good", &format!("{http}/status/403"))?])
        .service("Cert Text", &[certified("errors-good", &format!("{http}/bytes/5"))?])
        .service("Cert Url", &[certified("errors-good", "http://[bad")?])
        .service("Cert Empty", &[certified("errors-good", "")?])
        .service("Cert Missing", &[certified("errors-missing", &token)?])
        .service("Gen Mixed", &[shown("errors-mixed")?])
        .service("Gen No Key", &[shown("errors-no-key")?])
        .service("Gen No Certificate", &[shown("errors-no-certificate")?])
        .service("Csrf Nobody", &[csrf(&format!("{nobody}/token?key=k"))?])
        .service("Csrf Status", &[csrf(&format!("{http}/status/404"))?])
        .service("Csrf Wrong", &[csrf(&format!("{http}/csrf/token/basic/user/other"))?])
        .service("Csrf Url", &[csrf("http://[bad")?])
        .service("Csrf Ftp", &[csrf("ftp://x/token")?])
        .service("Proxy", &[Entry::api(&format!("{http}/base"))]);
    let other = Application::new("errors-proxy")
        .spec("fairlead", json!({ "proxy": "http://user:word@proxy.example.test:1" }))
        .service("svc", &[Entry::api(&format!("{http}/base"))]);
    let mut manifests = secrets(place)?;
    manifests.extend([app.manifest(), other.manifest()]);
    place.put("errors", &manifests)
}

fn refused(service: &str, rows: &[&'static str], answer: Answer) -> Case {
    let path = format!("/errors/{service}/x");
    let request = Request::new("GET", &path);
    let expected = Expected::Refused(answer);
    Case { name: path, rows: rows.to_vec(), way: Way::Manual, request, expected }
}

/// Each kind of failure, with its status, reason and text; and that a caller with its own token is served all the same.
pub fn each_failure_has_its_answer(place: &dyn Place) {
    plant(place).unwrap();
    let http = place.double().url_by_name("http", HOST).unwrap();
    let nobody = place.nobody();
    let begins = |reason, text: &str| Answer::json_begins(500, reason, text);
    let hidden = |reason| Answer::json(500, reason, HIDDEN);
    let mut cases = Vec::new();
    for (service, text) in [
        ("cert-mixed", "'key' does not belong to the first certificate of 'crt'"),
        ("cert-no-key", "'key' holds no private key"),
    ] {
        let text = format!("Failed to get token: Failed to prepare certificate, {text}");
        let answer = begins(Reason::CertificateInvalid, &text);
        cases.push(refused(service, &["AG-14-r19", "AG-14-r32", "AG-14-r33"], answer));
    }
    for (service, reason) in [
        ("cert-nobody", Reason::TokenEndpointUnreachable),
        ("cert-status", Reason::TokenEndpointStatus),
        ("cert-text", Reason::TokenEndpointAnswer),
        ("cert-url", Reason::TokenEndpointInvalid),
        ("cert-empty", Reason::TokenEndpointUnreachable),
    ] {
        cases.push(refused(service, &["AG-14-r20", "AG-14-r32"], hidden(reason)));
    }
    let missing = "failed to read API for name-of-Cert Missing service, secret 'errors-missing' not found";
    cases.push(refused("cert-missing", &["AG-14-r09"], Answer::json(500, Reason::SecretMissing, missing)));
    for (service, text) in [
        ("gen-mixed", "'key' does not belong to the first certificate of 'crt'"),
        ("gen-no-key", "'key' holds no private key"),
        ("gen-no-certificate", "'crt' holds no certificate"),
    ] {
        let text = format!("Failed to prepare certificate, {text}");
        let answer = begins(Reason::CertificateInvalid, &text);
        cases.push(refused(service, &["AG-14-r21", "AG-14-r33"], answer));
    }
    let unreachable = |text: &str| Answer::json_begins(502, Reason::CsrfEndpointUnreachable, text);
    let status = |code: u16, path: &str| {
        let text = format!("incorrect response code '{code}' while getting token from {http}{path}");
        Answer::json(502, Reason::CsrfEndpointStatus, &text)
    };
    cases.extend([
        refused(
            "csrf-nobody",
            &["AG-14-r23", "AG-14-r34"],
            unreachable(&format!("failed to make a request to '{nobody}/token': ")),
        ),
        refused("csrf-ftp", &["AG-14-r23"], unreachable("failed to make a request to 'ftp://x/token': ")),
        refused("csrf-status", &["AG-14-r22", "AG-14-r34"], status(404, "/status/404")),
        refused("csrf-wrong", &["AG-14-r22", "AG-14-r34"], status(401, "/csrf/token/basic/user/other")),
        refused(
            "csrf-url",
            &["AG-14-r14"],
            begins(Reason::TokenEndpointInvalid, "failed to create token request: "),
        ),
        Case {
            name: "a proxy with a password".to_owned(),
            rows: Vec::new(),
            way: Way::Manual,
            request: Request::new("GET", "/errors-proxy/svc/x"),
            expected: Expected::Refused(begins(
                Reason::ProxyInvalid,
                "failed to read API for name-of-svc service, the proxy cannot be used: it has a user name",
            )),
        },
        // No token is fetched for who brings one (AG §8.6).
        Case {
            name: "a caller's own token".to_owned(),
            rows: Vec::new(),
            way: Way::Manual,
            request: Request::new("GET", "/errors/cert-nobody/x").header("Access-Token", "Bearer mine"),
            expected: Expected::Answer(Answer { body: Text::Any, ..Answer::status(200) }),
        },
    ]);
    run_all(place, &cases).unwrap();
}

/// A broken pair is corrected, broken again and deleted: the last good one stays in force in between.
pub fn a_corrected_secret_is_effective_and_a_broken_one_is_not(place: &dyn Place) {
    let authority = &place.authorities().first;
    let identity = authority.client("errors-live").unwrap();
    let mtls = place.double().url_by_name("mtls", HOST).unwrap();
    let entry = |kind: &str| {
        let token = format!("{mtls}/oauth/certificate");
        let credentials = json!({ "type": kind, "secretName": "errors-live", "authenticationUrl": token });
        [Entry::api(&format!("{mtls}/base")).field("credentials", credentials)]
    };
    let app = Application::new("errors-live").service("gen", &entry("CertificateGen"));
    let put = |key: &str| {
        let data = [("clientId", "id"), ("crt", identity.certificate_pem.as_str()), ("key", key)];
        place.put("errors-live-secret", &[secret("errors-live", &data)]).unwrap();
    };
    put("no PEM");
    place.put("errors-live", &[app.manifest()]).unwrap();
    let call = Request::new("GET", "/errors-live/gen/x");
    place.until(&call, |answer| answer.status == 500).unwrap();
    put(&identity.key_pem);
    place.until(&call, |answer| answer.status == 200).unwrap();
    let seen = place.double().recorded(&[("listener", "mtls")]).unwrap();
    assert!(
        seen.iter().any(|request| request.tls.as_ref().is_some_and(|tls| tls.peer.is_some())),
        "{seen:?}"
    );
    put("no PEM again");
    // A marker that comes behind it tells that it was looked at.
    let marker = Application::new("errors-marker").service("svc", &entry("Basic"));
    place.plant("errors-marker", &[marker.manifest()], &["errors-marker/svc"]).unwrap();
    for _ in 0..8 {
        place.manual(&call).unwrap().expect(200).unwrap();
    }
    place.remove("errors-live-secret").unwrap();
    place.until(&call, |answer| answer.status == 500).unwrap();
    let text = place.manual(&call).unwrap().text();
    assert!(text.contains("secret 'errors-live' not found"), "{text}");
}
