//! Names of transport profiles (design decision 11).

/// What every transport profile's Envoy cluster name begins with. Routes accept no other cluster.
pub const PREFIX: &str = "fairlead.t.";

/// The profile without TLS, the one for all such targets: the gateway guards it in a way of its own.
pub const PLAIN: &str = "fairlead.t.1ef176e4f42edf1275f114eae7f04e08";

/// The cluster through which the plugin reaches the control plane. No route can name it.
pub const CONTROL_CLUSTER: &str = "fairlead.control";

/// Whether `name` is a transport profile's cluster name: the prefix and 32 lower-case hex digits.
#[must_use]
pub fn is_profile(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX.as_bytes())
        .is_some_and(|id| id.len() == 32 && id.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn only_a_profiles_name_is_one() {
        let good = "fairlead.t.0123456789abcdef0123456789abcdef";
        assert!(is_profile(good.as_bytes()));
        for bad in [
            CONTROL_CLUSTER,
            "",
            PREFIX,
            "fairlead.t.0123",
            &good.to_uppercase(),
            &format!("{good}0"),
            &format!(" {good}"),
        ] {
            assert!(!is_profile(bad.as_bytes()), "{bad}");
        }
    }
}
