//! Names of transport profiles (design decision 11).

/// What a transport profile's Envoy cluster name begins with. Routes accept no others than this and [`PROXIED_PREFIX`].
pub const PREFIX: &str = "fairlead.t.";

/// What the name begins with if targets are reached through a proxy: names are resolved there, so that the gateway has
/// another route for these, without a guard that would look for an address.
pub const PROXIED_PREFIX: &str = "fairlead.x.";

/// What the Envoy cluster names of pinned twins begin with. No route can name them.
pub const PINNED_PREFIX: &str = "fairlead.p.";

/// The profile without TLS, the one for all such targets: the gateway guards it in a way of its own.
pub const PLAIN: &str = "fairlead.t.1ef176e4f42edf1275f114eae7f04e08";

/// The cluster through which the plugin reaches the control plane. No route can name it.
pub const CONTROL_CLUSTER: &str = "fairlead.control";

/// Whether `name` is a transport profile's cluster name: one of the prefixes and 32 lower-case hex digits.
#[must_use]
pub fn is_profile(name: &[u8]) -> bool {
    let id = name.strip_prefix(PREFIX.as_bytes()).or_else(|| name.strip_prefix(PROXIED_PREFIX.as_bytes()));
    id.is_some_and(|id| id.len() == 32 && id.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// The pinned twin of the profile `name`: the cluster with the same TLS that a replay goes through, to the very address
/// that served the first attempt (design decision 10); through a proxy, as the first attempt went. None if `name` is no
/// profile's.
#[must_use]
pub fn pinned(name: &str) -> Option<String> {
    let id = name.strip_prefix(PREFIX).or_else(|| name.strip_prefix(PROXIED_PREFIX));
    let id = id.filter(|_| is_profile(name.as_bytes()))?;
    Some([PINNED_PREFIX, id].concat())
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
        assert!(is_profile(good.replace(PREFIX, PROXIED_PREFIX).as_bytes()));
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
    #[test]
    fn a_pinned_twin_is_named_after_its_profile_and_is_none() {
        let twin = pinned(PLAIN).unwrap();
        assert_eq!(twin, "fairlead.p.1ef176e4f42edf1275f114eae7f04e08");
        assert!(!is_profile(twin.as_bytes()));
        assert_eq!(pinned(&PLAIN.replace(PREFIX, PROXIED_PREFIX)).as_ref(), Some(&twin));
        assert_eq!(pinned(&twin), None);
        assert_eq!(pinned(CONTROL_CLUSTER), None);
    }
}
