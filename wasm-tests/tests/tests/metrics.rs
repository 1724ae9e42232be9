//! Metrics of requests, as Envoy's Prometheus endpoint shows them (walk D), and that what is documented is what there is.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::collections::BTreeSet;

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    http::{Connection, Request},
    prometheus::Samples,
    resources::{Application, Entry, secret},
    wait,
};
use serde_json::json;

const REQUESTS: &str = "fairlead_requests_total";
const RECEIVED: &str = "fairlead_received_bytes_total";
const SENT: &str = "fairlead_sent_bytes_total";
const DURATION: &str = "fairlead_request_duration_milliseconds_count";
const IN_FLIGHT: &str = "fairlead_requests_in_flight";

fn egress(bed: &Bed) -> Samples {
    Samples::read(&String::from_utf8(bed.egress.metrics().unwrap()).unwrap())
}

/// Waits until the gateway has counted so many requests in all, and shows what it has.
fn until(bed: &Bed, requests: i64) -> Samples {
    let all = || {
        let samples = egress(bed);
        let ended = samples.sum(REQUESTS, &[]) >= requests && samples.sum(IN_FLIGHT, &[]) == 0;
        ended.then_some(samples)
    };
    wait::until("the counters", LIMIT, all).unwrap()
}

#[test]
fn requests_and_bytes_are_counted_exactly_by_application_service_entry_and_reason() {
    let bed = Bed::start(|seed| {
        seed.workers(2);
        let password = seed.secret("password")?;
        let http = seed.double.url("http")?;
        let app = |name: &str| {
            Application::new(name)
                .service("orders", &[Entry::api(&http).name("v1").basic("basic")])
                .service("away", &[Entry::api("http://127.0.0.2:9").name("v1")])
                .service("broken", &[Entry::api(&http).name("v1").basic("missing")])
        };
        let basic = secret("basic", &[("username", "u"), ("password", &password)]);
        seed.put("app.yaml", &[app("shop").manifest(), app("other").manifest(), basic]);
        Ok(())
    })
    .unwrap();
    let get = |path: &str| Request::new("GET", path);
    bed.until(&get("/shop/orders/bytes/1"), |answer| answer.status == 200).unwrap();
    let warm = until(&bed, 1);
    let mut all = warm.sum(REQUESTS, &[]);

    // (application, service, entry, reason) → requests, received, sent.
    let mut expected = Vec::new();
    let mut connections: Vec<_> = (0..4).map(|_| Connection::open(bed.manual_address()).unwrap()).collect();
    let mut turn = 0;
    let mut send = |request: &Request| {
        turn += 1;
        let at = turn % 4;
        let response = connections[at].send(request).unwrap();
        if response.header("connection").contains(&"close".to_owned()) {
            connections[at] = Connection::open(bed.manual_address()).unwrap();
        }
        response
    };
    for (application, times, size) in [("shop", 40, 1_000), ("other", 25, 70_000)] {
        let (mut received, mut sent) = (0, 0);
        for number in 0..times {
            // A body of known length, one in chunks, and none.
            let request = match number % 3 {
                0 => Request::new("POST", format!("/{application}/orders/bytes/{size}"))
                    .body(vec![b'x'; 300 + number]),
                1 => Request::new("PUT", format!("/{application}/orders/flow/{size}"))
                    .chunks([vec![b'y'; 100], vec![b'z'; 50_000]]),
                _ => get(&format!("/{application}/orders/bytes/{size}?token=not-a-label")),
            };
            received += [300 + number, 50_100, 0][number % 3];
            let response = send(&request);
            assert_eq!((response.status, response.body.len()), (200, size));
            sent += size;
        }
        expected.push((application, "orders", "ok", times, received, sent));
    }
    for (path, application, service, reason, status) in [
        ("/shop/orders/status/503", "shop", "orders", "target_error", 502),
        ("/shop/orders/status/404", "shop", "orders", "ok", 404),
        ("/shop/away/x", "shop", "away", "target_unreachable", 502),
        ("/shop/broken/x", "shop", "broken", "secret_missing", 500),
        ("/shop/made-up-by-a-caller/x", "", "", "unknown_service", 404),
        ("/made-up-by-a-caller/orders/x", "", "", "unknown_service", 404),
        ("/shop", "", "", "path_too_short", 400),
    ] {
        let (mut sent, times) = (0, 3);
        for _ in 0..times {
            let response = send(&get(path));
            assert_eq!(response.status, status, "{path}");
            sent += response.body.len();
        }
        let same = expected.iter_mut().find(|row| (row.0, row.1, row.2) == (application, service, reason));
        match same {
            Some(row) => (row.3, row.5) = (row.3 + times, row.5 + sent),
            None => expected.push((application, service, reason, times, 0, sent)),
        }
    }
    all += expected.iter().map(|row| i64::try_from(row.3).unwrap()).sum::<i64>();
    let samples = until(&bed, all);
    for (application, service, reason, requests, received, sent) in expected {
        let labels = [
            ("view", "egress"),
            ("application", application),
            ("service", service),
            ("entry", ""),
            ("reason", reason),
        ];
        let counted =
            [REQUESTS, RECEIVED, SENT].map(|name| samples.sum(name, &labels) - warm.sum(name, &labels));
        let expected = [requests, received, sent].map(|number| i64::try_from(number).unwrap());
        assert_eq!(counted, expected, "{labels:?}");
    }
    assert_eq!(samples.sum(REQUESTS, &[]), all, "nothing else is counted");
    // Envoy shows histograms as they were at its last flush.
    let durations = || (egress(&bed).sum(DURATION, &[]) == all).then_some(());
    wait::until("durations of all requests", LIMIT, durations).unwrap();
    assert_eq!(samples.of(REQUESTS, &[("reason", "")]).count(), 0);

    // On the other port the path names the entry, and so do the labels.
    bed.ucl(&get("/shop/orders/v1/bytes/7")).unwrap().expect(200).unwrap();
    let samples = until(&bed, all + 1);
    let labels = [("application", "shop"), ("service", "orders"), ("entry", "v1"), ("reason", "ok")];
    assert_eq!((samples.sum(REQUESTS, &labels), samples.sum(SENT, &labels)), (1, 7));
    bed.finish().unwrap();
}

/// A bed whose only service has been called.
fn with_one_service() -> Bed {
    let bed = Bed::start(|seed| {
        let http = seed.double.url("http")?;
        seed.put("app.yaml", &[Application::new("app").service("s", &[Entry::api(&http)]).manifest()]);
        Ok(())
    })
    .unwrap();
    bed.until(&Request::new("GET", "/app/s/"), |answer| answer.status == 200).unwrap();
    bed
}

#[test]
fn requests_in_progress_are_shown_and_a_caller_who_leaves_is_no_success() {
    let bed = with_one_service();
    let before = until(&bed, 1).sum(REQUESTS, &[]);
    let mut caller = Connection::open(bed.manual_address()).unwrap();
    caller.write(&Request::new("GET", "/app/s/delay/600000").bytes()).unwrap();
    let labels = [("view", "egress"), ("application", "app"), ("service", "s")];
    let shown = || (egress(&bed).sum(IN_FLIGHT, &labels) == 1).then_some(());
    wait::until("a request in progress", LIMIT, shown).unwrap();
    drop(caller);
    let samples = until(&bed, before + 1);
    assert_eq!(samples.sum(REQUESTS, &[("application", "app"), ("reason", "cancelled")]), 1);
    bed.finish().unwrap();
}

#[test]
fn combinations_beyond_the_bound_are_counted_together() {
    let bed = Bed::start(|seed| {
        seed.workers(1);
        seed.configure(&json!({ "gateways": { "metered": 3 } }));
        let http = seed.double.url("http")?;
        for number in 0..10 {
            let app = Application::new(&format!("app-{number}")).service("s", &[Entry::api(&http)]);
            seed.put(&format!("{number}.yaml"), &[app.manifest()]);
        }
        Ok(())
    })
    .unwrap();
    bed.until(&Request::new("GET", "/app-0/s/"), |answer| answer.status == 200).unwrap();
    let before = until(&bed, 1).sum(REQUESTS, &[]);
    for number in 1..10 {
        bed.manual(&Request::new("GET", format!("/app-{number}/s/bytes/5"))).unwrap().expect(200).unwrap();
    }
    let samples = until(&bed, before + 9);
    let applications: BTreeSet<_> =
        samples.of(REQUESTS, &[]).filter_map(|sample| sample.labels.get("application")).collect();
    assert!(applications.contains(&"other".to_owned()) && applications.len() <= 4, "{applications:?}");
    assert_eq!(samples.sum(REQUESTS, &[]), before + 9);
    bed.finish().unwrap();
}

fn repository(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Words that begin with `fairlead_` in a text.
fn words(text: &str) -> BTreeSet<String> {
    let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    parts.filter(|word| word.starts_with("fairlead_")).map(str::to_owned).collect()
}

/// Metrics in the tables of the documentation.
fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository("istio/docs/metrics.md")).unwrap();
    text.lines().filter_map(|line| words(line.strip_prefix("| `")?.split('`').next()?).pop_first()).collect()
}

#[test]
fn what_is_documented_is_what_the_programs_have() {
    let bed = with_one_service();
    let shown = until(&bed, 1).names("fairlead_");
    assert!(shown.contains(REQUESTS), "{shown:?}");
    let (control, gateways): (BTreeSet<_>, BTreeSet<_>) =
        documented().into_iter().partition(|name| name.starts_with("fairlead_control_"));
    // The plugin makes a metric when it is needed first: its sources name them all.
    let mut sources = String::new();
    for file in ["metrics.rs", "shell/core.rs", "shell/request.rs"] {
        let path = repository("filters/plugin/src").join(file);
        sources.push_str(&std::fs::read_to_string(path).unwrap());
    }
    let quoted = sources.split('"').filter(|part| part.starts_with("fairlead_"));
    let named: BTreeSet<String> = quoted.map(str::to_owned).collect();
    let named: BTreeSet<_> = named.into_iter().filter(|name| words(name).contains(name)).collect();
    assert_eq!(named, gateways, "the plugin's sources, and the documentation");
    assert!(shown.is_subset(&gateways), "{:?}", shown.difference(&gateways));
    // The control plane shows a metric with labels when it has a value; it registers them all.
    let text = bed.control.metrics().unwrap().text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let shown: BTreeSet<_> = types.map(str::to_owned).collect();
    assert!(shown.len() > 10 && shown.is_subset(&control), "{:?}", shown.difference(&control));
    let mut sources = String::new();
    for file in ["telemetry/metrics.rs", "grants/metrics.rs"] {
        let path = repository("control-plane/server/src").join(file);
        sources.push_str(&std::fs::read_to_string(path).unwrap());
    }
    let registered = sources.split("registry.register(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let registered: BTreeSet<_> = registered.map(|name| format!("fairlead_control_{name}")).collect();
    assert_eq!(registered, control, "the control plane's sources, and the documentation");
    bed.finish().unwrap();
}

#[test]
fn the_dashboard_asks_for_documented_metrics_only() {
    let text = std::fs::read_to_string(repository("istio/dashboards/fairlead.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let documented = documented();
    let asked = words(&dashboard["panels"].to_string());
    assert!(asked.len() > 10, "{asked:?}");
    for name in asked {
        let base = ["_bucket", "_total"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
        assert!(documented.contains(&name) || documented.contains(base), "{name}");
    }
}
