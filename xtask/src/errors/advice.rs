//! What to do about each reason.

/// By name.
pub(super) fn of(name: &str) -> Option<&'static str> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, advice)| *advice)
}

pub(super) const ALL: &[(&str, &str)] = &[
    (
        "path_too_short",
        "Call `/{application}/{service}/…` on port 8080, `/{application}/{service}/{entry}/…` on 8082.",
    ),
    (
        "path_refused",
        "Name application, service and entry without escapes; escape what follows them as RFC 3986 says.",
    ),
    ("path_leaves_base", "Leave out `..` that climbs above the service's path."),
    (
        "unknown_service",
        "Compare with `gatewayUrl` in the Application's status; the Application may be new or misspelt.",
    ),
    ("ambiguous", "Give the services, or the entries, names that differ; the condition names them."),
    (
        "secret_missing",
        "Create the Secret that the Application names, in `kyma-system` or `kyma-integration`.",
    ),
    ("secret_invalid", "Mend the Secret: the condition says which key and why."),
    ("certificate_invalid", "Mend certificate and key in the Secret: PEM, of one pair, valid now."),
    ("proxy_invalid", "Name the proxy as `http://host:port`, without credentials."),
    ("target_invalid", "Mend the entry's `targetUrl`."),
    ("target_unsupported", "Give the entry a `targetUrl` with `http` or `https`."),
    (
        "target_refused",
        "The address is one of our own, loopback, link-local or metadata: if it is meant, allow its network in the installation.",
    ),
    (
        "target_unreachable",
        "See whether the target's name resolves, its port is open to the gateway and its certificate is trusted for the name.",
    ),
    (
        "target_timeout",
        "The target is slow: raise `spec.fairlead.timeouts.headers`, or make the call asynchronous.",
    ),
    ("caller_timeout", "The caller, or what is between, is slow: send headers and body without long pauses."),
    ("token_endpoint_invalid", "Mend the URL of the token or CSRF endpoint."),
    (
        "token_endpoint_unreachable",
        "See whether the token endpoint can be reached from the control plane and its certificate is trusted.",
    ),
    (
        "token_endpoint_status",
        "The token endpoint refuses the client: compare client id, secret or certificate with it.",
    ),
    ("token_endpoint_answer", "The token endpoint must answer JSON with `access_token`."),
    (
        "token_endpoint_limited",
        "The endpoint failed several times in a row; it is asked again after `Retry-After`. Look at it first.",
    ),
    ("csrf_endpoint_unreachable", "See whether the CSRF endpoint can be reached from the control plane."),
    ("csrf_endpoint_status", "The CSRF endpoint must answer 200 to the Application's credential."),
    ("grant_unknown", "Ask again after `Retry-After`: the Application has just changed."),
    (
        "grant_timeout",
        "Ask again after `Retry-After`; if it stays, see whether a control plane leads and reaches the token endpoint.",
    ),
    (
        "grant_limited",
        "Targets reject what the token endpoint issues: compare scopes and audience; asked again after `Retry-After`.",
    ),
    (
        "credential_unsupported",
        "The gateway's plugin is older than the control plane: wait for the update to end.",
    ),
    (
        "cold",
        "Ask again after `Retry-After`: a worker has just started. If it stays, see whether the gateway reaches the control plane.",
    ),
    ("stale", "The gateway has not heard from the control plane for `maxStaleness`: bring that back."),
    ("too_many_held", "Ask again after `Retry-After`; raise `maxHeld` if this many callers wait at start."),
    (
        "concurrency_limited",
        "Ask again after `Retry-After`; the target is slow, or raise `spec.fairlead.concurrency`.",
    ),
    (
        "replay_failed",
        "The target rejects tokens, and no newer one, or no second answer, was to be had: look at the token endpoint.",
    ),
    (
        "replay_answer_too_large",
        "The call was executed; its answer is larger than a second attempt may hold. Repeat it, or raise the bound.",
    ),
    (
        "profile_missing",
        "Ask again after `Retry-After`; if it stays, the Application's condition `ProfileUndelivered` says why.",
    ),
    ("not_routed", "The request passed no plugin: call by the gateway's own name and port."),
    ("certificate_missing", "Present the Application's client certificate."),
    (
        "subject_refused",
        "The certificate belongs to another Application, or its subject is not the Application's.",
    ),
    ("revoked", "Enrol again: the certificate was revoked."),
    ("server_name_mismatch", "Use one name for TLS (SNI) and `Host`."),
    ("unknown_application", "Create the Application, or call by its name."),
    ("unknown_path", "Call `/{application}/v1/events`, `/v2/events` or `/events`."),
    ("field_invalid", "Mend the field that the condition names."),
    ("other", "Look into the log of gateway and control plane."),
];
