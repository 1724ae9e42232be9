//! What should be in a gateway's namespace: rendered from configuration and from what changes while the process runs.

use std::{net::SocketAddr, sync::Arc};

use fairlead_model::ClientPair;
use fairlead_render::mesh::{self, MeshEgress, MeshGateway, MeshIngress, Module, Profiles};
use k8s_openapi::ByteString;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{object::Kind, profiles::Wanted};
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
            Self::Egress(_) => &[
                Kind::Telemetry,
                Kind::Secret,
                Kind::EnvoyFilter,
                Kind::VirtualService,
                Kind::Gateway,
                Kind::WasmPlugin,
            ],
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
            metadata.insert("annotations".to_owned(), json!({ super::PUSHED: push }));
        }
        object
    }

    /// The objects of transport profiles, and the Secrets of their client certificates.
    pub(super) fn profiles<'a>(&self, wanted: impl Iterator<Item = &'a Wanted>) -> Vec<Value> {
        let all = match self {
            Self::Egress(egress) => Profiles::egress(&egress.gateway),
            Self::Ingress(ingress) => Profiles::ingress(&ingress.gateway),
        };
        let of = |wanted: &Wanted| {
            let secret = wanted.client.as_deref().map(|client| self.client(client));
            secret.into_iter().chain([all.object(&wanted.profile)])
        };
        wanted.flat_map(of).collect()
    }

    fn client(&self, pair: &ClientPair) -> Value {
        let value = |pem: &str| json!(ByteString(pem.as_bytes().to_vec()));
        let (certificate, key) = (value(&pair.certificate_pem), value(pair.key_pem.expose_secret()));
        mesh::client_secret(self.gateway(), &pair.fingerprint, &certificate, &key)
    }

    fn gateway(&self) -> &MeshGateway {
        match self {
            Self::Egress(egress) => &egress.gateway,
            Self::Ingress(ingress) => &ingress.gateway,
        }
    }
}
