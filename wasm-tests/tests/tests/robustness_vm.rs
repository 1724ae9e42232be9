//! A VM that dies is replaced at once, nothing passes unfiltered meanwhile, and nobody is forgotten (design decision 4).

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::time::{Duration, Instant};

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    external::record::Recorded,
    http::{Connection, Request, Response},
    load::Load,
    process::program,
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_tests::worker::{connections, crash};
use serde_json::json;

const WORKERS: usize = 2;
/// The renderer's bound: `gateways.hold`, what the plugin waits for a grant, and a second.
const FORGOTTEN: Duration = Duration::from_secs(1 + 12 + 1);

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

fn start() -> Bed {
    Bed::start(|seed| {
        let module = program("FAIRLEAD_MODULE_CRASH", "fairlead-crash-test.wasm")?;
        seed.configure(&json!({ "gateways": { "module": module, "hold": "1s" } }));
        let (password, client_secret) = (seed.secret("password")?, seed.secret("client-secret")?);
        let http = seed.double.url("http")?;
        let app = Application::new("app")
            .service("basic", &[Entry::api(&format!("{http}/base")).basic("basic")])
            .service("oauth", &[Entry::api(&http).oauth("oauth", &format!("{http}/oauth/token"))]);
        let basic = secret("basic", &[("username", "u"), ("password", &password)]);
        let oauth = secret("oauth", &[("clientId", "id"), ("clientSecret", &client_secret)]);
        seed.put("app.yaml", &[app.manifest(), basic, oauth]);
        Ok(())
    })
    .unwrap()
}

fn answer(connection: &mut Connection) -> Response {
    let mut answer = connection.begin(false).unwrap();
    connection.finish(&mut answer).unwrap();
    answer
}

/// Refused because of the plugin's state, with the advice to ask again.
fn is_refused(answer: &Response) -> bool {
    (answer.status, answer.header("x-fairlead-reason"), answer.header("retry-after"))
        == (503, vec!["cold".to_owned()], vec!["1".to_owned()])
}

#[test]
fn a_killed_vm_is_back_within_two_seconds_and_every_request_gets_an_answer() {
    let bed = start();
    bed.until(&get("/app/basic"), |answer| answer.status == 200).unwrap();
    bed.double.change(|settings| settings.token.delay_ms = 60_000).unwrap();
    let workers = connections(&bed.egress, bed.manual_address(), WORKERS, 5).unwrap();
    let load =
        Load::new(bed.manual_address(), 8, &[get("/app/basic/load")]).rate(500).judge(|status, body| {
            status == 503 || (status == 200 && body.windows(6).any(|part| part == b"Basic "))
        });
    let running = load.background().unwrap();

    let mut left = Vec::new();
    for worker in workers {
        let [mut long, mut slow, mut paused, mut killer, mut probe] =
            <[_; 5]>::try_from(worker).ok().unwrap();
        // It is at its target.
        slow.write(&get("/app/basic/delay/1000").bytes()).unwrap();
        // It waits for a token.
        let held = || bed.egress.stat(|name| name.contains("fairlead_held")).unwrap();
        let before = held();
        let asked = Instant::now();
        paused.write(&get("/app/oauth").bytes()).unwrap();
        wait::until("the held request", LIMIT, || (held() > before).then_some(())).unwrap();

        let begin = Instant::now();
        assert!(is_refused(&killer.send(&crash()).unwrap()));
        let back =
            wait::attempt("the worker", LIMIT, || probe.send(&get("/app/basic"))?.expect(200)).unwrap();
        let took = begin.elapsed();
        println!("serving again after {took:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(back.json::<Recorded>().unwrap().header("authorization").len(), 1);
        // Its answer is of a status that needs nothing of the plugin, hence passes.
        let slow = answer(&mut slow);
        assert_eq!((slow.status, slow.complete), (200, true), "{slow:?}");
        // The new VM's request is at its target, which is quiet for longer than a request without a target may be.
        long.write(&get("/app/basic/drip/1/15000").bytes()).unwrap();
        let head = long.begin(false).unwrap();
        left.push((long, head, paused, asked));
    }
    let report = running.stop().unwrap();
    assert_eq!((report.failed(), report.wrong), (0, 0), "{:?} {:?}", report.failures, report.examples);
    assert!(report.statuses.get(&200) > report.statuses.get(&503), "{:?}", report.statuses);

    for (mut long, mut head, mut paused, asked) in left {
        let forgotten = answer(&mut paused);
        assert!(is_refused(&forgotten), "{forgotten:?}");
        let waited = asked.elapsed();
        println!("the request that the dead VM held was answered after {waited:?}");
        assert!(waited < FORGOTTEN + Duration::from_secs(2), "{waited:?}");
        long.finish(&mut head).unwrap();
        assert_eq!((head.status, head.text(), head.complete), (200, "drip\n".to_owned(), true));
    }
    for seen in bed.double.recorded(&[]).unwrap() {
        let path = seen.path().starts_with(b"/base") && seen.header("authorization").len() == 1;
        assert!(path || seen.path() == b"/oauth/token", "unfiltered: {seen:?}");
    }
    bed.finish().unwrap();
}
