//! The native part of the header table ([`fairlead_wire::header`]): what happens before the first filter, and what
//! the route does behind the last one. What Envoy does here costs next to nothing beside a host call of the plugin.

use fairlead_wire::header::{self, Rule};
use serde_json::{Value, json};

use crate::json::extension;

/// Hop-by-hop headers that Envoy's codec and connection manager treat themselves, as RFC 9110 §7.6.1 says: `te` is
/// reduced to `trailers`, and `connection` and `upgrade` must stay until the codec has seen them, or no upgrade works.
const LEFT_TO_CODEC: &[&str] = &["connection", "upgrade", "te", "transfer-encoding"];

/// Set by the gateway from the verified handshake.
const CLIENT_CERTIFICATE: &str = "x-forwarded-client-cert";

/// The `early_header_mutation_extensions` of a connection manager: callers' values of internal headers are gone, and
/// those of headers that the host sets by itself wait under another name, before anything reads the request.
/// `also` names further headers to strip.
#[must_use]
pub fn early_mutation(also: &[&str]) -> Value {
    let mut mutations = Vec::new();
    for row in header::REQUEST.iter().filter(|row| row.rule == Rule::Strip) {
        mutations.push(match row.name.strip_suffix('*') {
            Some(prefix) => json!({ "remove_on_match": { "key_matcher": { "prefix": prefix } } }),
            None => json!({ "remove": row.name }),
        });
    }
    mutations.extend(also.iter().map(|name| json!({ "remove": name })));
    for name in callers_only() {
        mutations.push(json!({ "append": {
            "header": { "key": kept(name), "value": format!("%REQ({name})%") },
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        } }));
    }
    json!([extension(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        json!({ "mutations": mutations }),
    )])
}

/// `request_headers_to_remove` of a route to a target. Removal comes before addition, so what [`put_back`] gives back
/// is removed here first.
#[must_use]
pub fn request_removals() -> Vec<String> {
    let mut names: Vec<String> = vec![header::PROFILE.to_owned(), header::IDLE.to_owned()];
    let mut add = |name: &str| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    for row in header::REQUEST {
        let ends_here = match row.rule {
            Rule::Strip | Rule::CallersOnly => !row.name.ends_with('*'),
            Rule::HopByHop => !LEFT_TO_CODEC.contains(&row.name),
            // The plugin removes what it consumed; an empty `Access-Token` passes (AG §8.6).
            Rule::Appended | Rule::Consumed => false,
        };
        if ends_here {
            add(row.name);
        }
    }
    header::HOST_ADDED.iter().copied().for_each(&mut add);
    names
}

/// `request_headers_to_remove` of a route to our own network (`identify` mode): as [`request_removals`], but who the
/// client is, by whom and by which protocol the request came stays for those behind.
#[must_use]
pub fn own_network_removals() -> Vec<String> {
    let mut names = request_removals();
    names.retain(|name| name != CLIENT_CERTIFICATE && !callers_only().any(|kept| kept == name));
    names
}

/// `request_headers_to_add` of a route to a target: callers' own values, where there were any. An empty value adds
/// nothing (`keep_empty_value` is false).
#[must_use]
pub fn put_back() -> Value {
    callers_only()
        .map(|name| {
            json!({
                "header": { "key": name, "value": format!("%REQ({})%", kept(name)) },
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            })
        })
        .collect()
}

/// `request_headers_to_remove` of the virtual host. Envoy evaluates a route's lists before its virtual host's: the
/// route could not read what it removes itself.
#[must_use]
pub fn kept_removals() -> Vec<String> {
    callers_only().map(kept).collect()
}

/// `response_headers_to_remove` of a route to a target. On a route, not on the virtual host: there it would take the
/// reason off direct responses. Local replies get their headers after this ran.
#[must_use]
pub fn response_removals() -> &'static [&'static str] {
    header::RESPONSE_STRIP
}

fn callers_only() -> impl Iterator<Item = &'static str> {
    header::REQUEST.iter().filter(|row| row.rule == Rule::CallersOnly).map(|row| row.name)
}

fn kept(name: &str) -> String {
    format!("{}{name}", header::KEPT_PREFIX)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn headers_every_row_has_a_native_rule_or_is_left_to_the_codec() {
        let early = early_mutation(&["x-application"]).to_string();
        let removed = request_removals();
        for row in header::REQUEST {
            let name = row.name.trim_end_matches('*');
            match row.rule {
                Rule::Strip => assert!(early.contains(&format!("\"{name}\"")), "{name}"),
                Rule::CallersOnly => {
                    assert!(early.contains(&kept(name)), "{name}");
                    assert!(removed.iter().any(|removed| removed == name), "{name}");
                    assert!(put_back().to_string().contains(&kept(name)), "{name}");
                    assert!(kept_removals().contains(&kept(name)), "{name}");
                }
                Rule::Consumed | Rule::Appended => {
                    assert!(!removed.iter().any(|removed| removed == name), "{name}");
                }
                Rule::HopByHop => {
                    assert_ne!(removed.iter().any(|removed| removed == name), LEFT_TO_CODEC.contains(&name));
                }
            }
        }
        assert!(early.contains("\"x-application\""));
    }

    #[test]
    fn headers_of_our_own_network_keep_who_came_and_how() {
        let removed = own_network_removals();
        for name in [CLIENT_CERTIFICATE, "x-request-id", "x-forwarded-proto"] {
            assert!(!removed.iter().any(|removed| removed == name), "{name}");
        }
        for name in [header::PROFILE, "x-envoy-internal", "keep-alive", "proxy-authorization"] {
            assert!(removed.iter().any(|removed| removed == name), "{name}");
        }
    }
}
