//! The pieces put into files.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Files, Gateway, Profile, Trust, bootstrap, cluster, json::any, sds};

/// The files that both gateways have.
pub(crate) fn common<'a>(
    gateway: &Gateway,
    fixed: &[Value],
    listeners: &[Value],
    profiles: impl IntoIterator<Item = &'a Profile>,
) -> Files {
    let control = &gateway.control;
    Files::from([
        ("bootstrap.json".to_owned(), bootstrap::bootstrap(gateway, fixed)),
        ("xds/cds.json".to_owned(), clusters(gateway, profiles)),
        ("xds/lds.json".to_owned(), json!({ "resources": listeners })),
        (sds::file(sds::CONTROL), sds::pair(sds::CONTROL, &control.client)),
        (sds::file(sds::CONTROL_CA), sds::bundle(sds::CONTROL_CA, &control.ca)),
    ])
}

/// Content of `xds/cds.json`: one cluster a profile, in the order of their names. The plain one is not among them, but
/// part of the bootstrap ([`Profile::plain`]).
#[must_use]
pub fn clusters<'a>(gateway: &Gateway, profiles: impl IntoIterator<Item = &'a Profile>) -> Value {
    let profiles: BTreeMap<&str, &Profile> = profiles
        .into_iter()
        .filter(|profile| profile.trust != Trust::Plain)
        .map(|profile| (profile.id.as_str(), profile))
        .collect();
    let resources: Vec<_> = profiles
        .values()
        .map(|profile| any("envoy.config.cluster.v3.Cluster", cluster::profile(gateway, profile)))
        .collect();
    json!({ "resources": resources })
}
