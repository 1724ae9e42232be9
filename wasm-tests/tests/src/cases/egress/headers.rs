//! Request headers towards the target, as complete lists (AG §6, §8.6, §10; the header table of design decision 5).

use fairlead_testkit::{Result, http::Request};
use fairlead_wire::{
    Reason,
    header::{HOST_ADDED, INTERNAL_PREFIX},
};
use serde_json::json;

use super::{Application, Case, Entry, Expected, Place, arrival, caller, get, manual, secret, url};
use crate::case::Answer;

pub(super) fn plant(place: &dyn Place) -> Result {
    let base = format!("{}/base", url(place, "http")?);
    let secure = format!("{}/base", url(place, "https")?);
    let unknown = |secret: &str| {
        let credentials = json!({ "type": "Unknown", "secretName": secret });
        Entry::api(&base).field("credentials", credentials)
    };
    let app = Application::new("headers")
        .service("plain", &[Entry::api(&base).name("plain")])
        .service("secure", &[Entry::api(&secure).name("secure")])
        .service("keyless", &[Entry::api(&base).basic("headers-keyless")])
        .service("unknown", &[unknown("headers-keyless")])
        .service("unknown missing", &[unknown("headers-missing")])
        .service("basic", &[Entry::api(&base).basic("headers-basic")])
        .service("custom", &[Entry::api(&base).basic("headers-basic").parameters("headers-custom")]);
    let custom = secret(
        "headers-custom",
        &[
            ("headers", r#"{"X-Tenant": ["blue"], "X-Multi": ["v1", "v2"], "Authorization": ["never"]}"#),
            ("queryParameters", r#"{"sap-client": ["100"], "k": ["v 1", "v2"]}"#),
        ],
    );
    let basic = secret("headers-basic", &[("username", "header-user"), ("password", "header-password")]);
    let keyless = secret("headers-keyless", &[("other", "key")]);
    place.put("headers", &[app.manifest(), custom, basic, keyless])
}

/// `header-user:header-password`.
const BASIC: &str = "Basic aGVhZGVyLXVzZXI6aGVhZGVyLXBhc3N3b3Jk";

pub(super) fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let plain = || arrival(place, "http", "/base/x");
    let get = || get("/headers/plain/x");
    let mut internal =
        get().header("x-fairlead-profile", "fairlead.control").header("X-Istio-Attributes", "a");
    for name in HOST_ADDED {
        internal = internal.header(name, "forged");
    }
    let internal = internal.header("X-Envoy-Max-Retries", "9").header("x-envoy-upstream-rq-timeout-ms", "1");
    let body = Request::new("DELETE", "/headers/plain/x").header("Content-Type", "text/x").body("body");
    let cases = vec![
        manual("nothing is invented", &["AG-6-r01", "AG-6-r04"], get(), Expected::Arrives(plain()?)),
        manual(
            "the same over TLS",
            &["AG-6-r01"],
            Request::new("GET", "/headers/secure/x"),
            Expected::Arrives(arrival(place, "https", "/base/x")?),
        ),
        manual(
            "what the caller sent passes",
            &["AG-6-r04", "AG-6-r07"],
            get()
                .header("User-Agent", "tool/1")
                .header("Cookie", "a=b")
                .header("X-csrf-token", "t")
                .header("X-Request-Id", "id")
                .header("traceparent", "00-1-2-01")
                .header("Accept-Encoding", "br")
                .header("X-Twice", "1")
                .header("X-Twice", "2"),
            Expected::Arrives(
                plain()?
                    .with("user-agent", "tool/1")
                    .with("cookie", "a=b")
                    .with("x-csrf-token", "t")
                    .with("x-request-id", "id")
                    .with("traceparent", "00-1-2-01")
                    .with("accept-encoding", "br")
                    .with("x-twice", "1")
                    .with("x-twice", "2"),
            ),
        ),
        manual(
            "no encoding is asked for that the caller cannot read",
            &["AG-6-r09"],
            get(),
            Expected::Arrives(plain()?),
        ),
        manual(
            "a caller's own Authorization",
            &["AG-6-r02"],
            get().header("Authorization", "Bearer mine"),
            Expected::Arrives(plain()?.with("authorization", "Bearer mine")),
        ),
        manual(
            "Authorization is overwritten by Basic",
            &["AG-6-r02"],
            Request::new("GET", "/headers/basic/x").header("Authorization", "Bearer mine"),
            Expected::Arrives(plain()?.with("authorization", BASIC)),
        ),
        manual(
            "Access-Token goes before the configured credential",
            &["AG-6-r03"],
            Request::new("GET", "/headers/basic/x").header("Access-Token", "Bearer mine"),
            Expected::Arrives(plain()?.with("authorization", "Bearer mine")),
        ),
        manual(
            "Access-Token without a credential",
            &["AG-6-r03"],
            get().header("Access-Token", "Basic mine").header("Authorization", "Bearer other"),
            Expected::Arrives(plain()?.with("authorization", "Basic mine")),
        ),
        manual(
            "missing keys of a Secret are empty",
            &[],
            Request::new("GET", "/headers/keyless/x"),
            Expected::Arrives(plain()?.with("authorization", "Basic Og==")),
        ),
        manual(
            "an unknown credential type adds nothing",
            &[],
            Request::new("GET", "/headers/unknown/x").header("Authorization", "Bearer mine"),
            Expected::Arrives(plain()?.with("authorization", "Bearer mine")),
        ),
        manual(
            "but its Secret must be there, whatever the caller brings",
            &["AG-14-r28"],
            Request::new("GET", "/headers/unknown-missing/x").header("Access-Token", "Bearer mine"),
            Expected::Refused(Answer::json(
                500,
                Reason::SecretMissing,
                "failed to read API for name-of-unknown missing service, secret 'headers-missing' not found",
            )),
        ),
        manual(
            "an empty Access-Token is no token",
            &["AG-6-r03"],
            Request::new("GET", "/headers/basic/x").header("Access-Token", ""),
            Expected::Arrives(plain()?.with("authorization", BASIC).with("access-token", "")),
        ),
        manual(
            "X-Forwarded-For is appended to",
            &["AG-6-r05"],
            get().header("X-Forwarded-For", "10.0.0.1, 10.0.0.2"),
            Expected::Arrives(
                super::Arrival { headers: Vec::new(), ..plain()? }
                    .with("x-forwarded-for", &format!("10.0.0.1, 10.0.0.2,{}", caller(place))),
            ),
        ),
        manual(
            "X-Forwarded-For of several lines becomes one",
            &["AG-6-r05"],
            get().header("X-Forwarded-For", "10.0.0.1").header("x-forwarded-for", "10.0.0.2"),
            Expected::Arrives(
                super::Arrival { headers: Vec::new(), ..plain()? }
                    .with("x-forwarded-for", &format!("10.0.0.1,10.0.0.2,{}", caller(place))),
            ),
        ),
        manual(
            "X-Forwarded-Proto and -Host pass, XFCC never leaves",
            &["AG-6-r06"],
            get()
                .header("X-Forwarded-Proto", "https")
                .header("X-Forwarded-Host", "h")
                .header("X-Forwarded-Client-Cert", "Hash=a"),
            Expected::Arrives(plain()?.with("x-forwarded-proto", "https").with("x-forwarded-host", "h")),
        ),
        manual(
            "hop by hop",
            &["AG-6-r08"],
            Request::new("GET", "/headers/basic/x")
                .header("Connection", "keep-alive, X-Named, Authorization")
                .header("X-Named", "1")
                .header("Proxy-Connection", "keep-alive")
                .header("Keep-Alive", "timeout=5")
                .header("Proxy-Authenticate", "Basic")
                .header("Proxy-Authorization", "Basic eA==")
                .header("Trailer", "X-T"),
            Expected::Arrives(plain()?.with("authorization", BASIC)),
        ),
        manual("forged internal headers", &[], internal, Expected::Arrives(plain()?)),
        manual(
            "every internal header",
            &[],
            get().header(format!("{INTERNAL_PREFIX}anything"), "1"),
            Expected::Arrives(plain()?),
        ),
        manual(
            "custom headers and query",
            &["AG-6-r10"],
            Request::new("GET", "/headers/custom/x?b=2&k=mine"),
            Expected::Arrives(
                super::Arrival { target: "/base/x?b=2&k=mine&sap-client=100".to_owned(), ..plain()? }
                    .with("authorization", BASIC)
                    .with("x-tenant", "blue")
                    .with("x-multi", "v1")
                    .with("x-multi", "v2"),
            ),
        ),
        manual(
            "custom headers and query where the caller has them",
            &["AG-6-r10"],
            Request::new("GET", "/headers/custom/x?sap-client=1").header("x-tenant", "mine"),
            Expected::Arrives(
                super::Arrival { target: "/base/x?k=v+1&k=v2&sap-client=1".to_owned(), ..plain()? }
                    .with("authorization", BASIC)
                    .with("x-tenant", "mine")
                    .with("x-multi", "v1")
                    .with("x-multi", "v2"),
            ),
        ),
        manual(
            "any method may have a body",
            &[],
            body,
            Expected::Arrives(
                super::Arrival { body: "body".to_owned(), ..plain()? }
                    .with("content-type", "text/x")
                    .with("content-length", "4"),
            ),
        ),
        manual(
            "a chunked body stays chunked",
            &[],
            Request::new("POST", "/headers/plain/x").chunks(["bo", "dy"]),
            Expected::Arrives(
                super::Arrival { body: "body".to_owned(), ..plain()? }.with("transfer-encoding", "chunked"),
            ),
        ),
    ];
    Ok(cases)
}
