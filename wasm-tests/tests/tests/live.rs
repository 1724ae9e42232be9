//! Changes take effect while traffic flows, and nothing breaks.

use std::time::Duration;

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    external::record::Recorded,
    http::Request,
    load::Load,
    resources::{Application, Entry, secret},
    wait,
};

/// How many changes are made while requests flow.
const CHANGES: usize = 1000;
/// Requests a second meanwhile.
const RATE: u32 = 600;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

#[test]
fn a_thousand_changes_under_load_break_nothing() {
    let mut target = String::new();
    let bed = Bed::start(|seed| {
        target = seed.double.url("http")?;
        let app = Application::new("live").service("svc", &[Entry::api(&format!("{target}/v0"))]);
        seed.put("live.yaml", &[app.manifest()]);
        Ok(())
    })
    .unwrap();
    bed.until(&get("/live/svc"), |answer| answer.status == 200).unwrap();
    let judge = |status, body: &[u8]| status == 200 && seen(body).is_some();
    let load = Load::new(bed.manual_address(), 8, &[get("/live/svc")]).rate(RATE).judge(judge);
    let running = load.background().unwrap();
    let resources = bed.resources().unwrap();
    let mut delays = Vec::new();
    for change in 1..=CHANGES {
        let app = Application::new("live").service("svc", &[Entry::api(&format!("{target}/v{change}"))]);
        resources.put("live.yaml", &[app.manifest()]).unwrap();
        let wanted = format!("/v{change}");
        let delay = bed
            .until(&get("/live/svc"), |answer| {
                answer.json::<Recorded>().is_ok_and(|seen| seen.target == wanted)
            })
            .unwrap();
        delays.push(delay);
    }
    let report = running.stop().unwrap();
    delays.sort();
    let (median, slow) = (delays[CHANGES / 2], delays[CHANGES * 99 / 100]);
    println!("changes: median {median:?}, 99 % {slow:?}; {:.0} requests/s", report.rate());
    assert_eq!((report.failed(), report.wrong), (0, 0), "{:?} {:?}", report.failures, report.examples);
    assert!(report.rate() >= 500.0, "{}", report.rate());
    assert!(median <= Duration::from_millis(100), "{median:?}");
    bed.finish().unwrap();
}

/// The target path in an echo, if it is one of ours.
fn seen(body: &[u8]) -> Option<String> {
    let recorded: Recorded = serde_json::from_slice(body).ok()?;
    let target = recorded.target.text();
    target.starts_with("/v").then_some(target)
}

#[test]
fn passwords_services_and_deletions_are_effective_and_a_bad_file_changes_nothing() {
    let mut passwords = Vec::new();
    let mut target = String::new();
    let bed = Bed::start(|seed| {
        passwords = vec![seed.secret("first")?, seed.secret("second")?];
        target = seed.double.url("http")?;
        let app = Application::new("app").service("svc", &[Entry::api(&target).basic("basic")]);
        let basic = secret("basic", &[("username", "u"), ("password", &passwords[0])]);
        seed.put("app.yaml", &[app.manifest()]);
        seed.put("secret.yaml", &[basic]);
        Ok(())
    })
    .unwrap();
    let resources = bed.resources().unwrap();
    let authorization = |answer: &fairlead_testkit::http::Response| {
        answer.json::<Recorded>().map(|seen| seen.header("authorization")).unwrap_or_default()
    };
    let first = authorization(&bed.manual(&get("/app/svc")).unwrap());
    assert_eq!(first.len(), 1);
    let basic = secret("basic", &[("username", "u"), ("password", &passwords[1])]);
    resources.put("secret.yaml", &[basic]).unwrap();
    bed.until(&get("/app/svc"), |answer| ![first.clone(), Vec::new()].contains(&authorization(answer)))
        .unwrap();

    // A service more, then a file that does not parse: the last good state stays, and the status says why.
    let app = Application::new("app")
        .service("svc", &[Entry::api(&target).basic("basic")])
        .service("more", &[Entry::api(&target)]);
    resources.put("app.yaml", &[app.manifest()]).unwrap();
    bed.until(&get("/app/more"), |answer| answer.status == 200).unwrap();
    resources.text("app.yaml", "kind: Application\n  bad: [").unwrap();
    wait::until("the bad file in the status", LIMIT, || {
        let (_, text, _) = bed.control.command(&["status"]).ok()?;
        text.contains("app.yaml").then_some(())
    })
    .unwrap();
    assert_eq!(bed.manual(&get("/app/more")).unwrap().status, 200);

    resources.remove("app.yaml").unwrap();
    bed.until(&get("/app/more"), |answer| answer.status == 404).unwrap();
    bed.finish().unwrap();
}
