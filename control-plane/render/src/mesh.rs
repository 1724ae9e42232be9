//! A gateway inside an Istio mesh, as Istio's own objects (design decision 14).
//!
//! The control plane says what a gateway is ([`MeshGateway`]); out come JSON objects for the API server, in the order in
//! which to apply them: [`egress`] or [`ingress`] the fixed ones, [`Profiles`] one small `EnvoyFilter` for each transport
//! profile, and last, once the control plane serves the module, [`plugin`]. istiod wraps the very clusters, filters and
//! routes that an embedded gateway has. Only anchors that hold across Istio's versions are used: the connection manager,
//! the router, port numbers (facts: Istio).

mod control;
mod egress;
mod envoy_filter;
mod gateway;
mod ingress;
mod object;
mod plugin;
mod profiles;

use serde_json::{Value, json};

pub use egress::{MeshEgress, egress};
pub use gateway::{MeshControl, MeshGateway, Module};
pub use ingress::{MeshIngress, ingress};
pub use object::{CLIENT_LABEL, LABELS, PROFILE_LABEL};
pub use plugin::plugin;
pub use profiles::{Profiles, client_secret, client_secret_name, profile_object_name};

use crate::{Resolver, forward_proxy};

/// The DNS cache that all of a gateway's clusters and its filter share. Envoy refuses another configuration under a
/// known name for as long as it runs, so the name is made of what it says.
pub(crate) fn dns_cache(resolver: &Resolver) -> Value {
    let mut cache = forward_proxy::cache(&match resolver {
        // The gateway's resolv.conf and hosts file. Not by `getaddrinfo`, which not every build of Istio's Envoy has.
        Resolver::System => forward_proxy::cares(json!({})),
        Resolver::Servers(servers) => forward_proxy::servers_alone(servers),
    });
    let said = fairlead_wire::feed::short_sha256(cache.to_string().as_bytes());
    if let Some(cache) = cache.as_object_mut() {
        cache.insert("name".to_owned(), json!(format!("fairlead.{said}")));
    }
    cache
}
