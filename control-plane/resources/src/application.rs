//! `Application`, `applicationconnector.kyma-project.io/v1alpha1`, with the fields of CV §9.3 and `spec.fairlead`
//! (decision 30). What the API server's schema demands is demanded here; everything else is compiled as upstream did.
//!
//! The doc comments of fields are what `kubectl explain` shows, so they are written for whoever writes an Application; where
//! a rule comes from stands in ordinary comments. [`crd`](crate::crd) makes the schema of these types.

mod fairlead;
pub mod status;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use fairlead::{Callers, Fairlead, Replay, Sink, Timeouts};

use crate::Metadata;

/// `apiVersion` of an Application.
pub const API_VERSION: &str = "applicationconnector.kyma-project.io/v1alpha1";

/// A system outside the cluster, and the APIs that it offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name is the first path segment of calls, and the common name of its client certificate.
    pub metadata: Metadata,
    /// Absent means: no services.
    #[serde(default)]
    pub spec: Spec,
}

/// What the external system is called, who may call in its name, and what it offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_display_name: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long_description: Option<String>,
    /// Shown as `INSTALLATION_SKIPPED` in the status, for tools that ask for it; calls go all the same, since nothing is
    /// installed per Application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_installation: Option<bool>,
    /// Certificates of the targets, token and CSRF endpoints are not verified. Absent means `false`.
    // AG §7.
    pub skip_verify: bool,
    /// How the path towards targets is spelt: `true` decodes and encodes it anew, `false` sends it as the caller spelt it.
    // AG §5.1.
    #[schemars(extend("x-fairlead-default" = true))]
    pub encode_url: bool,
    /// Deprecated, without effect.
    #[schemars(extend("maxLength" = 63, "pattern" = "^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_label: Option<String>,
    /// If `group` is set too, client certificates must have this as their organization (O).
    // Decision 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// If `tenant` is set too, client certificates must have this as their organizational unit (OU).
    // Decision 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// For people and catalogues.
    #[schemars(extend("nullable" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// For people and catalogues.
    #[schemars(extend("nullable" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Who may call as this Application, if not a certificate with its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compass_metadata: Option<CompassMetadata>,
    /// What it offers. Two services whose display names become the same path segment cannot be told apart: calls of both
    /// are refused, and the condition `NamesUnique` says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// What Fairlead adds to Kyma's fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fairlead: Option<Fairlead>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            description: None,
            display_name: None,
            provider_display_name: None,
            long_description: None,
            skip_installation: None,
            skip_verify: false,
            encode_url: true,
            access_label: None,
            tenant: None,
            group: None,
            labels: None,
            tags: None,
            compass_metadata: None,
            services: Vec::new(),
            fairlead: None,
        }
    }
}

/// Who may call as this Application, as the Compass director says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompassMetadata {
    /// The director's id of the Application; without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    /// Who may call.
    pub authentication: Authentication,
}

/// Who may call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Common names of client certificates that are accepted. If there are any, the Application's own name does not count.
    // CV §4.2.
    pub client_ids: Vec<String>,
}

/// An API with one or several entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Shown in error texts.
    pub id: String,
    /// Shown in error texts.
    pub name: String,
    /// The second path segment of calls, once normalised: lower-case letters, digits and `-`. The status shows the result.
    // AG §4.
    pub display_name: String,
    /// For people.
    pub provider_display_name: String,
    /// For people.
    pub description: String,
    /// Where calls go.
    pub entries: Vec<Entry>,
    /// The external system's own name for it; without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Deprecated; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_description: Option<String>,
    /// JSON schema of parameters, for catalogues; without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_create_parameter_schema: Option<String>,
    /// Deprecated; for people and catalogues.
    #[schemars(extend("nullable" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Deprecated; for people and catalogues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// What an entry is. There are no other kinds: the schema refuses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EntryType {
    /// Something to call.
    #[default]
    #[serde(rename = "API")]
    Api,
    /// Something that is sent; ignored on the way out.
    Events,
}

/// One target of calls, or a kind of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `API`: something to call. `Events`: something that the external system sends.
    #[serde(rename = "type")]
    pub kind: EntryType,
    /// The third path segment of calls on port 8082, once normalised like the service's name. Absent is empty.
    #[serde(default)]
    pub name: String,
    /// For tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where calls go: an `http` or `https` URL, whose path and query every call gets. Absent is empty, which cannot be called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target_url: String,
    /// What the tool that wrote this takes for the address to call; informative. The status shows the real one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub central_gateway_url: Option<String>,
    /// Deprecated; informative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_url: Option<String>,
    /// For people and catalogues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_type: Option<String>,
    /// For people and catalogues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specification_url: Option<String>,
    /// Deprecated, without effect.
    #[schemars(extend("maxLength" = 63, "pattern" = "^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_label: Option<String>,
    /// Secret whose `headers` and `queryParameters` every call gets; empty: none.
    // AG §10.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_parameters_secret_name: String,
    /// How to authenticate; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
}

/// How to authenticate towards the target.
// AG §8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// `Basic`, `OAuth`, `OAuthWithCert` or `CertificateGen`; anything else means no authentication.
    #[serde(rename = "type")]
    pub kind: String,
    /// The Secret that holds the credential.
    pub secret_name: String,
    /// Token endpoint of `OAuth` and `OAuthWithCert`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub authentication_url: String,
    /// Where to fetch CSRF tokens, if the target demands them.
    // AG §9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf_info: Option<CsrfInfo>,
}

impl Credentials {
    /// Whether all fields are empty, which is the same as no credentials at all (AG §4).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
            && self.secret_name.is_empty()
            && self.authentication_url.is_empty()
            && self.csrf_endpoint().is_none()
    }

    /// The CSRF token endpoint, if one is set.
    #[must_use]
    pub fn csrf_endpoint(&self) -> Option<&str> {
        self.csrf_info.as_ref().map(|csrf| csrf.token_endpoint_url.as_str()).filter(|url| !url.is_empty())
    }
}

/// Where to fetch CSRF tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CsrfInfo {
    /// URL that answers with a token; empty: none.
    #[serde(rename = "tokenEndpointURL")]
    pub token_endpoint_url: String,
}
