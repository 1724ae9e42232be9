//! What comes back (AG §12).

use fairlead_testkit::Result;

use super::{Application, Case, Entry, Expected, Place, get, manual, url};
use crate::case::{Answer, Text};

pub(super) fn plant(place: &dyn Place) -> Result {
    let base = format!("{}/base", url(place, "http")?);
    place.put("responses", &[Application::new("responses").service("svc", &[Entry::api(&base)]).manifest()])
}

pub(super) fn cases() -> Vec<Case> {
    let answer =
        |status: u16, body: &str| Answer { body: Text::Exactly(body.to_owned()), ..Answer::status(status) };
    let mut cases = Vec::new();
    for status in [500, 502, 503, 504, 599] {
        cases.push(manual(
            &format!("{status} becomes 502"),
            &["AG-14-r38"],
            get(&format!("/responses/svc/status/{status}")),
            Expected::Answer(
                answer(502, &format!("status {status}"))
                    .header("target-system-status", &status.to_string())
                    .header("content-type", "text/plain")
                    .without("x-fairlead-reason"),
            ),
        ));
    }
    for status in [200, 203, 307, 400, 401, 403, 404, 418, 451] {
        cases.push(manual(
            &format!("{status} stays"),
            &["AG-14-r39"],
            get(&format!("/responses/svc/status/{status}")),
            Expected::Answer(
                answer(status, &format!("status {status}"))
                    .without("target-system-status")
                    .without("x-fairlead-reason"),
            ),
        ));
    }
    cases.push(manual(
        "headers and cookies pass, internal and hop-by-hop ones do not",
        &[],
        get(
            "/responses/svc/answer?header=Set-Cookie:a&header=Set-Cookie:b&header=X-Own:1&header=Keep-Alive:x\
             &header=x-fairlead-reason:forged&header=x-envoy-overloaded:true&body=b",
        ),
        Expected::Answer(
            Answer { body: Text::Exactly("b".to_owned()), ..Answer::status(200) }
                .header("x-own", "1")
                .without("keep-alive")
                .without("x-fairlead-reason")
                .without("x-envoy-overloaded")
                .without("x-envoy-upstream-service-time"),
        ),
    ));
    cases
}
