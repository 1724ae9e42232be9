//! `spec.fairlead`: the one optional object that Fairlead adds to Kyma's schema (decision 30).

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::duration::Duration;

/// `spec.fairlead`. Unlike Kyma's part it refuses unknown fields, since a misspelt one would silently not protect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Fairlead {
    /// Secret whose `ca.crt` (or, without it, `tls.ca`) holds the CAs, PEM, that alone are believed for this Application's
    /// targets and token endpoints. `spec.skipVerify` goes before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_name: Option<String>,
    /// Limits of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// Which workloads may call (decision 38).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callers: Option<Callers>,
    /// Second attempt after a rejected grant (decision 22).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// Calls at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Where this Application's events go, if not where the installation's go (decision 12).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<Sink>,
    /// URL of a forward proxy towards targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// `spec.fairlead.timeouts` (decision 21).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Timeouts {
    /// Until response headers; `0s`: no limit. Absent: the installation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Duration>,
    /// Without progress in either direction; `0s`: no limit. Absent: the installation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
}

/// `spec.fairlead.replay`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Replay {
    /// Absent: the installation's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The largest request body that is kept for it, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_bytes: Option<u64>,
}

/// `spec.fairlead.callers`: `any`, `mapped`, or a list of namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Callers {
    /// Every workload.
    Any,
    /// Workloads of namespaces that an ApplicationMapping names.
    Mapped,
    /// Workloads of these namespaces.
    #[serde(untagged)]
    Namespaces(Vec<String>),
}

impl<'de> Deserialize<'de> for Callers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected `any`, `mapped` or a list of namespaces")]
        enum Spelling {
            Word(String),
            List(Vec<String>),
        }
        match Spelling::deserialize(deserializer)? {
            Spelling::Word(word) if word == "any" => Ok(Self::Any),
            Spelling::Word(word) if word == "mapped" => Ok(Self::Mapped),
            Spelling::Word(_) => Err(D::Error::custom("expected `any`, `mapped` or a list of namespaces")),
            Spelling::List(namespaces) => Ok(Self::Namespaces(namespaces)),
        }
    }
}

/// Where events go: exactly one of `publisher`, `cloudevents`, `nats` (decision 12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sink {
    /// URL of Kyma's event publisher: everything is forwarded unchanged.
    Publisher(String),
    /// URL that takes CloudEvents.
    Cloudevents(String),
    /// JetStream subject.
    Nats(String),
}
