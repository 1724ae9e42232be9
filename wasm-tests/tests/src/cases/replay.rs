//! A request whose target rejects our grant is sent again with a newer one (AG §11, decision 22, design decision 10).
//!
//! Each table has its grants for itself: the broker honours few rejections of one grant a minute.

use fairlead_cases::cover;
use fairlead_testkit::{
    bed::LIMIT,
    external::record::Recorded,
    http::{Connection, Request, Response},
    load::Load,
    resources::{Application, Entry, secret},
    wait,
};
use fairlead_wire::{Reason, header::REASON};
use serde_json::json;

use crate::{
    case::Answer,
    place::{Needs, Place, Way},
};

/// An egress gateway.
pub const NEEDS: Needs = Needs { config: r#"{ "grants": { "timeout": "1s" } }"#, ..Needs::EGRESS };

/// The double's listeners: HTTP/1.1, the same over TLS, HTTP/2.
const TARGETS: [&str; 3] = ["http", "https1", "https"];

/// The largest request body that is kept, by default.
const KEPT: usize = 1 << 20;
/// The largest second answer.
const ANSWER: usize = 4 << 20;

/// A caller who stays with one worker as long as it can. Another worker may hold an older token that it has not used since:
/// what is newer to that one may be over as well, and there is no third attempt.
pub(super) struct Caller<'p> {
    place: &'p dyn Place,
    connection: Option<Connection>,
}

impl<'p> Caller<'p> {
    pub(super) fn new(place: &'p dyn Place) -> Self {
        Self { place, connection: None }
    }

    pub(super) fn call(&mut self, request: &Request) -> Response {
        if let Some(answer) = self.connection.as_mut().and_then(|open| open.send(request).ok()) {
            return answer;
        }
        let connection = self.connection.insert(self.place.connect(&Way::Manual).unwrap());
        connection.send(request).unwrap()
    }

    pub(super) fn get(&mut self, path: &str) -> Response {
        self.call(&Request::new("GET", path))
    }

    /// Ends the tokens and makes a call; how often the target saw it, and the answer.
    fn rejected_once(&mut self, request: &Request) -> (Vec<Recorded>, Response) {
        let double = self.place.double();
        double.revoke_tokens().unwrap();
        double.clear().unwrap();
        let answer = self.call(request);
        (seen(self.place), answer)
    }

    /// Repeats a call until it succeeds.
    fn until_ok(&mut self, request: &Request) {
        wait::attempt("a newer token", LIMIT, || self.call(request).expect(200).map(|_| ())).unwrap();
    }
}

/// Application `name` with a service, and a grant, for each of the double's listeners.
fn plant<'p>(place: &'p dyn Place, name: &str, fairlead: &serde_json::Value) -> Caller<'p> {
    let double = place.double();
    let client_secret = place.secret("client-secret").unwrap();
    let token = format!("{}/oauth/token", double.url("http").unwrap());
    let app =
        TARGETS.iter().fold(Application::new(name).spec("fairlead", fairlead.clone()), |app, listener| {
            let target = format!("{}/base", double.url_by_name(listener, "api.example.test").unwrap());
            app.service(listener, &[Entry::api(&target).oauth(name, &format!("{token}?{name}-{listener}"))])
        });
    let manifests = [app.manifest(), secret(name, &[("clientId", "id"), ("clientSecret", &client_secret)])];
    let services = TARGETS.map(|listener| format!("{name}/{listener}"));
    place.plant(name, &manifests, &services.each_ref().map(String::as_str)).unwrap();
    // The worker has the grants, so that the first attempt goes out with them.
    let mut caller = Caller::new(place);
    for service in services {
        caller.get(&format!("/{service}/x")).expect(200).unwrap();
    }
    double.clear().unwrap();
    caller
}

/// What the targets saw, oldest first.
fn seen(place: &dyn Place) -> Vec<Recorded> {
    place.double().recorded(&[("prefix", "/base")]).unwrap()
}

/// Whatever the method, the body and the target's protocol, the second attempt is the first one with a newer token, and
/// its answer is what the caller gets.
pub fn a_call_with_a_rejected_token_is_repeated_with_a_newer_one(place: &dyn Place) {
    let mut caller = plant(place, "replay-again", &json!({}));
    let tokens = || place.double().counts().unwrap().token_requests;
    for listener in TARGETS {
        let path = format!("/replay-again/{listener}/guarded/x?q=1");
        let body: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        let request = |method: &str| {
            Request::new(method, &path)
                .header("X-Own", "1")
                .header("Cookie", "a=1")
                .header("X-Request-Id", "own")
        };
        let chunked = request("POST").chunks(body.chunks(10_000));
        for request in [request("GET"), request("POST").body(&body), chunked] {
            let before = tokens();
            let (seen, answer) = caller.rejected_once(&request);
            let echo: Recorded = answer.expect(200).unwrap().json().unwrap();
            let [first, second] = &seen[..] else { panic!("{listener}: {seen:?}") };
            assert_eq!(
                (&first.method, &first.target, &first.authority),
                (&second.method, &second.target, &second.authority)
            );
            assert_eq!(first.body.content, second.body.content);
            assert_eq!(echo.body.length, first.body.length);
            assert_eq!(tokens(), before + 1);
            let lines = |seen: &Recorded| {
                let mut lines = seen.sorted_headers();
                let changed = ["authorization", "content-length", "transfer-encoding"];
                // The three that Envoy adds to a dispatched call.
                let dispatched =
                    ["x-envoy-original-dst-host", "x-envoy-internal", "x-envoy-expected-rq-timeout-ms"];
                lines.retain(|(name, _)| {
                    !changed.contains(&name.as_str()) && !dispatched.contains(&name.as_str())
                });
                lines
            };
            assert_eq!(lines(first), lines(second), "{listener}");
            assert_ne!(first.header("authorization"), second.header("authorization"));
        }
    }
}

/// Statuses, headers and bodies of the second answer, and nothing of the first one.
pub fn the_second_answer_is_treated_as_every_answer(place: &dyn Place) {
    for (number, listener) in TARGETS.iter().enumerate() {
        let name = format!("replay-answer-{number}");
        let mut caller = plant(place, &name, &json!({}));
        let base = format!("/{name}/{listener}/guarded");
        let mut fresh = |method: &str, rest: &str| {
            // The broker's limit is a grant's: what was rejected often enough gets another grant.
            let (seen, answer) = caller.rejected_once(&Request::new(method, format!("{base}/{rest}")));
            assert_eq!(seen.len(), 2, "{listener} {rest}: {} {}", answer.status, answer.text());
            assert!(answer.header("x-rejected").is_empty() && !answer.text().contains("rejected"), "{rest}");
            assert!(!answer.header("set-cookie").contains(&"rejected=1".to_owned()), "{rest}");
            assert!(answer.header(REASON).is_empty(), "{rest}");
            assert!(answer.complete);
            answer
        };
        let query = "status=203&header=X-Own:1&header=X-Own:2&header=set-cookie:a=1&header=set-cookie:b=2\
                     &header=location:/base/y&header=connection:x-hop&header=x-hop:1&header=x-envoy-overloaded:1&body=text";
        let query = if *listener == "https" {
            query.replace("&header=connection:x-hop&header=x-hop:1", "")
        } else {
            query.to_owned()
        };
        let answer = fresh("GET", &format!("answer?{query}"));
        assert_eq!((answer.status, answer.text().as_str()), (203, "text"));
        let names = [
            "content-length",
            "content-type",
            "date",
            "location",
            "set-cookie",
            "set-cookie",
            "x-own",
            "x-own",
        ];
        let got = answer.names();
        let expected: Vec<_> = names
            .iter()
            .filter(|name| got.contains(&(**name).to_owned()))
            .map(|name| (*name).to_owned())
            .collect();
        assert_eq!(got, expected, "{listener}");
        assert_eq!(answer.header("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(answer.header("x-own"), ["1", "2"]);
        let answer = fresh("GET", "status/503");
        assert_eq!((answer.status, answer.text().as_str()), (502, "status 503"));
        assert_eq!(answer.header("target-system-status"), ["503"]);
        let answer = fresh("GET", "redirect?to=/base/other?x");
        assert_eq!(
            (answer.status, answer.header("location")),
            (302, vec![format!("/{name}/{listener}/other?x")])
        );
        let answer = fresh("HEAD", "bytes/1000");
        assert_eq!(
            (answer.status, answer.header("content-length"), answer.body.len()),
            (200, vec!["1000".to_owned()], 0)
        );
    }
    let mut caller = plant(place, "replay-answer-x", &json!({}));
    for (listener, status) in [("http", 204), ("https", 304), ("https1", 408)] {
        let path = format!("/replay-answer-x/{listener}/guarded/answer?status={status}");
        let (seen, answer) = caller.rejected_once(&Request::new("GET", path));
        assert_eq!((seen.len(), answer.status, answer.body.len()), (2, status, 0));
        assert!(answer.header(REASON).is_empty());
    }
}

/// 403 mostly forbids: what must not be executed twice is not repeated; the token is renewed all the same.
pub fn a_403_repeats_only_methods_that_may_be_executed_twice(place: &dyn Place) {
    let mut caller = plant(place, "replay-403", &json!({}));
    for (method, listener) in
        [("GET", "http"), ("PUT", "http"), ("DELETE", "https"), ("OPTIONS", "https"), ("HEAD", "https1")]
    {
        let path = format!("/replay-403/{listener}/guarded/403");
        let (seen, answer) = caller.rejected_once(&Request::new(method, path));
        assert_eq!((seen.len(), answer.status), (2, 200), "{method}");
    }
    for (method, listener) in [("POST", "http"), ("PATCH", "https")] {
        let path = format!("/replay-403/{listener}/guarded/403");
        let (seen, answer) = caller.rejected_once(&Request::new(method, &path).body("b"));
        assert_eq!(
            (seen.len(), answer.status, answer.text().as_str()),
            (1, 403, "rejected token"),
            "{method}"
        );
        // The next one has a newer token.
        caller.until_ok(&Request::new(method, &path).body("b"));
    }
}

/// Bodies at their bounds.
pub fn bodies_and_answers_are_kept_up_to_their_bounds(place: &dyn Place) {
    let mut caller = plant(place, "replay-bounds", &json!({}));
    for (listener, size, again) in
        [("http", KEPT, true), ("https", KEPT, true), ("http", KEPT + 1, false), ("https", KEPT + 1, false)]
    {
        let body = vec![b'x'; size];
        let path = format!("/replay-bounds/{listener}/guarded");
        let request = Request::new("POST", &path).chunks(body.chunks(50_000));
        let (seen, answer) = caller.rejected_once(&request);
        if again {
            assert_eq!((seen.len(), answer.status), (2, 200), "{listener} {size}");
            assert_eq!((seen[0].body.length, seen[1].body.length), (size as u64, size as u64));
        } else {
            assert_eq!(
                (seen.len(), answer.status, answer.text().as_str()),
                (1, 401, "rejected token"),
                "{listener} {size}"
            );
            // Its token is given up all the same.
            caller.until_ok(&request);
        }
    }
    let mut caller = plant(place, "replay-answers", &json!({}));
    for (listener, kind, size, fits) in [
        ("http", "bytes", ANSWER, true),
        ("https", "flow", ANSWER, true),
        ("https1", "bytes", ANSWER + 1, false),
        ("https", "flow", ANSWER + 1, false),
    ] {
        let path = format!("/replay-answers/{listener}/guarded/{kind}/{size}");
        let (seen, answer) = caller.rejected_once(&Request::new("GET", path));
        assert_eq!(seen.len(), 2, "{listener} {kind} {size}");
        if fits {
            assert_eq!((answer.status, answer.body.len(), answer.complete), (200, size, true));
        } else {
            Answer::empty(502, Reason::ReplayAnswerTooLarge).check(&answer).unwrap();
        }
    }
}

/// An Application's own bound, and none at all.
pub fn an_application_says_how_much_is_kept(place: &dyn Place) {
    plant(place, "replay-own", &json!({ "replay": { "maxRequestBytes": 10 } }));
    let mut caller = plant(place, "replay-off", &json!({ "replay": { "enabled": false } }));
    caller.get("/replay-own/http/x").expect(200).unwrap();
    for (name, body, calls) in
        [("replay-own", "0123456789", 2), ("replay-own", "0123456789a", 1), ("replay-off", "", 1)]
    {
        let request = Request::new("POST", format!("/{name}/http/guarded")).body(body);
        let (seen, answer) = caller.rejected_once(&request);
        assert_eq!((seen.len(), answer.status), (calls, if calls == 2 { 200 } else { 401 }), "{name} {body}");
        caller.until_ok(&request);
    }
}

/// Exactly two calls, however often the target says no, and one where nothing newer is to be had.
pub fn a_target_that_always_rejects_gets_exactly_two_calls(place: &dyn Place) {
    let double = place.double();
    let mut caller = plant(place, "replay-always", &json!({}));
    for (method, listener) in [("GET", "http"), ("POST", "https"), ("POST", "https1")] {
        let path = format!("/replay-always/{listener}/status/401");
        let (seen, answer) = caller.rejected_once(&Request::new(method, path));
        assert_eq!((seen.len(), answer.status, answer.text().as_str()), (2, 401, "status 401"));
        assert_ne!(seen[0].header("authorization"), seen[1].header("authorization"));
    }
    // The broker's limit ends that: the endpoint is not asked any longer, and the first answer passes.
    let path = "/replay-always/http/status/401";
    let before = double.counts().unwrap().token_requests;
    wait::until("the limit", LIMIT, || {
        double.clear().ok()?;
        let answer = caller.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (401, "status 401"));
        (seen(place).len() == 1).then_some(())
    })
    .unwrap();
    assert!(double.counts().unwrap().token_requests <= before + 5);
    double.clear().unwrap();
    for _ in 0..20 {
        assert_eq!(caller.get(path).status, 401);
    }
    assert_eq!(seen(place).len(), 20);
    // Who asks for something else goes on with the token that is there.
    caller.get("/replay-always/http/x").expect(200).unwrap();
}

/// No newer token, or the same one again.
pub fn what_cannot_be_renewed_is_not_repeated(place: &dyn Place) {
    let double = place.double();
    let same = json!({ "access_token": place.secret("same-token").unwrap(), "expires_in": 3600 }).to_string();
    double.change(|settings| settings.token.body = Some(same)).unwrap();
    let mut caller = plant(place, "replay-same", &json!({}));
    let (seen, answer) = caller.rejected_once(&Request::new("GET", "/replay-same/http/guarded"));
    assert_eq!((seen.len(), answer.status, answer.text().as_str()), (1, 401, "rejected token"));
    double.change(|settings| settings.token.status = Some(500)).unwrap();
    let (seen, answer) = caller.rejected_once(&Request::new("GET", "/replay-same/https/guarded"));
    assert_eq!(seen.len(), 1);
    Answer::empty(502, Reason::ReplayFailed).check(&answer).unwrap();
    cover("AG-14-r35");
    double.change(|settings| (settings.token.status, settings.token.body) = (None, None)).unwrap();
}

/// What cannot be held, and what is not ours.
pub fn streams_and_callers_own_tokens_are_not_repeated(place: &dyn Place) {
    let mut caller = plant(place, "replay-never", &json!({}));
    let get = |listener: &str| Request::new("GET", format!("/replay-never/{listener}/guarded"));
    for (listener, request) in [
        ("http", get("http").header("Accept", "text/event-stream")),
        ("https1", get("https1").header("Connection", "Upgrade").header("Upgrade", "websocket")),
    ] {
        let (seen, answer) = caller.rejected_once(&request);
        assert_eq!((seen.len(), answer.status), (1, 401), "{listener}");
        // What was rejected is renewed for the next one.
        caller.until_ok(&get(listener));
    }
    // A caller's own token says nothing about ours.
    let before = place.double().counts().unwrap().token_requests;
    place.double().clear().unwrap();
    for _ in 0..3 {
        let own = get("http").header("Access-Token", "Bearer nobody's");
        assert_eq!(caller.call(&own).status, 401);
    }
    assert_eq!(seen(place).len(), 3);
    assert_eq!(place.double().counts().unwrap().token_requests, before);
}

/// Calls that are under way when the token ends.
const STORM: usize = 1000;

/// One new token for all who were rejected, and each gets the answer to its own request.
pub fn a_thousand_rejections_are_one_new_token(place: &dyn Place) {
    let double = place.double();
    plant(place, "replay-storm", &json!({}));
    double.revoke_tokens().unwrap();
    double.change(|settings| settings.token.delay_ms = 700).unwrap();
    let before = double.counts().unwrap().token_requests;
    let requests: Vec<_> = (0..STORM)
        .map(|number| {
            Request::new("POST", format!("/replay-storm/http/guarded/answer?body=own-{number}-")).body("b")
        })
        .collect();
    let load = Load::new(place.address(&Way::Manual).unwrap(), STORM, &requests)
        .judge(|status, body| status == 200 && body.starts_with(b"own-"));
    let report = load.run(STORM as u64).unwrap();
    double.change(|settings| settings.token.delay_ms = 0).unwrap();
    assert_eq!((report.answers(), report.wrong, report.failed()), (STORM as u64, 0, 0), "{report:?}");
    assert_eq!(double.counts().unwrap().token_requests, before + 1);
    let seen = seen(place);
    let mut paths: Vec<_> = seen.iter().map(|request| request.target.text()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), STORM, "each request arrived");
    assert!(seen.len() <= 2 * STORM && seen.len() > STORM, "{} calls", seen.len());
}

/// As many for whom there is no newer one: each is told so, and no VM ends of telling all of them.
pub fn a_thousand_rejections_without_a_new_token_are_told(place: &dyn Place) {
    let double = place.double();
    plant(place, "replay-despair", &json!({}));
    let before = place.reloads().unwrap();
    double.revoke_tokens().unwrap();
    double.change(|settings| settings.token.delay_ms = 2_000).unwrap();
    let requests = [Request::new("POST", "/replay-despair/http/guarded/answer?body=x").body("b")];
    let load = Load::new(place.address(&Way::Manual).unwrap(), STORM, &requests)
        .judge(|status, body| status == 502 && body.is_empty());
    let report = load.run(STORM as u64).unwrap();
    double.change(|settings| settings.token.delay_ms = 0).unwrap();
    assert_eq!((report.answers(), report.wrong, report.failed()), (STORM as u64, 0, 0), "{report:?}");
    // A worker has a new VM with its next request.
    place.until(&requests[0], |answer| answer.status == 200).unwrap();
    assert_eq!(place.reloads().unwrap(), before, "VMs ended");
}
