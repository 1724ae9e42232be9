//! Version 1 of the feed as it was recorded (`transcripts/feed-v1.json`, made by `wasm-tests/tests/tests/transcript.rs`):
//! today's types read every question and answer of it, and lose nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "helpers of tests: a failure is a failed test"
)]

use fairlead_wire::{
    feed::{EgressRecord, Hashes, IngressRecord, Poll, Records, Wanted},
    grant::GrantAnswer,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn exchanges() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../transcripts/feed-v1.json")).unwrap();
    file["exchanges"].as_array().unwrap().clone()
}

/// Reads it, with fields of a later build in every object too; what is written again is what was read.
fn reads<T: DeserializeOwned + Serialize>(body: &Value) {
    let read: T = serde_json::from_value(body.clone()).unwrap_or_else(|error| panic!("{error}: {body}"));
    let again = serde_json::to_value(&read).unwrap();
    assert_eq!(without_empty(&again), without_empty(body));
    let later: T = serde_json::from_value(with_more(body)).unwrap_or_else(|error| panic!("{error}: {body}"));
    assert_eq!(serde_json::to_value(&later).unwrap(), again);
}

/// An absent list is an empty one.
fn without_empty(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| field.as_array().is_none_or(|list| !list.is_empty()));
    }
    value
}

/// The words of alternatives: an object with one of them as its only field is not one that grows.
const ALTERNATIVES: [&str; 6] = ["route", "refusal", "static", "grant", "granted", "refused"];

fn with_more(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut more: serde_json::Map<String, Value> =
                fields.iter().map(|(name, field)| (name.clone(), with_more(field))).collect();
            if !fields.keys().any(|name| ALTERNATIVES.contains(&name.as_str())) {
                more.insert("later".to_owned(), serde_json::json!({ "x": [1, null] }));
            }
            Value::Object(more)
        }
        Value::Array(list) => list.iter().map(with_more).collect(),
        other => other.clone(),
    }
}

#[test]
fn todays_types_read_version_1_and_ignore_what_is_new() {
    let mut kinds = Vec::new();
    for exchange in exchanges() {
        let path = exchange["request"]["path"].as_str().unwrap();
        let body = &exchange["answer"]["body"];
        let ingress = exchange["view"] == "ingress";
        let kind = match path.split('?').next().unwrap().rsplit('/').next().unwrap() {
            _ if path.starts_with("/grants/") => {
                reads::<GrantAnswer>(body);
                "grant"
            }
            "hashes" => {
                reads::<Hashes>(body);
                "hashes"
            }
            "records" => {
                if ingress {
                    reads::<Records<IngressRecord>>(body);
                } else {
                    reads::<Records<EgressRecord>>(body);
                }
                if exchange["request"]["method"] == "POST" {
                    reads::<Wanted>(&exchange["request"]["body"]);
                }
                "records"
            }
            _ => {
                if ingress {
                    reads::<Poll<IngressRecord>>(body);
                } else {
                    reads::<Poll<EgressRecord>>(body);
                }
                "poll"
            }
        };
        kinds.push(kind);
    }
    for kind in ["grant", "hashes", "records", "poll"] {
        assert!(kinds.contains(&kind), "no {kind} in the transcript");
    }
}
