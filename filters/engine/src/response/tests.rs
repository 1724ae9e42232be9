use std::{cell::Cell, collections::BTreeMap};

use fairlead_cases::cover;
use fairlead_wire::feed::{EgressOutcome, EgressRoute};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::{replay::Used, testing::op};

/// An answer that counts what is asked of it: each question is a host call.
#[derive(Default)]
struct Answer {
    headers: BTreeMap<&'static str, &'static str>,
    details: Option<&'static str>,
    asked: Cell<u32>,
}

impl Response for Answer {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.asked.set(self.asked.get() + 1);
        self.headers.get(name).map(|value| value.as_bytes().to_vec())
    }

    fn code_details(&self) -> Option<Vec<u8>> {
        self.asked.set(self.asked.get() + 1);
        self.details.map(|details| details.as_bytes().to_vec())
    }
}

/// `app/svc`, which went to `https://t/api/v1/x`.
fn egress() -> Exchange {
    let route = EgressRoute {
        profile: "p".into(),
        tls: true,
        authority: "t".into(),
        base_path: "/api/v1".into(),
        encode_url: true,
        ..EgressRoute::default()
    };
    let entry = Rc::new(Egress::from(EgressOutcome::Route(Box::new(route))));
    Exchange::new(b"app/svc/api/v1/x".to_vec(), 7, Some(entry), Used::default())
}

fn ingress() -> Exchange {
    Exchange::new(b"app/publish".to_vec(), 3, None, Used::default())
}

fn ops(exchange: &Exchange, status: u16, answer: &Answer) -> Vec<String> {
    exchange.on_response(status, answer).iter().map(op).collect()
}

#[test]
fn a_target_s_5xx_becomes_502_and_says_what_it_was() {
    cover("AG-14-r38");
    let answer = Answer { details: Some("via_upstream"), ..Answer::default() };
    for exchange in [egress(), ingress()] {
        for status in [500, 502, 503, 504, 599] {
            assert_eq!(
                ops(&exchange, status, &answer),
                [
                    "-target-system-status".to_owned(),
                    format!("target-system-status: {status}"),
                    ":status: 502".to_owned()
                ]
            );
        }
    }
}

#[test]
fn an_answer_that_the_gateway_made_stays() {
    for details in
        [None, Some("upstream_response_timeout"), Some("direct_response"), Some("via_upstream_not")]
    {
        assert!(ops(&egress(), 503, &Answer { details, ..Answer::default() }).is_empty(), "{details:?}");
    }
}

#[test]
fn any_other_status_is_unchanged_and_asks_nothing() {
    cover("AG-14-r39");
    let answer = Answer { headers: BTreeMap::from([("location", "/api/v1/a")]), ..Answer::default() };
    for status in [100, 200, 202, 203, 204, 400, 401, 403, 404, 451, 499, 600, 999] {
        assert!(ops(&egress(), status, &answer).is_empty(), "{status}");
    }
    assert_eq!(answer.asked.get(), 0);
}

#[test]
fn another_protocol_that_nobody_asked_for_is_no_answer() {
    let refused = [":status: 502", "x-fairlead-reason: target_unreachable"];
    assert_eq!(ops(&egress(), 101, &Answer::default()), refused);
    assert!(ops(&egress().upgrading(true), 101, &Answer::default()).is_empty());
    assert!(ops(&ingress(), 101, &Answer::default()).is_empty());
}

#[test]
fn redirects_and_created_lead_back_through_the_gateway() {
    for (value, expected) in [
        ("https://t/api/v1/some/p", Some("/app/svc/some/p")),
        ("/api/v1/some/p?q=1#f", Some("/app/svc/some/p?q=1#f")),
        ("some/p", Some("/app/svc/some/p")),
        ("https://o/api/v1/x", None),
        ("/other", None),
        ("", None),
    ] {
        let answer = Answer { headers: BTreeMap::from([("location", value)]), ..Answer::default() };
        let expected: Vec<_> = expected.map(|value| format!("location: {value}")).into_iter().collect();
        for status in [201, 300, 302, 307, 399] {
            assert_eq!(ops(&egress(), status, &answer), expected, "{status} {value}");
        }
        // CV §6: no rewriting on ingress.
        assert!(ops(&ingress(), 302, &answer).is_empty());
    }
    assert!(ops(&egress(), 307, &Answer::default()).is_empty(), "a redirect without Location passes");
}

#[test]
fn debug_output_shows_no_query() {
    let exchange = Exchange::new(b"app/svc/x?key=s3cret".to_vec(), 7, None, Used::default());
    assert!(!format!("{exchange:?}").contains("s3cret"));
}
