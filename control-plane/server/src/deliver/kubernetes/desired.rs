//! What should be in a gateway's namespace: rendered from configuration and from what changes while the process runs.

use std::{net::SocketAddr, sync::Arc};

use fairlead_render::{
    Profile,
    mesh::{self, MeshEgress, MeshIngress, Module, Profiles},
};
use serde_json::Value;

use super::object::Kind;
use crate::{
    config::{Config, MeshEgressConfig, MeshIngressConfig},
    gateways::mesh::{Current, egress, host, ingress},
    kubernetes::Cluster,
};

/// Which gateway.
#[derive(Clone)]
pub(super) enum Which {
    Egress(MeshEgressConfig),
    Ingress(MeshIngressConfig),
}

impl Which {
    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Egress(egress) => &egress.namespace,
            Self::Ingress(ingress) => &ingress.namespace,
        }
    }

    /// What is written for it, in order.
    pub(super) fn kinds(&self) -> &'static [Kind] {
        match self {
            Self::Egress(_) => {
                &[Kind::Telemetry, Kind::EnvoyFilter, Kind::VirtualService, Kind::Gateway, Kind::WasmPlugin]
            }
            Self::Ingress(_) => {
                &[Kind::Secret, Kind::EnvoyFilter, Kind::VirtualService, Kind::Gateway, Kind::WasmPlugin]
            }
        }
    }

    /// The ingress gateway's host name.
    pub(super) fn host(&self, cluster: &Cluster) -> Option<(&MeshIngressConfig, String)> {
        match self {
            Self::Egress(_) => None,
            Self::Ingress(ingress) => Some((ingress, host(&cluster.config, ingress))),
        }
    }
}

/// The gateway as it is to be rendered now.
pub(super) enum Rendered {
    Egress(MeshEgress),
    Ingress(MeshIngress),
}

impl Rendered {
    pub(super) fn new(
        which: &Which,
        config: &Config,
        cluster: &Cluster,
        ca: &str,
        never: &Arc<[SocketAddr]>,
    ) -> Self {
        let current = Current { ca, never };
        match which {
            Which::Egress(gateway) => Self::Egress(egress(config, &cluster.config, gateway, &current)),
            Which::Ingress(gateway) => Self::Ingress(ingress(config, &cluster.config, gateway, &current)),
        }
    }

    /// The fixed objects.
    pub(super) fn fixed(&self) -> Vec<Value> {
        match self {
            Self::Egress(egress) => mesh::egress(egress),
            Self::Ingress(ingress) => mesh::ingress(ingress),
        }
    }

    /// The plugin's object; `push` differs when it is to be pushed although nothing is different.
    pub(super) fn plugin(&self, module: &Module, push: Option<&str>) -> Value {
        let mut object = match self {
            Self::Egress(egress) => egress.plugin(module),
            Self::Ingress(ingress) => ingress.plugin(module),
        };
        if let (Some(push), Some(metadata)) =
            (push, object.get_mut("metadata").and_then(Value::as_object_mut))
        {
            metadata.insert("annotations".to_owned(), serde_json::json!({ super::PUSHED: push }));
        }
        object
    }

    /// The objects of transport profiles.
    pub(super) fn profiles<'a>(&self, profiles: impl Iterator<Item = &'a Profile>) -> Vec<Value> {
        let all = match self {
            Self::Egress(egress) => Profiles::egress(&egress.gateway),
            Self::Ingress(ingress) => Profiles::ingress(&ingress.gateway),
        };
        profiles.map(|profile| all.object(profile)).collect()
    }
}
