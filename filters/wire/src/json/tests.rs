use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::{
    config::PluginConfig,
    feed::{Keyed, Poll, Records, Report, Wanted},
    grant::GrantRequest,
};

/// What serde makes of a page whose records are not read.
fn serde<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_slice(json).ok()
}

fn raw<'a>(record: &'a Keyed<Box<RawValue>>) -> Keyed<Raw<'a>> {
    Keyed { key: record.key.clone(), hash: record.hash.clone(), record: record.record.get().as_bytes() }
}

/// Every type's two readers agree on `json`: what serde reads, these read as the same.
fn agree(json: &[u8]) {
    macro_rules! same {
        ($($read:ident),*) => {$(
            if let Some(expected) = serde(json) {
                assert_eq!($read(json).as_ref(), Ok(&expected), "{}", String::from_utf8_lossy(json));
            }
        )*};
    }
    same!(read_hashes, read_egress, read_ingress, read_grant, read_config);
    if let Some(poll) = serde::<Poll<Box<RawValue>>>(json) {
        let read = read_poll(json).unwrap();
        assert_eq!((&read.epoch, read.revision), (&poll.epoch, poll.revision));
        assert_eq!((read.resync, read.more, &read.removed), (poll.resync, poll.more, &poll.removed));
        assert_eq!(read.changed, poll.changed.iter().map(raw).collect::<Vec<_>>());
    }
    if let Some(page) = serde::<Records<Box<RawValue>>>(json) {
        let read = read_records(json).unwrap();
        assert_eq!((&read.epoch, read.more), (&page.epoch, page.more));
        assert_eq!(read.records, page.records.iter().map(raw).collect::<Vec<_>>());
    }
}

/// Texts with everything that the contract has in them.
const TEXTS: &[&str] = &[
    r#"{"epoch":"e","revision":7}"#,
    r#" { "epoch" : "e" , "revision":18446744073709551615, "resync":true,"more":true,"removed":["a/b/c","d"],"later":[{"x":"]}\""},-1.5e+9,null] } "#,
    r#"{"epoch":"e","revision":1,"changed":[{"key":"a/b/c","hash":"0f","new":{},"record":{"outcome":{"refusal":{"status":500,"reason":"later"}}}},{"record": [1,{"a":"\\\"]"}] ,"key":"k","hash":""}]}"#,
    r#"{"epoch":"e","records":[],"more":false}"#,
    r#"{"epoch":"é\u00e9\ud83d\ude00\n\/","records":[{"key":"k","hash":"h","record":null}]}"#,
    r#"{"epoch":"e","hashes":[["a","1"],["b","2"]],"more":true}"#,
    r#"{"epoch":"e","hashes":[]}"#,
    r#"{"manual":true,"outcome":{"route":{"profile":"p","tls":true,"authority":"t","basePath":"/b","query":"q","encodeUrl":true,"credential":{"static":"Basic x"},"headers":[["a","b"],["c","d"]],"queryParameters":[["k",["v","w"]],["l",[]]],"headersTimeoutMs":0}}}"#,
    r#"{"outcome":{"route":{"profile":"p","authority":"t","credential":"none","headersTimeoutMs":null,"later":1}}}"#,
    r#"{"outcome":{"route":{"profile":"p","authority":"t","credential":{"grant":"id"}}}}"#,
    r#"{"outcome":{"route":{"profile":"p","authority":"t","csrf":"c","noReplay":true,"replayBytes":1,"concurrency":0,"idle":"30s"}}}"#,
    r#"{"outcome":{"route":{"profile":"p","authority":"t","csrf":null,"replayBytes":null,"concurrency":null,"idle":null}}}"#,
    r#"{"outcome":{"refusal":{"status":404,"reason":"unknown_service","body":"{\"code\":404}\n","retryAfter":3}}}"#,
    r#"{"commonNames":["a","b"],"organization":{"organization":"o","unit":"u"},"sink":{"profile":"p","authority":"s:80","publishPath":"/publish"}}"#,
    r#"{"commonNames":[],"organization":null}"#,
    r#""unknown""#,
    r#"{"granted":{"serial":3,"authorization":"Bearer x","refreshMs":5,"expiresMs":null}}"#,
    r#"{"granted":{"serial":4,"authorization":"","csrf":{"token":"t","cookies":["a=b","c"]}}}"#,
    r#"{"granted":{"serial":4,"authorization":"","csrf":{"token":"","later":[]}}}"#,
    r#"{"refused":{"status":502,"reason":"token_endpoint_status"}}"#,
    r#"{}"#,
    r#"{"hosts":["a"],"listeners":{"8080":"manual","8082":"ucl","1":"route","2":"identify"},"serverNameMatched":true,"control":{"cluster":"c","authority":"a","waitMs":1,"pageBytes":2},"holdMs":3,"maxHeld":4,"staleWarningMs":5,"maxStalenessMs":6,"replayBytes":7,"replayAnswerBytes":8,"replayBudget":9,"headersTimeoutMs":11,"concurrency":10,"identity":"connection"}"#,
];

#[test]
fn what_the_contract_has_is_read_as_serde_reads_it() {
    for text in TEXTS {
        agree(text.as_bytes());
    }
    let readable = TEXTS.iter().filter(|text| {
        let json = text.as_bytes();
        read_poll(json).is_ok()
            || read_records(json).is_ok()
            || read_hashes(json).is_ok()
            || read_egress(json).is_ok()
            || read_ingress(json).is_ok()
            || read_grant(json).is_ok()
            || read_config(json).is_ok()
    });
    assert_eq!(readable.count(), TEXTS.len());
}

#[test]
fn every_cut_is_an_error_and_none_panics() {
    for text in TEXTS {
        let text = text.trim_end().as_bytes();
        for end in 0..text.len() {
            let json = &text[..end];
            assert!(read_poll(json).is_err() && read_records(json).is_err() && read_hashes(json).is_err());
            assert!(read_egress(json).is_err() && read_ingress(json).is_err());
            assert!(read_grant(json).is_err() && read_config(json).is_err());
        }
    }
}

#[test]
fn what_serde_refuses_is_refused() {
    for config in [
        r#"{"listeners":{"65536":"ucl"}}"#,
        r#"{"listeners":{"1":"other"}}"#,
        r#"{"holdMs":4294967296}"#,
        r#"{"holdMs":-1}"#,
        r#"{"holdMs":1.5}"#,
        r#"{"holdMs":01}"#,
        r#"{"holdMs":1}x"#,
        r#"{"holdMs":1,}"#,
        r#"{"holdMs" 1}"#,
        r#"{"hosts":["a" "b"]}"#,
        r#"{"hosts":["a",]}"#,
        r#"{"hosts":["\x"]}"#,
        r#"{"hosts":["\ud800"]}"#,
        r#"{"hosts":["\ud800\u0041"]}"#,
        "{\"hosts\":[\"\n\"]}",
        r#"{"identity":{"xfcc":1,"connection":2}}"#,
        r#"{"identity":{}}"#,
        "",
    ] {
        assert!(serde::<PluginConfig>(config.as_bytes()).is_none(), "{config}");
        assert!(read_config(config.as_bytes()).is_err(), "{config}");
    }
    assert!(read_config(b"{\"hosts\":[\"\xff\"]}").is_err());
    let error = read_config(br#"{"listeners":{"1":"later"}}"#).unwrap_err();
    assert_eq!(error.to_string(), "`later` is not known, 2 bytes before the end");
    assert_eq!(read_egress(b"{}").unwrap_err().to_string(), "there is no `outcome`, 0 bytes before the end");
}

/// A plugin meets the configuration of a newer control plane in every update.
#[test]
fn a_later_configuration_is_read() {
    let now = read_config(br#"{"hosts":["a"],"control":{"waitMs":7}}"#).unwrap();
    for later in [
        r#"{"later":{"a":[1]},"hosts":["a"],"control":{"waitMs":7}}"#,
        r#"{"hosts":["a"],"control":{"waitMs":7,"later":[{}]},"more":null}"#,
    ] {
        assert_eq!(read_config(later.as_bytes()).unwrap(), now, "{later}");
        assert_eq!(serde::<PluginConfig>(later.as_bytes()).as_ref(), Some(&now), "{later}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{{\"later\":{}{}", "[".repeat(200_000), "]".repeat(200_000));
    assert!(read_egress(deep.as_bytes()).is_err());
    assert!(read_egress(format!("{deep},\"outcome\":{{}}}}").as_bytes()).is_err());
}

#[test]
fn what_is_written_serde_reads_back() {
    let text = "a\"\\\n\u{1}\u{1f}é😀/".to_owned();
    let report = Report {
        version: "1".into(),
        epoch: text.clone(),
        revision: u64::MAX,
        missing_profiles: vec![text.clone(), String::new()],
    };
    assert_eq!(serde(write_report(&report).as_bytes()), Some(report));
    for keys in [vec![], vec![text.clone()], vec!["a".to_owned(), text.clone()]] {
        let wanted = Wanted { epoch: text.clone(), keys };
        assert_eq!(serde(write_wanted(&wanted).as_bytes()), Some(wanted));
    }
    for rejected in [None, Some(0), Some(u64::MAX)] {
        let request = GrantRequest { rejected };
        assert_eq!(serde(write_grant_request(&request).as_bytes()), Some(request));
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic_and_readers_agree(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            agree(&bytes);
            let _ = read_poll(&bytes);
        }

        #[test]
        fn readers_agree_on_texts_with_a_byte_changed(
            text in proptest::sample::select(TEXTS),
            at in any::<proptest::sample::Index>(),
            byte in proptest::sample::select(&b"\"\\{}[],: 01e.-nu\x00\xff"[..]),
        ) {
            let mut json = text.as_bytes().to_vec();
            let at = at.index(json.len());
            json[at] = byte;
            agree(&json);
            // What is not serde's is at most read, never a panic.
            let _ = (read_poll(&json), read_records(&json), read_grant(&json), read_config(&json));
        }
    }
}
