//! A control plane that starts again is another epoch: only differences cross the wire, and nothing is forgotten
//! meanwhile (design decision 7).

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use fairlead_cases::cover;
use fairlead_testkit::{
    Result,
    bed::{Bed, LIMIT},
    http::Request,
    load::Load,
    resources::{Application, Entry, secret},
    wait,
};

/// Enough that a listing of all records would be seen in the bytes.
const APPLICATIONS: usize = 400;
/// Two workers, and the main thread's VM.
const POLLERS: u64 = 3;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// A counter of the control plane for the egress view.
fn served(bed: &Bed, metric: &str, answer: &str) -> Result<u64> {
    let text = bed.control.metrics()?.text();
    let name = format!("fairlead_control_{metric}_total{{view=\"egress\",answer=\"{answer}\"}} ");
    Ok(text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0))
}

#[test]
fn after_a_restart_only_differences_are_fetched_and_nothing_is_forgotten_meanwhile() {
    let mut http = String::new();
    let app =
        |name: &str, target: &str| Application::new(name).service("svc", &[Entry::api(target)]).manifest();
    let mut bed = Bed::start(|seed| {
        http = seed.double.url("http")?;
        let client_secret = seed.secret("client-secret")?;
        let all: Vec<_> =
            (0..APPLICATIONS).map(|n| app(&format!("app-{n}"), &format!("{http}/v0"))).collect();
        seed.put("all.yaml", &all);
        seed.put("changed.yaml", &[app("changed", &format!("{http}/v0"))]);
        seed.put("gone.yaml", &[app("gone", &http)]);
        let oauth = Application::new("oauth").service(
            "svc",
            &[Entry::api(&format!("{http}/protected")).oauth("oauth", &format!("{http}/oauth/token"))],
        );
        let credentials = secret("oauth", &[("clientId", "id"), ("clientSecret", &client_secret)]);
        seed.put("oauth.yaml", &[oauth.manifest(), credentials]);
        seed.double.change(|settings| settings.record = false)
    })
    .unwrap();
    for path in ["/app-0/svc", "/changed/svc", "/gone/svc", "/oauth/svc/bearer"] {
        bed.until(&get(path), |answer| answer.status == 200).unwrap();
    }
    // Each worker holds its own grants: enough connections that each of them asked for one.
    Load::new(bed.manual_address(), 64, &[get("/oauth/svc/bearer")]).run(64).unwrap();
    assert_eq!(bed.double.counts().unwrap().token_requests, 1);
    let full = served(&bed, "feed_bytes", "records").unwrap() / POLLERS;
    assert!(full > 50_000, "{full}");

    let mut paths: Vec<_> = (0..APPLICATIONS).step_by(20).map(|n| get(&format!("/app-{n}/svc"))).collect();
    paths.extend([get("/changed/svc"), get("/oauth/svc/bearer")]);
    let load = Load::new(bed.manual_address(), 8, &paths).rate(500).judge(|status, _| status == 200);
    let running = load.background().unwrap();
    let listings = || bed_listings(&bed);
    let before = listings();
    bed.control.stop().unwrap();
    // Traffic goes on, OAuth and a deleted Application included, and changes wait.
    let resources = bed.resources().unwrap();
    resources.put("changed.yaml", &[app("changed", &format!("{http}/v1"))]).unwrap();
    resources.put("new.yaml", &[app("new", &http)]).unwrap();
    resources.remove("gone.yaml").unwrap();
    let begun = running.begun();
    wait::until("calls without a control plane", LIMIT, || (running.begun() > begun + 500).then_some(()))
        .unwrap();
    assert_eq!(bed.manual(&get("/gone/svc")).unwrap().status, 200);
    assert_eq!(bed.manual(&get("/new/svc")).unwrap().status, 404);
    // No request asks for an Application or a Secret, so none fails for whom there is nobody to ask (AG §4, §14; design
    // decision 7).
    ["AG-4-r05", "AG-14-r07", "AG-14-r08", "AG-14-r10", "AG-14-r27"].into_iter().for_each(cover);

    bed.control.start_again().unwrap();
    bed.until(&get("/new/svc"), |answer| answer.status == 200).unwrap();
    bed.until(&get("/changed/svc"), |answer| answer.text().contains("/v1")).unwrap();
    bed.until(&get("/gone/svc"), |answer| answer.status == 404).unwrap();
    wait::until("all listings", LIMIT, || (bed_listings(&bed) >= before + POLLERS).then_some(())).unwrap();
    let report = running.stop().unwrap();
    assert_eq!((report.failed(), report.wrong), (0, 0), "{:?} {:?}", report.failures, report.examples);

    // The new process served hashes of everything, and two records to each VM.
    let count = |metric: &str, answer: &str| served(&bed, metric, answer).unwrap();
    assert_eq!(count("feed_answers", "records"), 0);
    assert_eq!(count("feed_answers", "wanted"), POLLERS);
    assert!(count("feed_bytes", "wanted") < POLLERS * 1500, "{}", count("feed_bytes", "wanted"));
    assert!(count("feed_bytes", "hashes") < POLLERS * full / 2, "{}", count("feed_bytes", "hashes"));
    // The grants that the workers held are still theirs.
    assert_eq!(bed.double.counts().unwrap().token_requests, 1);
    bed.finish().unwrap();
}

/// Listings that all VMs have ended.
fn bed_listings(bed: &Bed) -> u64 {
    bed.egress.stat(|name| name.contains("feed_listings")).unwrap()
}
