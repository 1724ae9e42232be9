//! The one header table (design decision 5): what is stripped, kept and set, in each direction.
//!
//! The renderer makes native rules of it (early header mutation, route removal), the engine its own part, and tests
//! assert the complete list of what a target sees against it.

/// Names the transport profile for the route (`cluster_header`). Set by the plugin, removed by the route.
pub const PROFILE: &str = "x-fairlead-profile";
/// Response header of every local answer: the [reason](crate::Reason).
pub const REASON: &str = "x-fairlead-reason";
/// Verified application name, set in `identify` mode and stripped from whatever a client sends.
pub const APPLICATION: &str = "x-application";
/// Carries a caller's own `Authorization` value (AG §8.6).
pub const ACCESS_TOKEN: &str = "access-token";
/// Original status of a target's 5xx (AG §12).
pub const TARGET_STATUS: &str = "target-system-status";
/// Every internal header begins so (decision 32).
pub const INTERNAL_PREFIX: &str = "x-fairlead-";
/// Where a caller's own value of a header that Envoy sets by itself waits, followed by that header's name.
pub const KEPT_PREFIX: &str = "x-fairlead-kept-";
/// Names the class of a route's idle time ([`crate::idle`]). Set by the plugin where it is not the default, removed by
/// the route.
pub const IDLE: &str = "x-fairlead-idle";
/// The token against cross-site request forgery (AG §9).
pub const CSRF_TOKEN: &str = "x-csrf-token";
/// The address that a replay goes to, read by the [pinned twin](crate::profile::pinned) of a transport profile.
pub const ORIGINAL_DST: &str = "x-envoy-original-dst-host";
/// Milliseconds until response headers, understood and removed by Envoy's router.
pub const HEADERS_TIMEOUT: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

/// What happens to a request header between caller and target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A caller's is dropped before anything reads it; what the host adds does not leave either.
    Strip,
    /// A caller's passes; where the caller sent none, what the host adds does not leave.
    CallersOnly,
    /// The host appends to it, and it leaves (contract).
    Appended,
    /// Read by the plugin and removed.
    Consumed,
    /// Hop by hop (RFC 9110 §7.6.1): ends here, in both directions.
    HopByHop,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Header name in lower case; with a trailing `*` a prefix.
    pub name: &'static str,
    /// What happens to it.
    pub rule: Rule,
}

const fn row(name: &'static str, rule: Rule) -> Row {
    Row { name, rule }
}

/// Requests. What is not named here passes unchanged (AG §6, decision 39).
pub const REQUEST: &[Row] = &[
    row("x-fairlead-*", Rule::Strip),
    row("x-envoy-*", Rule::Strip),
    row("x-forwarded-client-cert", Rule::Strip),
    row("x-istio-*", Rule::Strip),
    row("x-request-id", Rule::CallersOnly),
    row("x-forwarded-proto", Rule::CallersOnly),
    row("x-forwarded-for", Rule::Appended),
    row("access-token", Rule::Consumed),
    row("connection", Rule::HopByHop),
    row("proxy-connection", Rule::HopByHop),
    row("keep-alive", Rule::HopByHop),
    row("proxy-authenticate", Rule::HopByHop),
    row("proxy-authorization", Rule::HopByHop),
    row("te", Rule::HopByHop),
    row("trailer", Rule::HopByHop),
    row("transfer-encoding", Rule::HopByHop),
    row("upgrade", Rule::HopByHop),
];

/// What Envoy and Istio are known to add to a request by themselves, some after the filters ran (facts: what the
/// target sees). A route can remove exact names only, so they are listed.
pub const HOST_ADDED: &[&str] = &[
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-original-path",
    "x-envoy-original-host",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
    "x-forwarded-client-cert",
];

/// Responses: never from a target to a caller.
pub const RESPONSE_STRIP: &[&str] = &[
    "x-fairlead-reason",
    "x-fairlead-feed",
    "x-envoy-upstream-service-time",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
    "x-envoy-immediate-health-check-fail",
    "x-envoy-overloaded",
    "x-envoy-ratelimited",
];
