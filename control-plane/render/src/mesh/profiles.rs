//! Transport profiles: one small `EnvoyFilter` each, so that a new one writes one object and the others stay as they are.

use serde_json::{Value, json};

use super::{
    MeshGateway,
    envoy_filter::{cluster, envoy_filter, listener},
    object::{CLIENT_LABEL, PROFILE_LABEL, object},
};
use crate::{Profile, cluster::parts, upstream::Upstream};

/// The objects of one gateway's transport profiles.
pub struct Profiles<'a> {
    gateway: &'a MeshGateway,
    upstream: Upstream<'a>,
}

impl<'a> Profiles<'a> {
    /// Of the egress gateway.
    #[must_use]
    pub fn egress(gateway: &'a MeshGateway) -> Self {
        Self { gateway, upstream: Upstream::mesh(gateway).replaying() }
    }

    /// Of the ingress gateway.
    #[must_use]
    pub fn ingress(gateway: &'a MeshGateway) -> Self {
        Self { gateway, upstream: Upstream::mesh(gateway) }
    }

    /// The object of a profile, named by it; applies to this gateway's pods only. A private CA is part of it: a CA is no
    /// secret. A client certificate is not; its Secret ([`client_secret_name`]) must be there before. The object's size
    /// is that of the CA's Secret, which the API server bounds, twice if the profile is pinned, and 8 KB.
    #[must_use]
    pub fn object(&self, profile: &Profile) -> Value {
        let parts = parts(&self.upstream, profile);
        let mut patches: Vec<Value> = parts.clusters.into_iter().map(cluster).collect();
        patches.extend(parts.listeners.into_iter().map(listener));
        let mut object = envoy_filter(self.gateway, &profile_object_name(&profile.id), &patches);
        if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.insert(PROFILE_LABEL.to_owned(), json!(profile.id));
            labels.extend(profile.client.iter().map(|client| (CLIENT_LABEL.to_owned(), json!(client))));
        }
        object
    }
}

/// Name of a profile's object.
#[must_use]
pub fn profile_object_name(id: &str) -> String {
    id.replace('.', "-")
}

/// The Secret with a client certificate, in the gateway's namespace and nowhere else; values in base64.
#[must_use]
pub fn client_secret(gateway: &MeshGateway, fingerprint: &str, certificate: &Value, key: &Value) -> Value {
    let mut secret = object("v1", "Secret", gateway, &client_secret_name(fingerprint), &Value::Null);
    if let Some(fields) = secret.as_object_mut() {
        fields.remove("spec");
        fields.insert("type".to_owned(), json!("kubernetes.io/tls"));
        fields.insert("data".to_owned(), json!({ "tls.crt": certificate, "tls.key": key }));
    }
    if let Some(labels) = secret.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.insert(CLIENT_LABEL.to_owned(), json!(fingerprint));
    }
    secret
}

/// Name of the Secret with a client certificate, in the gateway's namespace; keys `tls.crt` and `tls.key`.
#[must_use]
pub fn client_secret_name(fingerprint: &str) -> String {
    format!("fairlead-client-{fingerprint}")
}
