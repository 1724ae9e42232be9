//! Statuses while the API server is away, comes back, and after another replica took over.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use fairlead_mesh::{MeshBed, bed::LIMIT};
use fairlead_testkit::{Error, resources::Application, wait};
use serde_json::Value;

/// How long the process that held the Lease may be missed, beside what is waited for.
const TAKEN_OVER: Duration = Duration::from_secs(60);

fn get(bed: &MeshBed, name: &str) -> Result<Value, Error> {
    bed.mesh.kubectl_json(&["get", "app", name])
}

fn until_deployed(bed: &MeshBed, name: &str, limit: Duration) {
    wait::attempt(&format!("{name} is deployed"), limit, || {
        let application = get(bed, name)?;
        if application["status"]["installationStatus"]["status"] == "deployed" {
            return Ok(());
        }
        Err(Error::new(application.to_string()))
    })
    .unwrap();
}

#[test]
fn statuses_go_on_after_the_api_server_was_away_and_after_a_restart() {
    let bed = MeshBed::start(|_| Ok(())).unwrap();
    bed.apply(&[Application::new("away-before").manifest()]).unwrap();
    until_deployed(&bed, "away-before", LIMIT);

    bed.mesh.api_server().kill().unwrap();
    bed.mesh.api_server().start_again().unwrap();
    bed.apply(&[Application::new("away-after").manifest()]).unwrap();
    until_deployed(&bed, "away-after", TAKEN_OVER);

    // Another process knows only what it lists: nothing is written again, and what it missed is.
    let before = get(&bed, "away-before").unwrap();
    for program in bed.control() {
        program.component().kill().unwrap();
    }
    bed.apply(&[Application::new("away-missed").manifest()]).unwrap();
    for program in bed.control() {
        program.component().start_again().unwrap();
    }
    until_deployed(&bed, "away-missed", TAKEN_OVER);
    bed.apply(&[Application::new("away-last").manifest()]).unwrap();
    until_deployed(&bed, "away-last", LIMIT);
    let after = get(&bed, "away-before").unwrap();
    assert_eq!(after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    bed.finish().unwrap();
}
