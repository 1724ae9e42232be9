//! `EventActivation` (NC §3): a mark that events of an Application were asked for in a namespace. Nobody serves it, as in
//! Kyma since 1.19; the type is here so that its manifests apply.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What sends the events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Name of the Application.
    #[schemars(extend(
        "minLength" = 1,
        "maxLength" = 253,
        "pattern" = "^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$"
    ))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// Display name of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}
