//! The header table (`fairlead_wire::header`), row by row: what of a caller's header the target sees.

use std::net::IpAddr;

use fairlead_testkit::Result;
use fairlead_wire::header::{HOST_ADDED, INTERNAL_PREFIX, REQUEST, RESPONSE_STRIP, Rule};

use super::{Arrival, Case, Expected, Place, arrival, caller, get, manual, ucl};
use crate::case::{Answer, Text};

/// What the caller sends, where a row's own header would end the request or change its body otherwise.
fn value(name: &str) -> Option<&'static str> {
    match name {
        // These frame the message: what they do is tested where bodies are.
        "transfer-encoding" | "upgrade" => None,
        "te" => Some("deflate"),
        "connection" => Some("x-named-by-nobody"),
        "access-token" => Some("Bearer mine"),
        _ => Some("from-the-caller"),
    }
}

/// The complete list with one header of the caller by this rule.
fn seen(plain: Arrival, caller: IpAddr, (name, value): (&str, &str), rule: Rule) -> Arrival {
    match rule {
        Rule::Strip | Rule::HopByHop => plain,
        Rule::CallersOnly => plain.with(name, value),
        Rule::Appended => Arrival { headers: Vec::new(), ..plain }.with(name, &format!("{value},{caller}")),
        Rule::Consumed => plain.with("authorization", value),
    }
}

pub(super) fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (service, listener) in [("plain", "http"), ("secure", "https")] {
        for row in REQUEST {
            let Some(value) = value(row.name) else { continue };
            let names = match row.name.strip_suffix('*') {
                Some(prefix) => vec![format!("{prefix}any"), format!("{prefix}Other-Name").to_uppercase()],
                None => vec![row.name.to_owned(), row.name.to_uppercase()],
            };
            for name in names {
                let plain = arrival(place, listener, "/base/x")?;
                let expected = seen(plain, caller(place), (&name.to_lowercase(), value), row.rule);
                let title = format!("{service}: {name}, {:?}", row.rule);
                let request = get(&format!("/headers/{service}/x")).header(&name, value);
                cases.push(manual(&title, &[], request.clone(), Expected::Arrives(expected.clone())));
                let request = get(&format!("/headers/{service}/{service}/x")).header(&name, value);
                cases.push(ucl(&title, &[], request, Expected::Arrives(expected)));
            }
        }
        // All at once, each of them twice.
        let mut request = get(&format!("/headers/{service}/x"));
        for name in HOST_ADDED.iter().copied().chain([INTERNAL_PREFIX]) {
            request = request.header(name, "forged").header(name.to_uppercase(), "again");
        }
        let plain = arrival(place, listener, "/base/x")?;
        cases.push(manual(&format!("{service}: all internal"), &[], request, Expected::Arrives(plain)));
    }
    for name in RESPONSE_STRIP {
        let path = format!("/headers/plain/answer?header={name}:forged&header=x-own:1&body=b");
        let answer = Answer { body: Text::Exactly("b".to_owned()), ..Answer::status(200) };
        let answer = answer.header("x-own", "1").without(name);
        cases.push(manual(&format!("{name} of a target"), &[], get(&path), Expected::Answer(answer)));
    }
    Ok(cases)
}
