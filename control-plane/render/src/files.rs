//! The pieces put into files.

use std::collections::BTreeMap;

use fairlead_wire::feed::short_sha256;
use serde_json::{Value, json};

use crate::{
    Files, Gateway, Profile, bootstrap,
    cluster::{self, Parts},
    json::any,
    sds,
    upstream::Upstream,
};

/// The files that both gateways have. One cluster at least a profile, in the order of their names; `fixed` clusters are
/// part of the bootstrap.
pub(crate) fn common<'a>(
    gateway: &Gateway,
    upstream: &Upstream<'_>,
    fixed: &[Value],
    listeners: &[Value],
    profiles: impl IntoIterator<Item = &'a Profile>,
) -> Files {
    let control = &gateway.control;
    let profiles: BTreeMap<&str, &Profile> =
        profiles.into_iter().map(|profile| (profile.id.as_str(), profile)).collect();
    let parts: Vec<Parts> = profiles.values().map(|profile| cluster::parts(upstream, profile)).collect();
    let typed = |kind: &str, values: &[Value]| {
        let values = values.iter().cloned().map(|value| any(kind, value));
        values.collect::<Vec<_>>()
    };
    let (mut clusters, mut all) = (Vec::new(), typed("envoy.config.listener.v3.Listener", listeners));
    for parts in parts {
        clusters.extend(typed("envoy.config.cluster.v3.Cluster", &parts.clusters));
        all.extend(typed("envoy.config.listener.v3.Listener", &parts.listeners));
    }
    Files::from([
        ("bootstrap.json".to_owned(), bootstrap::bootstrap(gateway, fixed)),
        ("xds/cds.json".to_owned(), discovered(&clusters)),
        ("xds/lds.json".to_owned(), discovered(&all)),
        (sds::file(sds::CONTROL), sds::pair(sds::CONTROL, &control.client)),
        (sds::file(sds::CONTROL_CA), sds::bundle(sds::CONTROL_CA, &control.ca)),
    ])
}

/// Under the version, which is made of the content, Envoy says that it has taken them (`…version_text` of its statistics).
fn discovered(resources: &[Value]) -> Value {
    let version = short_sha256(json!(resources).to_string().as_bytes());
    json!({ "version_info": version, "resources": resources })
}
