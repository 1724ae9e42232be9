//! The runner of a real Envoy, and that nothing which was started is left behind.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

use std::time::Duration;

use fairlead_testkit::{
    envoy::{Envoy, Setup},
    http, wait,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(10);

fn bootstrap(directory: &std::path::Path) -> std::path::PathBuf {
    let route = json!({ "match": { "prefix": "/" }, "direct_response": { "status": 204 } });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [route] }] },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" }
        }]
    });
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
    let filters = json!([{ "filters": [{ "name": "http", "typed_config": manager }] }]);
    let listener = json!({ "name": "test", "address": address, "filter_chains": filters });
    let file = directory.join("bootstrap.json");
    let value = json!({ "admin": { "address": address }, "static_resources": { "listeners": [listener] } });
    std::fs::write(&file, value.to_string()).unwrap();
    file
}

#[test]
fn envoy_serves_shows_itself_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let mut envoy = Envoy::start(Setup::new(&bootstrap(directory.path()))).unwrap();
    let address = envoy.listener("test", LIMIT).unwrap();
    assert_eq!(http::get(address, "/").unwrap().status, 204);
    assert_eq!(envoy.stat(|name| name == "http.test.downstream_rq_2xx").unwrap(), 1);
    assert!(String::from_utf8(envoy.config_dump().unwrap()).unwrap().contains("direct_response"));
    let usage = envoy.usage().unwrap();
    assert!(usage.cpu > Duration::ZERO && usage.resident > 10 << 20, "{usage:?}");
    assert_eq!(envoy.sources("test").unwrap().len(), 7);
    let before = envoy.log().len();
    envoy.restart().unwrap();
    assert_eq!(http::get(envoy.listener("test", LIMIT).unwrap(), "/").unwrap().status, 204);
    assert!(envoy.log().len() > before);
}

#[test]
fn a_bad_bootstrap_is_an_error_with_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bootstrap.json");
    std::fs::write(&file, r#"{"admin":{"address":{"pipe":{"path":"/nonexistent/x"}}},"nonsense":1}"#)
        .unwrap();
    let Err(error) = Envoy::start(Setup::new(&file)) else { panic!("started") };
    assert!(error.to_string().contains("nonsense"), "{error}");
}

#[test]
fn a_dropped_envoy_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let mut envoy = Envoy::start(Setup::new(&bootstrap(directory.path()))).unwrap();
    let id = envoy.process().id();
    drop(envoy);
    let gone = || (!std::path::Path::new(&format!("/proc/{id}")).exists()).then_some(());
    wait::until("the process to be gone", LIMIT, gone).unwrap();
}
