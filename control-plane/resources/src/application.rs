//! `Application`, `applicationconnector.kyma-project.io/v1alpha1`, with the fields of CV §9.3 and `spec.fairlead`
//! (decision 30). What the API server's schema demands is demanded here; everything else is compiled as upstream did.

mod fairlead;

use std::collections::BTreeMap;

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

/// `spec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_installation: Option<bool>,
    /// Certificates of the targets, token and CSRF endpoints are not verified (AG §7).
    pub skip_verify: bool,
    /// How the path towards targets is spelt (AG §5.1); `true` by default.
    pub encode_url: bool,
    /// Not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_label: Option<String>,
    /// With `group`: demanded as O of the client certificate (decision 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// With `tenant`: demanded as OU of the client certificate (decision 5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Who may call as this Application, if not a certificate with its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compass_metadata: Option<CompassMetadata>,
    /// What it offers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// Fairlead's additions.
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

/// `spec.compassMetadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompassMetadata {
    /// Not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    /// Who may call.
    pub authentication: Authentication,
}

/// `spec.compassMetadata.authentication`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Common names of client certificates; if there are any, the Application's own name does not count (CV §4.2).
    pub client_ids: Vec<String>,
}

/// `spec.services[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Shown in error texts.
    pub id: String,
    /// Shown in error texts.
    pub name: String,
    /// Normalised it is the second path segment of calls (AG §4).
    pub display_name: String,
    /// For people.
    pub provider_display_name: String,
    /// For people.
    pub description: String,
    /// APIs and events.
    pub entries: Vec<Entry>,
    /// Not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_description: Option<String>,
    /// Not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_create_parameter_schema: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// What an entry is. There are no other kinds: the schema refuses them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryType {
    /// Something to call.
    #[default]
    #[serde(rename = "API")]
    Api,
    /// Something that is sent; ignored on the way out.
    Events,
}

/// `spec.services[].entries[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// API or events.
    #[serde(rename = "type")]
    pub kind: EntryType,
    /// Normalised it is the third path segment of calls on port 8082. Absent is empty.
    #[serde(default)]
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where calls go. Absent is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target_url: String,
    /// Informative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub central_gateway_url: Option<String>,
    /// Informative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_url: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_type: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specification_url: Option<String>,
    /// Not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_label: Option<String>,
    /// Secret with headers and query parameters for every call (AG §10); empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_parameters_secret_name: String,
    /// How to authenticate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
}

/// `…entries[].credentials` (AG §8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// `Basic`, `OAuth`, `OAuthWithCert` or `CertificateGen`; anything else means no authentication.
    #[serde(rename = "type")]
    pub kind: String,
    /// The Secret that holds the credential.
    pub secret_name: String,
    /// Token endpoint. Absent is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub authentication_url: String,
    /// CSRF tokens are fetched (AG §9).
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

/// `…credentials.csrfInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsrfInfo {
    /// Where CSRF tokens come from; empty: nowhere.
    #[serde(rename = "tokenEndpointURL")]
    pub token_endpoint_url: String,
}
