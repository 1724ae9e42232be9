//! What the clusters of all of a gateway's transport profiles have in common, made once a rendering.

use std::{net::SocketAddr, path::Path};

use serde_json::{Value, json};

use crate::{
    Gateway, Settings, forward_proxy, guard,
    mesh::{self, MeshGateway},
    sds,
};

pub(crate) struct Upstream<'a> {
    pub(crate) settings: &'a Settings,
    /// Addresses that are never targets.
    never: Vec<SocketAddr>,
    /// The one that the gateway's forward-proxy filter has.
    pub(crate) dns_cache: Value,
    secrets: Secrets<'a>,
    /// Calls are replayed here.
    pub(crate) replays: bool,
}

/// Where Envoy gets client certificates from.
enum Secrets<'a> {
    /// Files below this directory.
    Files(&'a Path),
    /// istiod, which reads the gateway's namespace.
    Mesh,
}

impl<'a> Upstream<'a> {
    pub(crate) fn embedded(gateway: &'a Gateway) -> Self {
        Self {
            settings: &gateway.settings,
            never: gateway.never(),
            dns_cache: forward_proxy::dns_cache(&gateway.settings.resolver),
            secrets: Secrets::Files(&gateway.directory),
            replays: false,
        }
    }

    pub(crate) fn mesh(gateway: &'a MeshGateway) -> Self {
        Self {
            settings: &gateway.settings,
            never: gateway.settings.never.clone(),
            dns_cache: mesh::dns_cache(&gateway.settings.resolver),
            secrets: Secrets::Mesh,
            replays: false,
        }
    }

    /// The same for a gateway that replays calls.
    pub(crate) fn replaying(self) -> Self {
        Self { replays: true, ..self }
    }

    /// The `SdsSecretConfig` of a client certificate.
    pub(crate) fn client(&self, fingerprint: &str) -> Value {
        match self.secrets {
            Secrets::Files(directory) => sds::client_reference(directory, fingerprint),
            Secrets::Mesh => json!({
                "name": format!("kubernetes://{}", mesh::client_secret_name(fingerprint)),
                "sds_config": { "ads": {}, "resource_api_version": "V3" },
            }),
        }
    }

    /// The guard as the upstream filter of a cluster whose hosts are single addresses.
    pub(crate) fn guard(&self) -> Value {
        guard::upstream(&self.settings.allow, &self.never)
    }
}
