//! Credentials and transport: what the target accepts (AG §7, §8).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fairlead_testkit::{Result, http::Request};
use fairlead_wire::Reason;

use super::{Application, Case, Entry, Expected, Place, arrival, get, manual, secret, url};
use crate::case::{Answer, Text};

/// A canary too: known here, because what arrives is compared with it.
const PASSWORD: &str = "canary/basic+5f0c9e1b7d2a";

pub(super) fn plant(place: &dyn Place) -> Result {
    let client_secret = place.secret("client-secret")?;
    place.secret_is("basic-password", PASSWORD)?;
    let (http, https, other, self_signed) =
        (url(place, "http")?, url(place, "https")?, url(place, "other")?, url(place, "self-signed")?);
    let token = format!("{https}/oauth/token");
    let services = |app: Application, secure: &str| {
        app.service("open", &[Entry::api(&format!("{secure}/base"))])
            .service("basic", &[Entry::api(&format!("{secure}/base")).basic("credentials-basic")])
            .service(
                "oauth",
                &[Entry::api(&format!("{secure}/base/protected"))
                    .oauth("credentials-oauth", &format!("{secure}/oauth/token"))],
            )
    };
    let private =
        Application::new("private").spec("fairlead", serde_json::json!({ "caSecretName": "credentials-ca" }));
    let plain = Application::new("credentials")
        .service("basic", &[Entry::api(&format!("{http}/base")).basic("credentials-basic")])
        .service(
            "oauth",
            &[Entry::api(&format!("{http}/base/protected")).oauth("credentials-oauth", &token)],
        );
    let ca = std::fs::read_to_string(place.double().other_ca())?;
    place.put(
        "credentials",
        &[
            plain.manifest(),
            services(Application::new("system"), &https).manifest(),
            services(private, &other).service("stranger", &[Entry::api(&format!("{https}/base"))]).manifest(),
            services(Application::new("unverified").spec("skipVerify", true), &self_signed).manifest(),
            secret("credentials-basic", &[("username", "test-user"), ("password", PASSWORD)]),
            secret("credentials-oauth", &[("clientId", "test-client"), ("clientSecret", &client_secret)]),
            secret("credentials-ca", &[("ca.crt", &ca)]),
        ],
    )
}

pub(super) fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let ok = || Answer { body: Text::Begins("{\"authenticated\":true".to_owned()), ..Answer::status(200) };
    let mut cases = Vec::new();
    let basic = format!("Basic {}", STANDARD.encode(format!("test-user:{PASSWORD}")));
    for (app, listener) in
        [("credentials", "http"), ("system", "https"), ("private", "other"), ("unverified", "self-signed")]
    {
        let arrival = arrival(place, listener, "/base/x")?.with("authorization", &basic);
        let request = get(&format!("/{app}/basic/x"));
        cases.push(manual(&format!("{app}: Basic"), &["AG-6-r02"], request, Expected::Arrives(arrival)));
    }
    for app in ["credentials", "system", "private", "unverified"] {
        cases.push(manual(
            &format!("{app}: OAuth"),
            &["AG-6-r02"],
            get(&format!("/{app}/oauth/bearer")),
            Expected::Answer(ok()),
        ));
        cases.push(manual(
            &format!("{app}: a wrong token of the caller is the caller's"),
            &[],
            Request::new("GET", format!("/{app}/oauth/bearer")).header("Access-Token", "Bearer wrong"),
            Expected::Answer(Answer::status(401)),
        ));
    }
    for app in ["system", "private", "unverified"] {
        cases.push(manual(
            &format!("{app}: TLS"),
            &[],
            get(&format!("/{app}/open/x")),
            Expected::Answer(Answer::status(200)),
        ));
    }
    cases.push(manual(
        "a private CA is the only one that counts",
        &["AG-13-r06", "AG-14-r36"],
        get("/private/stranger/x"),
        Expected::Refused(Answer::empty(502, Reason::TargetUnreachable)),
    ));
    Ok(cases)
}
