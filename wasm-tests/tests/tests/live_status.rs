//! What cannot be used changes nothing, and is told: `fairlead status`, `fairlead explain`, the log.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a failure is a failed test")]

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    external::record::Recorded,
    http::Request,
    resources::{Application, Entry, secret},
    wait,
};

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// Waits until `fairlead status` has all of these words in one line; the whole of it.
fn status(bed: &Bed, words: &[&str]) -> String {
    wait::attempt(&format!("{words:?} in the status"), LIMIT, || {
        let (_, text, errors) = bed.control.command(&["status"])?;
        let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        found.then(|| text.clone()).ok_or_else(|| fairlead_testkit::Error::new(text + &errors))
    })
    .unwrap()
}

/// Waits until a line of the log has all of these words.
fn logged(bed: &Bed, words: &[&str]) {
    wait::attempt(&format!("{words:?} in the log"), LIMIT, || {
        let log = String::from_utf8_lossy(&bed.control.log()).into_owned();
        let found = log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        found.then_some(()).ok_or_else(|| fairlead_testkit::Error::new(log))
    })
    .unwrap();
}

/// What `fairlead explain` says; no secret is in it.
fn explain(bed: &Bed, path: &str) -> String {
    let (_, text, errors) = bed.control.command(&["explain", path]).unwrap();
    let both = text + &errors;
    bed.canary.check(&[(format!("explain {path}"), both.clone().into_bytes())]).unwrap();
    both
}

fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
}

#[test]
fn the_last_good_state_stays_and_file_field_and_reason_are_told() {
    let mut http = String::new();
    let bed = Bed::start(|seed| {
        http = seed.double.url("http")?;
        let password = seed.secret("password")?;
        let app = Application::new("app").service("svc", &[Entry::api(&http).basic("basic")]);
        let other = Application::new("other").service("svc", &[Entry::api(&format!("{http}/other"))]);
        seed.put("app.yaml", &[app.manifest()]);
        seed.put("other.yaml", &[other.manifest()]);
        seed.put("secret.yaml", &[secret("basic", &[("username", "u"), ("password", &password)])]);
        Ok(())
    })
    .unwrap();
    let resources = bed.resources().unwrap();
    bed.until(&get("/app/svc"), |answer| answer.status == 200).unwrap();
    let authorization =
        || bed.manual(&get("/app/svc")).unwrap().json::<Recorded>().unwrap().header("authorization");
    let good = authorization();

    // A file that does not parse; the next file's change is effective all the same.
    resources.text("app.yaml", "kind: Application\nspec:\n  services: [").unwrap();
    let text = status(&bed, &["manifests that cannot be used"]);
    let told = text.split_once("manifests that").unwrap().1;
    assert!(told.contains("app.yaml") && told.contains("document 1, line 4 column 1: "), "{text}");
    logged(&bed, &["app.yaml", "its last good state stays", "\"field\"", "\"reason\""]);
    assert_eq!(authorization(), good);
    let more = Application::new("other").service("svc", &[Entry::api(&format!("{http}/changed"))]);
    resources.put("other.yaml", &[more.manifest()]).unwrap();
    bed.until(&get("/other/svc"), |answer| answer.text().contains("/changed")).unwrap();

    // A field of the wrong type is named by its path.
    let wrong = Application::new("app").spec("encodeUrl", "perhaps").service("svc", &[Entry::api(&http)]);
    resources.put("app.yaml", &[wrong.manifest()]).unwrap();
    status(&bed, &["app.yaml", "encodeUrl"]);
    logged(&bed, &["app.yaml", "encodeUrl"]);
    assert_eq!(authorization(), good);

    // It refers to a Secret that is not there.
    let missing = Application::new("app").service("svc", &[Entry::api(&http).basic("nowhere")]);
    resources.put("app.yaml", &[missing.manifest()]).unwrap();
    let text = status(&bed, &["credentials", "nowhere"]);
    holds(&text, &["app (", "app.yaml"]);
    assert!(!text.contains("manifests that cannot be used"), "{text}");
    logged(&bed, &["\"application\":\"app\"", "app.yaml", "\"field\":", "credentials", "secret_missing"]);
    assert_eq!(authorization(), good);
    holds(&explain(&bed, "app/svc"), &["match        app/svc/", "problem", "nowhere"]);

    // It comes, and everything is well again.
    let password = "another-password";
    resources
        .put("nowhere.yaml", &[secret("nowhere", &[("username", "u"), ("password", password)])])
        .unwrap();
    wait::until("the new Secret", LIMIT, || (authorization() != good).then_some(())).unwrap();
    logged(&bed, &["has no problem any longer"]);
    let (_, text, _) = bed.control.command(&["status"]).unwrap();
    assert!(!text.contains("nowhere"), "{text}");
    bed.finish().unwrap();
}

#[test]
fn explain_says_what_a_call_meets() {
    let bed = Bed::start(|seed| {
        let http = seed.double.url("http")?;
        let token = format!("{http}/oauth/token?key={}", seed.secret("key")?.replace('+', "%2B"));
        let (password, header, client) =
            (seed.secret("password")?, seed.secret("header")?, seed.secret("client-secret")?);
        let app = Application::new("app")
            .service("Plain Service", &[Entry::api(&format!("{http}/base"))])
            .service("basic", &[Entry::api(&http).basic("basic").parameters("custom")])
            .service("oauth", &[Entry::api(&http).oauth("oauth", &token)])
            .service("bad", &[Entry::api("ftp://example.test")])
            .service("lost", &[Entry::api(&http).basic("nowhere")])
            .service("two", &[Entry::api(&http).name("one"), Entry::api(&http).name("other")]);
        let headers = format!(r#"{{"X-Key": ["{header}"]}}"#);
        let query = format!(r#"{{"key": ["{header}"]}}"#);
        seed.put(
            "app.yaml",
            &[
                app.manifest(),
                secret("basic", &[("username", "u"), ("password", &password)]),
                secret("custom", &[("headers", &headers), ("queryParameters", &query)]),
                secret("oauth", &[("clientId", "id"), ("clientSecret", &client)]),
            ],
        );
        Ok(())
    })
    .unwrap();
    let http = bed.double.url("http").unwrap();
    let base = format!("target       {http}/base");
    holds(
        &explain(&bed, "app/plain-service"),
        &["match        app/plain-service/", &base, "transport    plain (fairlead.t.", "credential   none"],
    );
    holds(
        &explain(&bed, "app/basic"),
        &["Basic [redacted]", "kyma-system/basic", "x-key: [redacted]", "key=[redacted]"],
    );
    let token = format!("Bearer [redacted], a token from {http}/oauth/token (plain)");
    holds(&explain(&bed, "app/oauth"), &[&token, "kyma-system/oauth"]);
    holds(&explain(&bed, "app/Plain Service"), &["match        none", "did you mean app/plain-service"]);
    // Refusals are the ones that a caller gets, byte for byte.
    for path in ["app/two", "app/bad", "app/lost", "app/nothing", "nobody/svc", "app"] {
        let answer = bed.manual(&get(&format!("/{path}"))).unwrap();
        let reason = answer.header("x-fairlead-reason").join(",");
        let verdict = format!("answer       {} ({reason})", answer.status);
        let text = answer.text();
        let body = if text.is_empty() { "empty" } else { text.trim_end() };
        holds(&explain(&bed, path), &[&verdict, &format!("body         {body}")]);
    }
    bed.finish().unwrap();
}
