//! The feed's contract, version 1, as a conversation that is checked in (`filters/wire/transcripts/feed-v1.json`).
//!
//! Here the real control plane must still give the answers that it gave when the file was made, to the questions that
//! the engine asks today; in `filters/wire` and `filters/engine` today's types and client read the file's answers. A
//! new field is no difference, a missing one is. Make the file anew only together with a new version of the contract:
//! `FAIRLEAD_RECORD=1 cargo test -p fairlead-tests --test transcript`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure is a failed test"
)]

use std::path::{Path, PathBuf};

use fairlead_engine::snapshot::Egress;
use fairlead_testkit::{
    Result,
    bed::{Bed, Seed},
    certs::Authority,
    resources::{Application, Entry, secret},
};
use fairlead_tests::transcript::{Talk, kept};
use fairlead_wire::feed::IngressRecord;
use serde_json::{Value, json};

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../filters/wire/transcripts/feed-v1.json")
}

fn shop(base: &str, token: &str) -> Value {
    let target = format!("http://orders.example.test/{base}?a=b");
    Application::new("shop")
        .spec("encodeUrl", true)
        .spec("tenant", "Tenant")
        .spec("group", "Group")
        .client_ids(&["client-1", "client-2"])
        .service("none", &[Entry::api(&target)])
        .service("basic", &[Entry::api("https://t.example.test").basic("basic").parameters("custom")])
        .service("oauth", &[Entry::api(&target).oauth("oauth", token)])
        .service("two", &[Entry::api(&target).name("one"), Entry::api(&target).name("other")])
        .service("lost", &[Entry::api(&target).basic("nowhere")])
        .manifest()
}

fn plant(seed: &mut Seed, authority: &Authority) -> Result {
    seed.ingress(&[authority])?;
    let token = seed.double.url("http")? + "/oauth/token";
    seed.double.change(|settings| {
        settings.token.status = Some(200);
        settings.token.body =
            Some(r#"{"access_token":"token","token_type":"bearer","expires_in":3600}"#.to_owned());
    })?;
    seed.configure(&json!({ "sink": "http://sink.example.test/publish" }));
    seed.put("shop.yaml", &[shop("v1", &token)]);
    let gone = Application::new("gone").service("svc", &[Entry::api("http://t.example.test")]);
    seed.put("gone.yaml", &[gone.manifest()]);
    seed.put(
        "secrets.yaml",
        &[
            secret("basic", &[("username", "user"), ("password", "password")]),
            secret("oauth", &[("clientId", "id"), ("clientSecret", "secret")]),
            secret(
                "custom",
                &[("headers", r#"{"X-Key": ["a", "b"]}"#), ("queryParameters", r#"{"key": ["c"]}"#)],
            ),
        ],
    );
    Ok(())
}

/// The whole conversation, with what differs from run to run replaced.
fn converse() -> Vec<Value> {
    let authority = Authority::new("clients").unwrap();
    let mut bed = Bed::start(|seed| plant(seed, &authority)).unwrap();
    let token = bed.double.url("http").unwrap() + "/oauth/token";
    let (mut egress, mut ingress) = (Talk::<Egress>::default(), Talk::<IngressRecord>::default());
    egress.settle(&bed, "a gateway that has nothing").unwrap();
    ingress.settle(&bed, "a gateway that has nothing").unwrap();
    for grant in egress.grants() {
        egress.want(&grant).unwrap();
    }
    egress.settle(&bed, "a grant").unwrap();
    egress.want(&"f".repeat(32)).unwrap();
    egress.settle(&bed, "a grant that is not known").unwrap();
    let resources = bed.resources().unwrap();
    resources.remove("gone.yaml").unwrap();
    resources.put("shop.yaml", &[shop("v2", &token)]).unwrap();
    bed.until(&fairlead_testkit::http::Request::new("GET", "/gone/svc"), |answer| answer.status == 404)
        .unwrap();
    let log = |bed: &Bed| bed.control.command(&["explain", "shop/none"]).unwrap().1;
    fairlead_testkit::wait::until("the change", fairlead_testkit::bed::LIMIT, || {
        log(&bed).contains("/v2").then_some(())
    })
    .unwrap();
    egress.settle(&bed, "records changed and removed").unwrap();
    ingress.settle(&bed, "records removed").unwrap();
    bed.control.stop().unwrap();
    resources.put("shop.yaml", &[shop("v3", &token)]).unwrap();
    bed.control.start_again().unwrap();
    egress.settle(&bed, "another epoch, some records changed").unwrap();
    ingress.settle(&bed, "another epoch, nothing changed").unwrap();
    bed.finish().unwrap();
    normal(egress.exchanges().into_iter().chain(ingress.exchanges()).collect())
}

/// Replaces epochs, and the id of the grant with the hashes of records that have it.
fn normal(exchanges: Vec<Value>) -> Vec<Value> {
    let mut epochs: Vec<String> = Vec::new();
    let mut volatile: Vec<(String, String)> = Vec::new();
    for exchange in &exchanges {
        let body = &exchange["answer"]["body"];
        let epoch = body["epoch"].as_str().unwrap_or_default().to_owned();
        if !epoch.is_empty() && !epochs.contains(&epoch) {
            epochs.push(epoch);
        }
        for list in ["changed", "records"] {
            for keyed in body[list].as_array().into_iter().flatten() {
                let grant = keyed.pointer("/record/outcome/route/credential/grant").and_then(Value::as_str);
                let known = |text: &str| volatile.iter().any(|(have, _)| have == text);
                let texts = [grant, grant.and(keyed["hash"].as_str())];
                let new: Vec<_> = texts.into_iter().flatten().filter(|text| !known(text)).collect();
                for text in new {
                    let fixed = format!("{:032x}", 0xa0_0000 + volatile.len());
                    volatile.push((text.to_owned(), fixed));
                }
            }
        }
    }
    let epochs = epochs.into_iter().enumerate().map(|(n, epoch)| (epoch, format!("{:032x}", 0xe0_0000 + n)));
    let mut exchanges = exchanges;
    for exchange in &mut exchanges {
        // Serials begin with the time; lifetimes are counted in milliseconds from the answer.
        if let Some(serial) = exchange.pointer_mut("/answer/body/granted/serial") {
            *serial = 1.into();
        }
        for name in ["refreshMs", "expiresMs"] {
            if let Some(life) = exchange.pointer_mut(&format!("/answer/body/granted/{name}")) {
                let rounded = life.as_u64().unwrap().next_multiple_of(60_000);
                *life = rounded.into();
            }
        }
    }
    let mut text = serde_json::to_string(&exchanges).unwrap();
    for (from, to) in epochs.chain(volatile) {
        text = text.replace(&from, &to);
    }
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_control_plane_still_speaks_version_1() {
    let exchanges = converse();
    if std::env::var_os("FAIRLEAD_RECORD").is_some() {
        let all = json!({ "contract": 1, "exchanges": exchanges });
        std::fs::write(file(), serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
    }
    let old: Value = serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap();
    let old = old["exchanges"].as_array().unwrap();
    for (n, (old, new)) in old.iter().zip(&exchanges).enumerate() {
        kept(old, new, &format!("exchange {n}")).unwrap();
    }
    assert_eq!(old.len(), exchanges.len());
}
