//! The engine's part of the header table (design decision 5): internal headers that a caller sent.
//!
//! Natively, before the plugin, `early_header_mutation` removes the `Strip` rows; natively, behind it, the route
//! removes what the host adds by exact name, XFCC and hop-by-hop headers. What is removed here holds whatever the
//! host was told, and costs nothing where the host did its part.

use fairlead_wire::header::{HOST_ADDED, INTERNAL_PREFIX, REQUEST, Rule};

use crate::{headers::HeaderBlock, step::Op};

/// Headers that Envoy sets by itself, and where a caller's own value of each waits for the route to put it back.
const KEPT: &[(&str, &str)] = &[
    ("x-request-id", "x-fairlead-kept-x-request-id"),
    ("x-forwarded-proto", "x-fairlead-kept-x-forwarded-proto"),
];

/// Where a caller's value of the header `name` waits; none if it stands where it was sent.
pub(crate) fn kept(name: &str) -> Option<&'static str> {
    KEPT.iter().find(|(set_by_host, _)| *set_by_host == name).map(|(_, kept)| *kept)
}

/// The header whose caller's value waits under this name.
pub(crate) fn put_back(kept: &[u8]) -> Option<&'static str> {
    KEPT.iter().find(|(_, name)| name.as_bytes() == kept).map(|(set_by_host, _)| *set_by_host)
}

/// Whether a request's header ends at the route to a target, natively or because the plugin had it removed before. For
/// a request that passes no route.
pub(crate) fn ends_at_the_route(name: &[u8]) -> bool {
    REQUEST.iter().any(|row| match row.rule {
        Rule::Strip | Rule::CallersOnly | Rule::HopByHop => match row.name.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix.as_bytes()),
            None => name == row.name.as_bytes(),
        },
        Rule::Appended | Rule::Consumed => false,
    })
}

/// Whether a request's header must not go on from here to a target or sink. Names in [`HOST_ADDED`] are left to
/// the route: some are on every request, and none of them steers anything.
#[inline]
pub(crate) fn ends_here(name: &[u8]) -> bool {
    // Most names are told apart by their first letters.
    matches!(name, [b'x', b'-', b'f', b'a', ..] | [b'x', b'-', b'e', b'n', ..] | [b'x', b'-', b'i', b's', ..])
        && is_stripped(name)
}

#[inline(never)]
fn is_stripped(name: &[u8]) -> bool {
    REQUEST.iter().filter(|row| row.rule == Rule::Strip).any(|row| match row.name.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix.as_bytes()),
        None => name == row.name.as_bytes(),
    }) && !HOST_ADDED.iter().any(|added| added.as_bytes() == name)
        && !KEPT.iter().any(|(_, kept)| kept.as_bytes() == name)
}

/// Removals of our own headers, and of `also`, for a request that others route: nobody else may see them.
pub(crate) fn internal<'a>(headers: &HeaderBlock<'a>, also: Option<&str>) -> Vec<Op<'a>> {
    let mut ops = Vec::new();
    for (name, _) in headers {
        if name.starts_with(INTERNAL_PREFIX.as_bytes()) || also.is_some_and(|also| also.as_bytes() == name) {
            ops.push(Op::Remove(name));
        }
    }
    ops
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use fairlead_wire::header::KEPT_PREFIX;

    use super::*;

    #[test]
    fn kept_names_are_those_of_the_header_table() {
        let table: Vec<_> = REQUEST
            .iter()
            .filter(|row| row.rule == Rule::CallersOnly)
            .map(|row| (row.name, format!("{KEPT_PREFIX}{}", row.name)))
            .collect();
        let here: Vec<_> = KEPT.iter().map(|(name, kept)| (*name, (*kept).to_owned())).collect();
        assert_eq!(here, table);
    }

    #[test]
    fn every_strip_row_ends_here_or_is_removed_by_the_route() {
        for row in REQUEST.iter().filter(|row| row.rule == Rule::Strip) {
            let name = row.name.replace('*', "any");
            assert!(ends_here(name.as_bytes()) || HOST_ADDED.contains(&row.name), "{name}");
        }
        for name in ["x-fairlead-kept-any", "x-envoy-retry-on", "x-istio-attributes"] {
            assert!(ends_here(name.as_bytes()), "{name}");
        }
        for name in [
            "x-request-id",
            "x-forwarded-for",
            "x-tenant",
            "x-envoy-internal",
            "accept",
            "x-fairlead-kept-x-request-id",
        ] {
            assert!(!ends_here(name.as_bytes()), "{name}");
        }
    }
}
