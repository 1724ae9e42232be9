//! `ApplicationMapping` (NC §2): which namespaces may use which services of an Application. Nobody serves it yet; the type
//! is here so that Kyma's manifests apply.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which services of the Application of the same name are for this namespace. Absent: all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Spec {
    /// Absent: all services, also those to come. A list: exactly these. An empty list: none.
    // Decision 4.
    #[schemars(extend("nullable" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<Service>>,
}

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Service {
    /// The `id` that it has in the Application; one that nobody has is ignored.
    pub id: String,
}
