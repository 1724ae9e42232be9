//! `status` of an Application: written by the leading control plane, read by people, `kubectl` and scripts.
//!
//! `installationStatus` is Kyma's (NC §4.3); the rest is ours. A tool may add conditions of its own types: the list is
//! merged by type, and Fairlead touches its own types only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of the Application.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// What scripts written for Kyma wait for.
    // NC §4.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installation_status: Option<InstallationStatus>,
    /// Generation of the spec that the status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and one condition for each kind of problem; a condition that is `True` is good.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How many services the spec has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_count: Option<u32>,
    /// Services as they are called: what differs from the spec is the spelling of names. Very many are not all listed.
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceStatus>,
}

/// Kyma's word for an Application that is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstallationStatus {
    /// `deployed`, or `INSTALLATION_SKIPPED`.
    pub status: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One aspect, in the form of `metav1.Condition`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    #[schemars(extend(
        "maxLength" = 316,
        "pattern" = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
    ))]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: ConditionStatus,
    /// Generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0))]
    pub observed_generation: Option<i64>,
    /// When `status` last became different, RFC 3339.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// The cause in one word.
    #[schemars(extend("minLength" = 1, "maxLength" = 1024, "pattern" = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,
    /// The cause, and what to do.
    #[schemars(extend("maxLength" = 32768))]
    pub message: String,
}

/// Whether an aspect is as it should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody knows yet.
    #[default]
    Unknown,
}

/// How a service is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceStatus {
    /// Its segment of the path: the display name, normalised.
    pub name: String,
    /// What a workload calls. Absent where several entries make that ambiguous: each then has its own address only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its API entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub entries: Vec<EntryStatus>,
}

/// How an entry is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntryStatus {
    /// Its segment of the path: the name, normalised.
    pub name: String,
    /// What a workload calls.
    pub url: String,
    /// Why calls are answered with an error instead of going to the target, in the word that stands in these answers.
    /// Absent: they go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}
