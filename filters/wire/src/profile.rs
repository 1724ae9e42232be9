//! Names of transport profiles (design decision 11).

/// What every transport profile's Envoy cluster name begins with. Routes accept no other cluster.
pub const PREFIX: &str = "fairlead.t.";

/// The cluster through which the plugin reaches the control plane. No route can name it.
pub const CONTROL_CLUSTER: &str = "fairlead.control";

/// Whether `name` is a transport profile's cluster name: the prefix and 32 lower-case hex digits.
#[must_use]
pub fn is_profile(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX.as_bytes())
        .is_some_and(|id| id.len() == 32 && id.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}
