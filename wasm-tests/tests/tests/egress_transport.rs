//! A transport profile that the embedded gateway's Envoy does not know.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure is a failed test")]

use fairlead_testkit::{
    bed::Bed,
    http::Request,
    resources::{Application, Entry},
};
use fairlead_tests::case::Answer;
use fairlead_wire::Reason;
use serde_json::{Value, json};

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

#[test]
fn transport_unknown_profile() {
    let bed = Bed::start(|seed| {
        let target = seed.double.url_by_name("https", "api.example.test")?;
        let app = Application::new("guard").service("good", &[Entry::api(&format!("{target}/base"))]);
        seed.put("guard.yaml", &[app.manifest()]);
        Ok(())
    })
    .unwrap();
    // A profile that Envoy does not know: never another target, and back as soon as it knows.
    bed.manual(&get("/guard/good/x")).unwrap().expect(200).unwrap();
    let file = bed.control.gateway("egress").join("xds/cds.json");
    let known = std::fs::read(&file).unwrap();
    let mut cds: Value = serde_json::from_slice(&known).unwrap();
    cds["resources"] = json!([]);
    cds["version_info"] = json!("none");
    let replace = |content: &[u8]| {
        let staged = file.with_extension("staged");
        std::fs::write(&staged, content).unwrap();
        std::fs::rename(&staged, &file).unwrap();
    };
    replace(&serde_json::to_vec(&cds).unwrap());
    bed.until(&get("/guard/good/x"), |answer| answer.status == 503).unwrap();
    let missing =
        Answer::json(503, Reason::ProfileMissing, "the gateway does not know the transport profile yet");
    missing.header("retry-after", "1").check(&bed.manual(&get("/guard/good/x")).unwrap()).unwrap();
    replace(&known);
    bed.until(&get("/guard/good/x"), |answer| answer.status == 200).unwrap();
    bed.finish().unwrap();
}
