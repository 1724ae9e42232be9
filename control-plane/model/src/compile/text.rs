//! The contract's error texts that are known before a request comes (AG §14).

use fairlead_resources::{Entry, Service};
use fairlead_wire::{Reason, Refusal};

/// E2.
pub(crate) fn no_service(service: &str) -> Refusal {
    Refusal::json(404, Reason::UnknownService, &format!("service with name {service} not found"))
}

/// E3.
pub(crate) fn no_entry(service: &str, entry: &str) -> Refusal {
    Refusal::json(
        404,
        Reason::UnknownService,
        &format!("service with name {service} and entry name {entry} not found"),
    )
}

/// E4 (`entry` absent) and E5.
pub(crate) fn ambiguous<'a>(
    service: &str,
    entry: Option<&str>,
    candidates: impl IntoIterator<Item = (&'a Service, &'a Entry)>,
) -> Refusal {
    let list: Vec<String> = candidates
        .into_iter()
        .map(|(service, entry)| {
            format!(
                "service.ID: '{}', service.DisplayName: '{}', entry.Name: '{}'",
                service.id, service.display_name, entry.name
            )
        })
        .collect();
    let entry = entry.map_or_else(String::new, |entry| format!(" and entry name '{entry}'"));
    Refusal::json(
        400,
        Reason::Ambiguous,
        &format!(
            "failed to get service with name '{service}'{entry}: multiple services found: {}",
            list.join(" | ")
        ),
    )
}

/// E8.
pub(crate) fn no_secret(service: &Service, secret: &str) -> Refusal {
    Refusal::json(
        500,
        Reason::SecretMissing,
        &format!("failed to read API for {} service, secret '{secret}' not found", service.name),
    )
}

/// E8b: the Secret is there and cannot be used.
pub(crate) fn bad_secret(service: &Service, secret: &str, error: &str) -> Refusal {
    Refusal::json(
        500,
        Reason::SecretInvalid,
        &format!("failed to read API for {} service, failed to get '{secret}' secret, {error}", service.name),
    )
}

/// E11. What stands before an `@` may be a password and is not shown.
pub(crate) fn bad_target(url: &str, error: &str) -> Refusal {
    Refusal::json(
        500,
        Reason::TargetInvalid,
        &format!("failed to parse target url '{}': '{error}'", without_user_info(url)),
    )
}

/// E12.
pub(crate) fn bad_endpoint(error: &str) -> Refusal {
    Refusal::json(500, Reason::TokenEndpointInvalid, &format!("failed to create token request: {error}"))
}

/// E13, E21. The query may be a secret and is not shown (a defect in AG §14).
pub(crate) fn no_endpoint(url: &str, reason: Reason, error: &str) -> Refusal {
    let url = without_user_info(url);
    let url = url.split(['?', '#']).next().unwrap_or_default();
    Refusal::json(502, reason, &format!("failed to make a request to '{url}': {error}"))
}

/// E18, which hides the cause; the reason tells it.
pub(crate) fn no_certified_token(reason: Reason) -> Refusal {
    Refusal::json(500, reason, "Failed to get token: Failed to fetch token, possible certificate problem")
}

fn without_user_info(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("//") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest.split_at_checked(end) {
        Some((authority, path)) => match authority.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}//{host}{path}"),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    }
}
