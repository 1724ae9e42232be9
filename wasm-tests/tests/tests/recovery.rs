//! A killed VM comes back: every worker serves again within two seconds, with credentials, and who waited is answered.

use std::time::{Duration, Instant};

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    http::{Connection, Request},
    load::Load,
    process::program,
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::json;

#[test]
fn every_worker_serves_again_within_two_seconds_of_a_killed_vm() {
    let bed = Bed::start(|seed| {
        let password = seed.secret("password")?;
        let app =
            Application::new("app").service("svc", &[Entry::api(&seed.double.url("http")?).basic("basic")]);
        seed.put(
            "app.yaml",
            &[app.manifest(), secret("basic", &[("username", "u"), ("password", &password)])],
        );
        let module = program("FAIRLEAD_MODULE_CRASH", "fairlead-crash-test.wasm")?;
        seed.configure(&json!({ "gateways": { "module": module } }));
        Ok(())
    })
    .unwrap();
    let get = Request::new("GET", "/app/svc/x");
    bed.until(&get, |answer| answer.status == 200).unwrap();
    for _ in 0..3 {
        let crash = Request::new("GET", "/app/svc/x").header("x-crash-test", "1");
        let answer = bed.manual(&crash).unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text());
        let begin = Instant::now();
        // New connections go to any worker: when many in a row are served, all workers are back.
        wait::attempt("all workers", LIMIT, || {
            for _ in 0..16 {
                let mut connection = Connection::open(bed.manual_address())?;
                let answer = connection.send(&get)?.expect(200)?;
                assert!(answer.text().contains("Basic "), "{}", answer.text());
            }
            Ok(())
        })
        .unwrap();
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    }
    let report =
        Load::new(bed.manual_address(), 16, &[get]).judge(|status, _| status == 200).run(500).unwrap();
    assert_eq!((report.failed(), report.wrong), (0, 0), "{report:?}");
    bed.finish().unwrap();
}
