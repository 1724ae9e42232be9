//! What waiting requests are answered with when no token can be had (AG §8.3, §14).

use std::sync::Arc;

use fairlead_cases::cover;
use fairlead_model::Trust;
use fairlead_wire::{Reason, Refusal, grant::GrantAnswer};

use super::{
    TOKEN,
    endpoint::{hang, json, raw},
    setup,
};

#[tokio::test]
async fn failures_have_the_contract_s_texts() {
    let big = format!("{{\"access_token\":\"{}\"}}", "x".repeat(70_000));
    let short = raw("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"access_token\"");
    for (cases, answer, reason, want) in [
        (
            &["AG-14-r16", "AG-14-r31"][..],
            raw("HTTP/1.1 401 Unauthorized\r\ncontent-length: 6\r\n\r\nsecret"),
            Reason::TokenEndpointStatus,
            "incorrect response code '401' while getting token from {url}",
        ),
        (
            &["AG-14-r16"],
            raw("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"),
            Reason::TokenEndpointStatus,
            "incorrect response code '201' while getting token from {url}",
        ),
        (
            &["AG-14-r17"],
            short,
            Reason::TokenEndpointAnswer,
            "failed to read token response body from '{url}': ",
        ),
        (
            &["AG-14-r17"],
            json(&big),
            Reason::TokenEndpointAnswer,
            "failed to read token response body from '{url}': larger than 65536 bytes",
        ),
        (
            &["AG-14-r18"],
            json("not json"),
            Reason::TokenEndpointAnswer,
            "failed to unmarshal token response body: ",
        ),
        (&["AG-14-r18"], json(""), Reason::TokenEndpointAnswer, "failed to unmarshal token response body: "),
        (
            &["AG-14-r18"],
            json("{\"access_token\":\"secret\",\"expires_in\":\"soon\"}"),
            Reason::TokenEndpointAnswer,
            "failed to unmarshal token response body: expires_in is no number",
        ),
        (
            &["AG-14-r18"],
            json("{\"access_token\":\"secret\",\"expires_in\":true}"),
            Reason::TokenEndpointAnswer,
            "failed to unmarshal token response body: ",
        ),
        (
            &["AG-14-r18"],
            json("{\"access_token\":{\"secret\":1}}"),
            Reason::TokenEndpointAnswer,
            "failed to unmarshal token response body: ",
        ),
        (
            &["AG-14-r18"],
            json("{\"access_token\":\"se\\r\\ncret\"}"),
            Reason::TokenEndpointAnswer,
            "failed to unmarshal token response body: access_token fits no header",
        ),
        (&["AG-14-r15"], raw(""), Reason::TokenEndpointUnreachable, "failed to make a request to '{url}': "),
        (
            &["AG-13-r05", "AG-14-r15"],
            hang(),
            Reason::TokenEndpointUnreachable,
            "failed to make a request to '{url}': timed out",
        ),
    ] {
        let setup = setup(vec![answer], false).with("/t?key=query-secret");
        let refusal = setup.refused().await;
        let want = want.replace("{url}", &setup.url("/t"));
        assert_eq!((refusal.status, refusal.reason), (502, reason), "{want}");
        let body: serde_json::Value = serde_json::from_str(refusal.body.trim_end()).unwrap();
        assert_eq!(body["code"], 502);
        let text = body["error"].as_str().unwrap();
        assert!(text.starts_with(&want), "{text}");
        for secret in ["secret", "query", "client id"] {
            assert!(!text.contains(secret), "{text}");
        }
        for case in cases {
            cover(case);
        }
    }
}

#[tokio::test]
async fn endpoints_that_cannot_be_asked_have_the_contract_s_texts() {
    let setup = setup(vec![json(TOKEN)], false);
    let port = setup.endpoint.port();
    for (url, want) in [
        ("http://gone.example.test/t".to_owned(), "lookup gone.example.test: "),
        ("http://token.example.test:1/t".to_owned(), "dial tcp 127.0.0.2:1: "),
        (
            format!("http://inside.example.test:{port}/t"),
            "the address 127.0.0.1 of inside.example.test is not allowed",
        ),
        (format!("http://127.0.0.1:{port}/t"), "the address 127.0.0.1 of 127.0.0.1 is not allowed"),
        (
            format!("http://[::ffff:7f00:1]:{port}/t"),
            "the address ::ffff:127.0.0.1 of ::ffff:127.0.0.1 is not allowed",
        ),
        (
            "http://169.254.169.254/latest".to_owned(),
            "the address 169.254.169.254 of 169.254.169.254 is not allowed",
        ),
    ] {
        setup.broker.retire("g");
        let id = url.clone();
        setup.broker.set(&id, Arc::new(setup.spec(&url, Trust::Plain)));
        let GrantAnswer::Refused(refusal) = setup.broker.ask(&id, None).await else { panic!("{url}") };
        let start = format!("\"failed to make a request to '{url}': {want}");
        assert!(refusal.status == 502 && refusal.body.contains(&start), "{}", refusal.body);
        cover("AG-14-r15");
    }
    // What is no URL never becomes a request; the model says so with E12, and the broker passes it on.
    let mut spec = setup.spec("http://x", Trust::Plain);
    let e12 = Refusal::json(500, Reason::TokenEndpointInvalid, "failed to create token request: x");
    spec.endpoint = Err(e12.clone());
    setup.broker.set("e12", Arc::new(spec));
    assert_eq!(setup.broker.ask("e12", None).await, GrantAnswer::Refused(e12));
    cover("AG-14-r14");
    assert!(setup.endpoint.requests().is_empty());
}
