//! Where which path leads, and in which order problems are told (CV §3, §5; decisions 20, 40).

use fairlead_testkit::Result;
use fairlead_wire::Reason;

use super::{
    Answer, Case, Expected, Place, arrival, case, client, post, subject_refused, unknown_application,
    unknown_path,
};
use crate::case::Text;

pub(super) fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let shop = client(place, "shop")?;
    let mut cases = Vec::new();
    for (rows, path, arrives) in [
        (&["CV-5-r01"][..], "/shop/v1/events", Some("/shop/v1/events")),
        (&["CV-5-r01"], "/shop/v1/events/", Some("/shop/v1/events/")),
        (&["CV-5-r01"], "/shop/v1/events/sub?a=%7c&b=//&c=..", Some("/shop/v1/events/sub?a=%7c&b=//&c=..")),
        (&["CV-5-r01"], "/shop/v1/events/subscribed", Some("/shop/v1/events/subscribed")),
        (&["CV-5-r02"], "/shop/v2/events?a=b", Some("/publish?a=b")),
        (&["CV-5-r02"], "/shop/v2/events/more/of/it", Some("/publish")),
        (&["CV-5-r02"], "/shop/v2/events/?", Some("/publish?")),
        (&["CV-5-r03"], "/shop/events", Some("/publish")),
        (&["CV-5-r03"], "/shop/events/a/b?q=/shop/v1/events", Some("/publish?q=/shop/v1/events")),
        // Kyma answers 301, which makes a GET of a POSTed event.
        (&[], "/shop//events", Some("/publish")),
        (&[], "/shop//v1///events//x//", Some("/shop/v1/events/x/")),
        (&[], "/shop/./events", Some("/publish")),
        (&[], "/shop/v3/../events", Some("/publish")),
        (&[], "/shop/v3/%2e%2e/events", Some("/publish")),
        (&[], "/%73hop/events", Some("/publish")),
        (&["CV-3-r05"], "/shop/v3/events", None),
        (&["CV-3-r05"], "/shop/", None),
        (&["CV-3-r05"], "/shop/v1/metadata/services", None),
        (&[], "/shop/v1/eventsfoo", None),
        (&[], "/shop/eventsfoo", None),
        (&[], "/shop/EVENTS", None),
        (&[], "/shop/v1%2fevents", None),
        (&[], "/shop/v1/events/../metadata", None),
        (&[], "/shop/v1/events/%2e%2E/metadata", None),
        (&[], "/shop/v1/events/..%2f..%2fmanaged", None),
        (&[], "/shop/v1/events/%252e%252e/x", None),
        (&[], "/shop/v1/events/..%5cx", None),
    ] {
        let expected = match arrives {
            Some(target) => Expected::Arrives(arrival(place, target)?),
            None => Expected::Refused(unknown_path()),
        };
        cases.push(case(path, rows, shop.clone(), post(path), expected));
    }
    for (rows, path, answer) in [
        (&["CV-3-r03"][..], "/nobody/v1/events", unknown_application("nobody")),
        (&[], "/Shop/v1/events", unknown_application("Shop")),
        (&[], "/a%22b%20c/v1/events", unknown_application("a\"b c")),
        (&[], "/shop%2fevents/v1/events", unknown_application("shop/events")),
        // Problems of the certificate are told before those of the path, an unknown Application before both.
        (&["CV-3-r03"], "/nobody/v3/else", unknown_application("nobody")),
        (&["CV-3-r04"], "/managed/v3/else", subject_refused()),
        (&["CV-3-r04"], "/shop/../managed/v1/events", subject_refused()),
        (
            &["CV-3-r02"],
            "//v1/events",
            Answer::json(400, Reason::UnknownPath, "application name not specified"),
        ),
        (&[], "/", not_found()),
        (&[], "/shop", not_found()),
        (&[], "/shop?/v1/events", not_found()),
    ] {
        cases.push(case(path, rows, shop.clone(), post(path), Expected::Refused(answer)));
    }
    Ok(cases)
}

/// CV §3, step 1.
fn not_found() -> Answer {
    Answer { body: Text::Exactly("404 page not found\n".to_owned()), ..Answer::status(404) }
        .header("content-type", "text/plain; charset=utf-8")
        .header("x-content-type-options", "nosniff")
}
