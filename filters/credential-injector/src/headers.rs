//! Custom headers: added where absent, never overriding or appending to what the caller or a credential set (AG §10).

use fairlead_wire::header::{REQUEST, Rule};

/// The lines of `custom` whose name `present` does not know, in order; several lines of one name stay several lines.
///
/// `present` is asked with the name as it is in `custom` (the feed has lower case) and compares without regard to
/// case: a name spelt `x-tenant` in a Secret is no reason to send it beside a caller's `X-Tenant`, as Kyma does.
/// `User-Agent` is a name like any other, so that a custom one applies where the caller sent none; in Kyma it
/// never does.
pub fn absent<P: Fn(&str) -> bool>(
    custom: &[(Box<str>, Box<str>)],
    present: P,
) -> impl Iterator<Item = (&str, &str)> {
    custom.iter().map(|(name, value)| (&**name, &**value)).filter(move |(name, _)| !present(name))
}

/// Whether a custom header of this name can take effect at all. Message framing and `Host` are the transport's own
/// (in Kyma too they are ignored), hop-by-hop headers end here, internal headers are nobody's to set. `name` is in
/// lower case.
#[must_use]
pub fn applies(name: &str) -> bool {
    if matches!(name, "host" | "content-length" | "expect") {
        return false;
    }
    !REQUEST.iter().filter(|row| matches!(row.rule, Rule::Strip | Rule::HopByHop)).any(|row| {
        match row.name.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == row.name,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn lines_of_absent_names_stay_apart_and_in_order() {
        let custom: Vec<(Box<str>, Box<str>)> = [("x-b", "1"), ("x-a", "2"), ("x-b", "3"), ("x-sent", "4")]
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec();
        let added: Vec<_> = absent(&custom, |name| name == "x-sent").collect();
        assert_eq!(added, [("x-b", "1"), ("x-a", "2"), ("x-b", "3")]);
    }

    #[test]
    fn names_of_the_transport_and_internal_names_never_apply() {
        for name in ["host", "content-length", "connection", "te", "x-fairlead-profile", "x-envoy-retry-on"] {
            assert!(!applies(name), "{name}");
        }
        for name in ["x-tenant", "user-agent", "authorization", "cookie", "access-token", "x-forwarded-for"] {
            assert!(applies(name), "{name}");
        }
    }
}
