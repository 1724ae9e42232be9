//! Acceptance walk A (spec/acceptance.md): register a service and call it, with the tools of the tutorial.
//!
//! The default `ApplicationConnector` of step 1 and a caller with a sidecar are not here: the first comes with #9, the
//! last needs a kubelet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use fairlead_mesh::MeshBed;
use fairlead_testkit::{Error, certs::Authority, external::record::Recorded, mesh::Ran, wait};
use fairlead_tests::place::{Needs, Place as _};
use serde_json::Value;

/// "≤ 1 s", from the end of the writing command.
const EFFECTIVE: Duration = Duration::from_secs(1);
const GATEWAY: &str = "http://central-application-gateway.kyma-system";
const AUTHENTICATED: &str = "8080/test-app/test-basic-auth/basic-auth/test-user/test-password";

/// What the tutorial has the reader do, and time.
struct Walk<'a> {
    bed: &'a MeshBed,
    /// `name: how long` of each change.
    times: String,
}

/// An answer to `curl --write-out`: body and status.
#[derive(Debug)]
struct Answer {
    status: String,
    body: String,
}

impl Walk<'_> {
    /// `curl` from a workload.
    fn curl(&self, rest: &str) -> Answer {
        let Ran { output, errors, .. } =
            self.bed.curl(&["--write-out", "\n%{http_code}", &format!("{GATEWAY}:{rest}")]).unwrap();
        let (body, status) = output.rsplit_once('\n').unwrap_or_else(|| panic!("curl said {output}{errors}"));
        Answer { status: status.to_owned(), body: body.to_owned() }
    }

    /// Writes, then calls until the answer is as wanted, at most [`EFFECTIVE`] later.
    fn change(
        &mut self,
        what: &str,
        write: impl FnOnce(&MeshBed),
        rest: &str,
        wanted: impl Fn(&Answer) -> bool,
    ) -> Answer {
        write(self.bed);
        let begin = Instant::now();
        let answer = wait::attempt(what, EFFECTIVE, || {
            let answer = self.curl(rest);
            if wanted(&answer) { Ok(answer) } else { Err(Error::new(format!("{answer:?}"))) }
        });
        let answer = answer.unwrap();
        writeln!(self.times, "{what}: {} ms", begin.elapsed().as_millis()).unwrap();
        answer
    }

    fn kubectl_apply(&self, manifest: &str) {
        self.bed.mesh.kubectl_apply(manifest).unwrap();
    }

    fn kubectl(&self, line: &str) -> String {
        self.bed.mesh.kubectl(&line.split(' ').collect::<Vec<_>>()).unwrap()
    }

    /// The double's URL for pods.
    fn target(&self, listener: &str) -> String {
        self.bed.double.url_by_name(listener, "httpbin.example.test").unwrap()
    }
}

/// The Application `test-app` with these services (YAML, a list item each).
fn test_app(spec: &str, services: &str) -> String {
    format!(
        "apiVersion: applicationconnector.kyma-project.io/v1alpha1
kind: Application
metadata:
  name: test-app
spec:
  description: \"Integration test\"
  labels:
    region: us
    kind: production
{spec}
  services:{services}
"
    )
}

fn service(display_name: &str, entries: &str) -> String {
    let id = display_name.to_lowercase().replace(' ', "-");
    format!(
        "
  - id: {id}
    name: {id}
    displayName: \"{display_name}\"
    providerDisplayName: test
    description: test
    entries:
{entries}"
    )
}

fn entry(name: &str, url: &str, credentials: &str) -> String {
    format!("    - type: API\n      name: {name}\n      targetUrl: {url}\n{credentials}")
}

fn credentials(kind: &str, secret: &str, more: &str) -> String {
    format!("      credentials:\n        type: {kind}\n        secretName: {secret}\n{more}")
}

fn oauth(endpoint: &str) -> String {
    credentials("OAuth", "test-oauth", &format!("        authenticationUrl: {endpoint}/oauth/token\n"))
}

const BASIC: &str = "      credentials:\n        type: Basic\n        secretName: test-secret\n";
const SKIP: &str = "  skipVerify: true";

#[test]
fn walk_a() {
    super::run(&Needs::BOTH, |bed| walk(Walk { bed, times: String::new() })).unwrap();
}

#[allow(clippy::print_stdout, reason = "libtest shows it with the failure, and to whoever asks")]
fn walk(mut walk: Walk<'_>) {
    step_1_installation(&walk);
    step_2_an_application_without_services(&walk);
    step_3_and_4_basic_authentication(&mut walk);
    step_5_another_password(&mut walk);
    step_6_every_other_credential(&mut walk);
    step_7_self_signed(&mut walk);
    step_8_entries(&mut walk);
    step_9_deletion(&mut walk);
    println!("{}", walk.times);
    println!("kind's alone: a caller with a sidecar (step 4): no kubelet injects one here");
    walk.kubectl("delete secret test-secret test-oauth test-oauth-certificate test-certificate --namespace kyma-system");
}

fn step_1_installation(walk: &Walk<'_>) {
    let namespaces = walk.kubectl("get namespaces --output name");
    for name in ["kyma-system", "kyma-integration", "fairlead-ingress", "fairlead-egress"] {
        assert!(namespaces.contains(&format!("namespace/{name}\n")), "{namespaces}");
    }
    let plugins = walk.kubectl("get wasmplugins --all-namespaces --output name");
    assert_eq!(plugins.lines().count(), 2, "{plugins}");
    for gateway in [walk.bed.egress(), walk.bed.ingress()].concat() {
        let failures =
            gateway.stat(|name| name.contains("wasm") && name.ends_with("fetch_failures")).unwrap();
        assert_eq!(failures, 0, "{}", gateway.pod().name());
    }
}

fn step_2_an_application_without_services(walk: &Walk<'_>) {
    walk.kubectl_apply(&test_app("", " []"));
    let text = walk.kubectl("get app test-app --output yaml");
    assert!(text.contains("region: us") && text.contains("kind: production"), "{text}");
    wait::attempt("installationStatus", Duration::from_secs(60), || {
        let app = walk.bed.mesh.kubectl_json(&["get", "app", "test-app"])?;
        let status = app.pointer("/status/installationStatus/status").and_then(Value::as_str);
        if status == Some("deployed") { Ok(()) } else { Err(Error::new(format!("{:?}", app.get("status")))) }
    })
    .unwrap();
}

fn step_3_and_4_basic_authentication(walk: &mut Walk<'_>) {
    walk.kubectl("create secret generic test-secret --namespace kyma-system --from-literal username=test-user --from-literal password=test-password");
    let app = test_app(
        "  skipVerify: false",
        &service("test-basic-auth", &entry("v1", &walk.target("https"), BASIC)),
    );
    let answer = walk.change(
        "service registered",
        |bed| drop(bed.mesh.kubectl_apply(&app).unwrap()),
        AUTHENTICATED,
        |answer| answer.status == "200",
    );
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body.get("authenticated"), Some(&Value::Bool(true)), "{body}");
}

fn step_5_another_password(walk: &mut Walk<'_>) {
    let password = |password: &str| {
        let patch = format!(r#"{{"stringData":{{"password":"{password}"}}}}"#);
        move |bed: &MeshBed| {
            let words = ["patch", "secret", "test-secret", "--namespace", "kyma-system", "--patch", &patch];
            bed.mesh.kubectl(&words).unwrap();
        }
    };
    walk.change("password changed", password("other"), AUTHENTICATED, |answer| answer.status == "401");
    walk.change("password restored", password("test-password"), AUTHENTICATED, |answer| {
        answer.status == "200"
    });
}

fn step_6_every_other_credential(walk: &mut Walk<'_>) {
    let protected = format!("{}/protected", walk.target("https"));
    let oauth = oauth(&walk.target("https"));
    let certified = credentials(
        "OAuthWithCert",
        "test-oauth-certificate",
        &format!("        authenticationUrl: {}/oauth/certificate\n", walk.target("mtls")),
    );
    let certificate = credentials("CertificateGen", "test-certificate", "");
    let services = [
        service("Test Basic Auth", &entry("v1", &walk.target("https"), BASIC)),
        service("test-open", &entry("v1", &walk.target("http"), "")),
        service("test-oauth", &entry("v1", &protected, &oauth)),
        service("test-oauth-certificate", &entry("v1", &protected, &certified)),
        service("test-certificate", &entry("v1", &walk.target("mtls"), &certificate)),
    ];
    walk.kubectl("create secret generic test-oauth --namespace kyma-system --from-literal clientId=client --from-literal clientSecret=s3cret-of-the-client");
    let authority = Authority::new("Customers").unwrap();
    for (secret, name) in [("test-oauth-certificate", "token-client"), ("test-certificate", "target-client")]
    {
        let identity = authority.client(name).unwrap();
        walk.bed.secret_is(secret, identity.key_pem.lines().nth(1).unwrap()).unwrap();
        let pair = identity.write(walk.bed.mesh.directory(), secret).unwrap();
        walk.kubectl(&format!(
            "create secret generic {secret} --namespace kyma-system --from-literal clientId=client --from-file crt={} --from-file key={}",
            pair.0.display(),
            pair.1.display()
        ));
    }
    let app = test_app("", &services.concat());
    let open = walk.change(
        "service without authentication",
        |bed| drop(bed.mesh.kubectl_apply(&app).unwrap()),
        "8080/test-app/test-open/things?a=b",
        |answer| answer.status == "200",
    );
    assert!(!open.body.to_lowercase().contains("authorization"), "{}", open.body);
    assert_eq!(walk.curl(AUTHENTICATED).status, "200", "by the name made of `Test Basic Auth`");
    let bearer = walk.curl("8080/test-app/test-oauth/bearer");
    assert_eq!(bearer.status, "200", "{}", bearer.body);
    let recorded = walk.bed.double.recorded(&[]).unwrap();
    let with = |path: &str| {
        let found = recorded.iter().rev().find(|request| request.path().ends_with(path.as_bytes()));
        serde_json::to_value(found).unwrap().to_string()
    };
    let asked = with("/oauth/token");
    for words in ["grant_type=client_credentials", "client_id=client", "client_secret=s3cret-of-the-client"] {
        assert!(asked.contains(words), "{asked}");
    }
    assert!(with("/basic-auth/test-user/test-password").contains("Basic dGVzdC11c2VyOnRlc3QtcGFzc3dvcmQ="));
    assert!(with("/protected/bearer").contains("Bearer "), "{}", with("/protected/bearer"));
    client_certificates(walk);
}

/// What a target and a token endpoint see of them.
fn client_certificates(walk: &Walk<'_>) {
    let shown = |request: &Recorded| {
        let peer = request.tls.as_ref().and_then(|tls| tls.peer.clone());
        peer.map(|peer| peer.common_names).unwrap_or_default()
    };
    let double = &walk.bed.double;
    double.clear().unwrap();
    let bearer = walk.curl("8080/test-app/test-oauth-certificate/bearer");
    assert_eq!(bearer.status, "200", "{}", bearer.body);
    let seen = double.recorded(&[]).unwrap();
    let [asked, called] = &seen[..] else { panic!("a token request and a call: {seen:?}") };
    assert_eq!((asked.listener.as_str(), shown(asked)), ("mtls", vec!["token-client".to_owned()]));
    assert!(asked.header("authorization").is_empty(), "{asked:?}");
    let form = asked.body.content.as_ref().unwrap().text();
    assert_eq!(form, "client_id=client&grant_type=client_credentials");
    assert_eq!(
        (called.listener.as_str(), shown(called)),
        ("https", Vec::new()),
        "only the token endpoint sees it"
    );
    assert!(called.header("authorization").concat().starts_with("Bearer "), "{called:?}");

    double.clear().unwrap();
    let answer = wait::attempt("the transport with the certificate", EFFECTIVE, || {
        let answer = walk.curl("8080/test-app/test-certificate/things");
        if answer.status == "200" { Ok(answer) } else { Err(Error::new(format!("{answer:?}"))) }
    });
    let answer = answer.unwrap();
    let seen = double.recorded(&[("listener", "mtls")]).unwrap();
    let [seen] = &seen[..] else { panic!("one call: {}", answer.body) };
    assert_eq!(shown(seen), ["target-client"]);
    assert!(seen.header("authorization").is_empty(), "{seen:?}");
}

fn step_7_self_signed(walk: &mut Walk<'_>) {
    let call = "8080/test-app/test-self-signed/things";
    let services = service("test-self-signed", &entry("v1", &walk.target("self-signed"), ""));
    let (verified, skipped) = (test_app("", &services), test_app(SKIP, &services));
    let apply = |text: &str| {
        let text = text.to_owned();
        move |bed: &MeshBed| drop(bed.mesh.kubectl_apply(&text).unwrap())
    };
    let refused = |answer: &Answer| answer.status == "502" && answer.body.is_empty();
    walk.change("self-signed target", apply(&verified), call, refused);
    walk.change("skipVerify", apply(&skipped), call, |answer| answer.status == "200");
    walk.change("verified again", apply(&verified), call, refused);

    let oauth = oauth(&walk.target("self-signed"));
    let services = service("test-token-endpoint", &entry("v1", &walk.target("https"), &oauth));
    let refused = |answer: &Answer| {
        answer.status == "502"
            && serde_json::from_str::<Value>(&answer.body).is_ok_and(|json| json.get("error").is_some())
    };
    let call = "8080/test-app/test-token-endpoint/things";
    let (verified, skipped) = (test_app("", &services), test_app(SKIP, &services));
    walk.change("self-signed token endpoint", apply(&verified), call, refused);
    walk.change("skipVerify of it", apply(&skipped), call, |answer| answer.status == "200");
    walk.change("token endpoint verified again", apply(&verified), call, refused);
}

fn step_8_entries(walk: &mut Walk<'_>) {
    let entries = [
        entry("first", &format!("{}/one", walk.target("http")), ""),
        entry("second", &format!("{}/two", walk.target("http")), ""),
    ];
    let app = test_app("", &service("test-entries", &entries.concat()));
    let second = walk.change(
        "service with entries",
        |bed| drop(bed.mesh.kubectl_apply(&app).unwrap()),
        "8082/test-app/test-entries/second/things",
        |answer| answer.status == "200",
    );
    assert!(second.body.contains("/two/things"), "{}", second.body);
    let first = walk.curl("8082/test-app/test-entries/first/things");
    assert!(first.body.contains("/one/things"), "{}", first.body);
}

fn step_9_deletion(walk: &mut Walk<'_>) {
    let call = "8082/test-app/test-entries/first/things";
    let delete = |bed: &MeshBed| drop(bed.mesh.kubectl(&["delete", "app", "test-app"]).unwrap());
    walk.change("Application deleted", delete, call, |answer| answer.status == "404");
}
