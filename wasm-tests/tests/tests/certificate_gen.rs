//! What the embedded gateway's Envoy has of client certificates and pinned twins, and what is left of old ones.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure is a failed test")]

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    certs::Authority,
    http::Request,
    load::Load,
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_wire::{
    header::ORIGINAL_DST,
    profile::{PINNED_PREFIX, PLAIN, PREFIX, pinned},
};
use serde_json::{Value, json};

const HOST: &str = "api.example.test";

/// Names of clusters that Envoy has beside the plain profile's, by what they begin with.
fn clusters(bed: &Bed, prefix: &str) -> BTreeSet<String> {
    let dump: Value =
        bed.egress.get("/config_dump?resource=dynamic_active_clusters").unwrap().json().unwrap();
    let all = dump["configs"].as_array().cloned().unwrap_or_default();
    let names = all.iter().filter_map(|entry| entry["cluster"]["name"].as_str().map(str::to_owned));
    names.filter(|name| name.starts_with(prefix) && name != PLAIN).collect()
}

/// Files with client certificates.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory.join("sds")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("client-")).collect()
}

#[test]
fn keys_are_their_owners_and_old_ones_go() {
    let authority = Authority::new("Customers").unwrap();
    let mut lines = Vec::new();
    let mut pair = |name: &str| {
        let identity = authority.client(name).unwrap();
        lines.push(identity.key_pem.lines().nth(1).unwrap().to_owned());
        secret("pair", &[("crt", &identity.certificate_pem), ("key", &identity.key_pem)])
    };
    let (first, second) = (pair("first"), pair("second"));
    let mut bed = Bed::start(|seed| {
        seed.configure(&json!({ "profiles": { "grace": "2s" } }));
        let target = seed.double.url_by_name("mtls", HOST)?;
        let app = Application::new("app").service("svc", &[Entry::api(&target).certificate("pair")]);
        seed.put("app.yaml", &[app.manifest()]);
        seed.put("pair.yaml", &[first]);
        Ok(())
    })
    .unwrap();
    for line in &lines {
        bed.canary.add("client key", line).unwrap();
    }
    let call = Request::new("GET", "/app/svc/x");
    bed.until(&call, |answer| answer.status == 200).unwrap();
    let directory = bed.control.gateway("egress");
    let old = files(&directory);
    assert_eq!(old.len(), 1, "{old:?}");
    let mode = fs::metadata(directory.join("sds").join(&old[0])).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = clusters(&bed, PREFIX);
    assert_eq!(before.len(), 1, "{before:?}");
    // Nothing is ever replayed there: no twin.
    assert_eq!(clusters(&bed, PINNED_PREFIX), BTreeSet::new());
    let dump = String::from_utf8(bed.egress.config_dump().unwrap()).unwrap();
    assert!(dump.contains("[redacted]") && !dump.contains(&lines[0]), "the key is in config_dump");

    bed.resources().unwrap().put("pair.yaml", &[second]).unwrap();
    wait::until("the end of the old pair", LIMIT, || {
        let (files, now) = (files(&directory), clusters(&bed, PREFIX));
        (files.len() == 1 && files != old && now.len() == 1 && now != before).then_some(())
    })
    .unwrap();
    bed.manual(&call).unwrap().expect(200).unwrap();
    bed.finish().unwrap();
}

#[test]
fn twins_come_and_go_under_replays() {
    let bed = Bed::start(|seed| {
        // Every token is rejected, again and again.
        seed.configure(&json!({ "profiles": { "grace": "1s" }, "grants": { "maxRejections": 100_000 } }));
        seed.workers(1);
        let (target, client) = (seed.double.url_by_name("https", HOST)?, seed.secret("client-secret")?);
        let token = format!("{}/oauth/token", seed.double.url("http")?);
        let app = Application::new("app")
            .spec("fairlead", json!({ "caSecretName": "ca" }))
            .service("svc", &[Entry::api(&target).oauth("oauth", &token)]);
        let own = fs::read_to_string(seed.double.ca())?;
        seed.put(
            "app.yaml",
            &[app.manifest(), secret("oauth", &[("clientId", "id"), ("clientSecret", &client)])],
        );
        seed.put("ca.yaml", &[secret("ca", &[("ca.crt", &own)])]);
        Ok(())
    })
    .unwrap();
    let call = Request::new("GET", "/app/svc/protected/bearer");
    bed.until(&call, |answer| answer.status == 200).unwrap();
    let own = fs::read_to_string(bed.double.ca()).unwrap();
    let load = Load::new(bed.manual_address(), 4, std::slice::from_ref(&call)).rate(100);
    let load = load.background().unwrap();
    let mut replayed = 0;
    for round in 0..4 {
        let before = clusters(&bed, PREFIX);
        let bundle = format!("{own}{}", Authority::new(&format!("further {round}")).unwrap().pem());
        bed.resources().unwrap().put("ca.yaml", &[secret("ca", &[("ca.crt", &bundle)])]).unwrap();
        wait::until("the old profile to go, and its twin with it", LIMIT, || {
            bed.double.revoke_tokens().ok()?;
            let now = clusters(&bed, PREFIX);
            let twins: BTreeSet<_> = now.iter().filter_map(|name| pinned(name)).collect();
            (now.len() == 1 && now != before && clusters(&bed, PINNED_PREFIX) == twins).then_some(())
        })
        .unwrap();
        let seen = bed.double.recorded(&[("listener", "https")]).unwrap();
        replayed += seen.iter().filter(|request| !request.header(ORIGINAL_DST).is_empty()).count();
        bed.double.clear().unwrap();
    }
    let report = load.stop().unwrap();
    assert_eq!(report.failed(), 0, "{:?}", report.failures);
    // A second rejection reaches the caller; nothing else does.
    assert!(report.statuses.keys().all(|status| matches!(status, 200 | 401)), "{:?}", report.statuses);
    assert!(replayed > 10, "{replayed}");
    wait::until("a token that holds", Duration::from_secs(20), || {
        bed.manual(&call).ok()?.expect(200).ok().map(|_| ())
    })
    .unwrap();
    bed.finish().unwrap();
}
