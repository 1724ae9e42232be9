//! A whole control plane: from a file to what gateways see, and to what people are told.

use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

use fairlead::{
    admin::{self, AdminError, Ask},
    config::{LogLevel, admin_socket},
    run,
    telemetry::level::LevelSwitch,
};
use fairlead_wire::feed::{EgressRecord, Poll};

use crate::support::{Client, Plane, application, contents, credentials, eventually, secret};

async fn poll(client: &Client, epoch: &str, revision: u64) -> Poll<EgressRecord> {
    let path = format!("/feed/v1/egress?epoch={epoch}&revision={revision}&wait=10000");
    serde_json::from_slice(&client.get(&path).await.unwrap().body).unwrap()
}

#[tokio::test]
async fn changes_reach_the_feed_within_the_bar() {
    let plane = Plane::start(&[("a.yaml", &application("a", "api", "http://t.example", ""))]).await;
    let client = plane.client("egress");
    let mut at = poll(&client, "", 0).await;
    let mut times = Vec::new();
    for n in 0..20 {
        let before = Instant::now();
        plane.write("a.yaml", &application("a", "api", &format!("http://t{n}.example"), ""));
        at = poll(&client, &at.epoch, at.revision).await;
        times.push(before.elapsed());
        assert_eq!(at.changed.len(), 1);
        assert!(at.removed.is_empty(), "never gone in between");
    }
    times.sort();
    // Half of the bar for the worst: the gateway needs its share.
    assert!(times[18].as_millis() < 100, "{times:?}");
    plane.running.stop().await;
}

#[tokio::test]
async fn new_profiles_are_in_the_files_before_records_name_them() {
    let target = application("a", "api", "https://t.example", "");
    let unverified = target.replace("spec:\n", "spec:\n  skipVerify: true\n");
    let plane = Plane::start(&[("a.yaml", &unverified)]).await;
    let client = plane.client("egress");
    let at = poll(&client, "", 0).await;
    plane.write("a.yaml", &target);
    let next = poll(&client, &at.epoch, at.revision).await;
    let text = serde_json::to_string(&next.changed[0].record).unwrap();
    let profile = text.split("fairlead.t.").nth(1).unwrap().split('"').next().unwrap();
    let files = contents(&plane.config.state_directory.join("egress"));
    let clusters = files.iter().find(|(path, _)| path.ends_with("cds.json")).unwrap();
    let clusters = String::from_utf8_lossy(&clusters.1).into_owned();
    assert!(clusters.contains(profile));
    assert_eq!(clusters.matches("\"name\": \"fairlead.t.").count(), 2, "the old one stays for its grace");
    plane.running.stop().await;

    // Over a restart too: gateways have records of the process before.
    fs::remove_file(plane.config.resources.join("a.yaml")).unwrap();
    let running = run::start(&plane.config, LevelSwitch::new(LogLevel::Info, false, |_| {})).await.unwrap();
    let files = contents(&plane.config.state_directory.join("egress"));
    let clusters = files.iter().find(|(path, _)| path.ends_with("cds.json")).unwrap();
    assert!(String::from_utf8_lossy(&clusters.1).contains(profile));
    running.stop().await;
}

#[tokio::test]
async fn admin_socket_explains_without_secrets_and_is_for_the_owner() {
    const CANARY: &str = "canary-4711-password";
    let app = application("shop", "orders", "https://t.example/base", &credentials("Basic", "shop", ""));
    let plane = Plane::start(&[
        ("shop.yaml", &app),
        ("secret.yaml", &secret("shop", &[("username", "u"), ("password", CANARY)])),
        ("bad.yaml", "a: [\n"),
    ])
    .await;
    let state = &plane.config.state_directory;
    let mode = fs::metadata(admin_socket(state)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let explained = admin::ask(state, &Ask::Explain("shop/orders".to_owned())).await.unwrap();
    assert!(explained.text.contains("https://t.example/base"), "{}", explained.text);
    let missing = admin::ask(state, &Ask::Explain("shop/other".to_owned())).await.unwrap();
    assert!(missing.text.contains("404"), "{}", missing.text);
    let status = admin::ask(state, &Ask::Status).await.unwrap();
    assert!(status.text.contains("shop (shop.yaml): 1 services, 1 entries callable"), "{}", status.text);
    assert!(status.text.contains("bad.yaml, document 1, line 2 column 1"), "{}", status.text);
    let basic = fairlead_credential_injector::basic("u", CANARY);
    let encoded = basic.trim_start_matches("Basic ");
    for text in [&explained, &missing, &status].map(|answer| serde_json::to_string(answer).unwrap()) {
        assert!(!text.contains(CANARY) && !text.contains(encoded), "{text}");
    }

    // A change that cannot be used leaves what was there, and says so.
    plane.write("secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: shop, namespace: kyma-system}\ndata: {password: plain text}\n");
    eventually("the broken Secret is reported", async || {
        let status = admin::ask(state, &Ask::Status).await.unwrap();
        status.text.contains("secret.yaml, document 1, data.password: is not base64").then_some(())
    })
    .await;
    let explained = admin::ask(state, &Ask::Explain("shop/orders".to_owned())).await.unwrap();
    assert!(explained.text.contains("https://t.example/base"), "{}", explained.text);

    // Nothing that is secret lies in the state directory: no password in Envoy's files.
    for (path, bytes) in contents(&state.join("egress")) {
        assert!(!String::from_utf8_lossy(&bytes).contains(CANARY), "{path}");
    }
    plane.running.stop().await;
}

#[tokio::test]
async fn a_second_control_plane_and_an_absent_one_are_one_sentence() {
    let plane = Plane::start(&[]).await;
    let level = LevelSwitch::new(LogLevel::Info, false, |_| {});
    let Err(error) = run::start(&plane.config, level).await else { panic!("two of them") };
    assert!(error.to_string().starts_with("another control plane runs with the state directory"), "{error}");
    let state = plane.config.state_directory.clone();
    plane.running.stop().await;
    let Err(error) = admin::ask(&state, &Ask::Status).await else { panic!("answered") };
    assert!(matches!(error, AdminError::Away { .. }), "{error}");
}
