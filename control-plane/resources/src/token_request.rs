//! `TokenRequest` (CS §4): asks for the one-time token with which an external system enrols. Nobody serves it yet (#7); the
//! type is here so that Kyma's manifests apply.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who asks; used with a central installation only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Context {
    /// Tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// The token. There as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The one-time token.
    pub token: String,
    /// The address, token included, where enrolment begins.
    pub url: String,
    /// Until when the token can be used, RFC 3339.
    pub expire_after: String,
    /// Name of the Application: the request's own name.
    pub application: String,
    /// `OK` or `Error`.
    pub state: String,
}
