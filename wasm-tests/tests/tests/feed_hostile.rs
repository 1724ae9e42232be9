//! A control plane that says anything at all: the gateway keeps what it has, and comes back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: a failure is a failed test")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    external::record::Recorded,
    http::Request,
    load::Load,
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_tests::standin::{Asked, Bytes, StandIn};

/// Worker threads; each polls, and so does the main thread's VM.
const WORKERS: usize = 2;
const POLLERS: usize = WORKERS + 1;

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// What is answered to a poll that had `epoch` and `revision`; none of it is the contract's.
fn nonsense(epoch: &str, revision: &str) -> Vec<Bytes> {
    let ok = |body: &str| Bytes::marked(200, body);
    let poll = |rest: &str| ok(&format!(r#"{{"epoch":"{epoch}","revision":{revision}{rest}}}"#));
    let key = |key: &str, record: &str| {
        format!(r#","more":true,"changed":[{{"key":{key},"hash":"0","record":{record}}}]"#)
    };
    let deep = "[".repeat(200_000);
    let long = "k".repeat(1 << 20);
    let many: Vec<String> = (0..20_000)
        .map(|n| format!(r#"{{"key":"many/svc/{n:08}","hash":"{n:032x}","record":{{"outcome":{{}}}}}}"#))
        .collect();
    let mut short = Bytes::with(200, "x-fairlead-feed: 1\r\n", "{}");
    short.bytes =
        b"HTTP/1.1 200 Any\r\nx-fairlead-feed: 1\r\ncontent-length: 100\r\n\r\n{\"epoch\":".to_vec();
    short.close = true;
    let mut garbage = short.clone();
    garbage.bytes = b"\0\xff no HTTP at all\r\n\r\n".to_vec();
    let mut silent = short.clone();
    silent.bytes.clear();
    vec![
        ok(""),
        ok("null"),
        ok("[]"),
        ok("{}"),
        ok("{\"epoch\":"),
        ok(&deep),
        ok(&format!("{{\"epoch\":{deep}")),
        ok(&"9".repeat(100_000)),
        Bytes::marked(200, b"\xff\xfe{\"epoch\":\"\0\"}"),
        Bytes::marked(200, vec![b' '; 2 << 20]),
        // More than Envoy takes of a dispatched answer.
        Bytes::marked(200, vec![b' '; 33 << 20]),
        ok(&format!(r#"{{"epoch":"{epoch}","revision":-1}}"#)),
        ok(&format!(r#"{{"epoch":"{epoch}","revision":1e400}}"#)),
        ok(&format!(r#"{{"epoch":7,"revision":{revision}}}"#)),
        poll(r#","changed":{}"#),
        poll(r#","changed":[{"key":"a/b/c"}]"#),
        poll(r#","removed":[1]"#),
        poll(&key("7", "{}")),
        // Envelopes that are right around records that are not: only those records suffer.
        poll(&key(r#""""#, "null")),
        poll(&key(r#""evil/svc/x""#, r#"{"outcome":"nonsense"}"#)),
        poll(&key(r#""evil/\u0000\ud83d\ude00/..""#, r#"{"outcome":{"route":{}}}"#)),
        poll(&key(&format!("\"{long}\""), "[]")),
        poll(&key(r#""evil/deep/x""#, &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))),
        poll(&format!(r#","more":true,"changed":[{}]"#, many.join(","))),
        poll(r#","more":true,"removed":["","nobody/nothing/at-all","\u0000"]"#),
        // Not from the control plane.
        Bytes::with(200, "", format!(r#"{{"epoch":"{epoch}","revision":{revision},"removed":["app/svc"]}}"#)),
        Bytes::marked(204, ""),
        Bytes::marked(302, ""),
        Bytes::marked(403, "no"),
        Bytes::marked(404, ""),
        Bytes::marked(500, "{}"),
        Bytes::with(200, &format!("x-fairlead-feed: {}\r\n", "1".repeat(40_000)), "{}"),
        short,
        garbage,
        silent,
    ]
}

/// Listings of another epoch that lead nowhere.
fn listing(asked: &Asked, step: usize) -> Bytes {
    let ok = |body: &str| Bytes::marked(200, body);
    let epoch = asked.query("epoch");
    if asked.path.contains("/hashes") {
        return match step % 5 {
            // Round in circles, backwards, another epoch, no hash, then an end without all of it being fetched.
            0 => ok(&format!(r#"{{"epoch":"{epoch}","hashes":[],"more":true}}"#)),
            1 => ok(&format!(r#"{{"epoch":"{epoch}","hashes":[["b","0"],["a","0"]]}}"#)),
            2 => ok(r#"{"epoch":"yet another","hashes":[]}"#),
            3 => ok(&format!(r#"{{"epoch":"{epoch}","hashes":[["b"]]}}"#)),
            _ => ok(&format!(r#"{{"epoch":"{epoch}","hashes":[["evil/svc/x","zz"]]}}"#)),
        };
    }
    match step % 3 {
        0 => ok(&format!(r#"{{"epoch":"{epoch}","records":[],"more":true}}"#)),
        1 => ok(&format!(r#"{{"epoch":"{epoch}","records":[{{"key":"c","hash":"0","record":1}}]}}"#)),
        _ => Bytes::marked(500, ""),
    }
}

#[test]
fn whatever_the_control_plane_says_the_view_stays_and_no_vm_dies() {
    let mut bed = Bed::start(|seed| {
        let (password, client_secret) = (seed.secret("password")?, seed.secret("client-secret")?);
        let http = seed.double.url("http")?;
        let app = Application::new("app")
            .service("svc", &[Entry::api(&http).basic("basic")])
            .service("oauth", &[Entry::api(&http).oauth("oauth", &format!("{http}/oauth/token"))]);
        let basic = secret("basic", &[("username", "u"), ("password", &password)]);
        let oauth = secret("oauth", &[("clientId", "id"), ("clientSecret", &client_secret)]);
        seed.put("app.yaml", &[app.manifest(), basic, oauth]);
        Ok(())
    })
    .unwrap();
    bed.until(&get("/app/svc"), |answer| answer.status == 200).unwrap();
    let load = Load::new(bed.manual_address(), 4, &[get("/app/svc/x")])
        .rate(200)
        .judge(|status, body| status == 200 && body.windows(6).any(|part| part == b"Basic "));
    let running = load.background().unwrap();
    bed.control.kill().unwrap();

    // Every second poll gets what the contract allows, so that back-off does not make this long.
    let kinds = nonsense("", "0").len();
    let (polls, listings, grants) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let epoch = Arc::new(Mutex::new(String::new()));
    let counters = (Arc::clone(&polls), Arc::clone(&listings), Arc::clone(&grants), Arc::clone(&epoch));
    let answer = move |asked: &Asked| {
        let (polls, listings, grants, known) = &counters;
        if asked.path.starts_with("/grants/") {
            return match grants.fetch_add(1, Ordering::SeqCst) {
                0 => Bytes::marked(200, "{\"granted\":"),
                1 => {
                    Bytes::marked(200, r#"{"granted":{"serial":1,"authorization":"Bearer a\r\nx-evil: 1"}}"#)
                }
                2 => Bytes::marked(500, ""),
                3 => Bytes::with(200, "", r#"{"granted":{"serial":1,"authorization":"Bearer not-ours"}}"#),
                _ => Bytes::marked(200, r#"{"granted":{"serial":1,"authorization":"Bearer stand-in"}}"#),
            };
        }
        if !asked.path.starts_with("/feed/v1/egress?") {
            return listing(asked, listings.fetch_add(1, Ordering::SeqCst));
        }
        let step = polls.fetch_add(1, Ordering::SeqCst);
        let (epoch, revision) = (asked.query("epoch"), asked.query("revision"));
        if epoch.is_empty() || step >= 2 * kinds + 2 {
            // Another epoch: everything is listed anew.
            let mut known = known.lock().unwrap();
            *known = format!("{step:032x}");
            return Bytes::marked(200, format!(r#"{{"epoch":"{known}","revision":1,"resync":true}}"#));
        }
        if step % 2 == 1 {
            return Bytes::marked(200, format!(r#"{{"epoch":"{epoch}","revision":{revision},"more":true}}"#));
        }
        nonsense(epoch, revision).swap_remove(step / 2 % kinds)
    };
    let stand_in = StandIn::start(&bed, answer).unwrap();
    // A grant of the stand-in, after it was asked often enough; each worker comes to it at its own time.
    let granted =
        wait::attempt("the stand-in's grant", LIMIT, || bed.manual(&get("/app/oauth/x"))?.expect(200))
            .unwrap();
    assert_eq!(granted.json::<Recorded>().unwrap().header("authorization"), ["Bearer stand-in"]);
    assert!(!granted.text().contains("x-evil"));
    wait::until("all polls and listings", LIMIT, || {
        let done =
            polls.load(Ordering::SeqCst) > 2 * kinds + 2 && listings.load(Ordering::SeqCst) >= 5 * POLLERS;
        done.then_some(())
    })
    .unwrap();
    drop(stand_in);

    // The real one again: what the stand-in slipped in is gone, what is new is there.
    let http = bed.double.url("http").unwrap();
    let app = Application::new("new").service("svc", &[Entry::api(&http)]);
    bed.resources().unwrap().put("new.yaml", &[app.manifest()]).unwrap();
    bed.control.start_again().unwrap();
    bed.until(&get("/new/svc"), |answer| answer.status == 200).unwrap();
    bed.until(&get("/evil/svc"), |answer| answer.status == 404).unwrap();
    let report = running.stop().unwrap();
    assert_eq!((report.failed(), report.wrong), (0, 0), "{:?} {:?}", report.failures, report.examples);
    let stat = |words: &'static str| bed.egress.stat(|name| name.contains(words)).unwrap();
    assert_eq!(stat("vm_reload"), 0);
    assert!(stat("feed_malformed") >= 15, "{}", stat("feed_malformed"));
    assert!(stat("feed_lost") >= 9, "{}", stat("feed_lost"));
    let log = String::from_utf8_lossy(&bed.egress.log()).into_owned();
    assert!(!log.contains("failed: ") && !log.contains("panic"), "{log}");
    bed.finish().unwrap();
}
