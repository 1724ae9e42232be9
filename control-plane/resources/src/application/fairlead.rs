//! `spec.fairlead`: the one optional object that Fairlead adds to Kyma's schema (decision 30).

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::duration::Duration;

/// What Fairlead adds to Kyma's fields; all of it optional.
// Unlike Kyma's part it refuses unknown fields, since a misspelt one would silently not protect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Fairlead {
    /// Secret whose `ca.crt` (or, without it, `tls.ca`) holds the CAs, PEM, that alone are believed for this Application's
    /// targets, token and CSRF endpoints. With `spec.skipVerify: true` none is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_name: Option<String>,
    /// Limits of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<Timeouts>,
    /// Which workloads may call: `any`, `mapped` (those of namespaces that an ApplicationMapping names), or a list of
    /// namespaces. It is checked and stored; every workload may call until it comes into force.
    // Decision 38.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callers: Option<Callers>,
    /// Second attempt after the target rejected a token or CSRF token of ours. Basic credentials, client certificates and a
    /// caller's own `Access-Token` have nothing to renew and are never repeated.
    // Decision 22.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The most calls of this Application at a time, in each worker of the gateway: further ones get 503 and `Retry-After` at
    /// once, so that a target that hangs takes nothing from others. 0: no limit. Absent: the installation's.
    #[schemars(range(max = 1_000_000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Where this Application's events go, if not where the installation's go.
    // Decision 12.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<Sink>,
    /// HTTP proxy (`CONNECT`) in front of targets, token and CSRF endpoints: `http://host:port`, without user name and
    /// password; or `none`, if the installation has one that shall not be used. Names are resolved by the proxy. Absent: the
    /// installation's.
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self == 'none' || (isURL(self) && url(self).getScheme() == 'http' && url(self).getHostname() != '')",
        "message": "must be none or http://host:port",
    }]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// Limits of a call.
// Decision 21.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Timeouts {
    /// Until response headers, tokens that are fetched for the call apart; `0s`: no limit. Absent: the installation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<Duration>,
    /// Without progress in either direction; `0s`: no limit. In force is the next longer one of 30s, 2m, 5m, 15m, 1h and no
    /// limit. Absent: the installation's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
}

/// Second attempt after the target rejected a token or CSRF token of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Replay {
    /// Absent: the installation's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The largest request body that is kept for it, bytes: calls with larger ones are not repeated, the next call has the
    /// new token. Absent: the installation's.
    #[schemars(range(max = 16_777_216))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_bytes: Option<u64>,
}

/// Which workloads may call: `any`, `mapped`, or a list of namespaces.
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
            Spelling::List(namespaces) if namespaces.iter().all(|name| is_namespace(name)) => {
                Ok(Self::Namespaces(namespaces))
            }
            Spelling::List(_) => Err(D::Error::custom("one of the list is not the name of a namespace")),
        }
    }
}

/// RFC 1123 §2.1, as Kubernetes has it.
fn is_namespace(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=63).contains(&name.len())
        && name.bytes().all(|b| plain(b) || b == b'-')
        && [name.bytes().next(), name.bytes().next_back()].into_iter().flatten().all(plain)
}

impl JsonSchema for Callers {
    fn schema_name() -> Cow<'static, str> {
        "Callers".into()
    }

    /// A word or a list, which a structural schema cannot say by `type`. What is neither is reported when it is read.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-preserve-unknown-fields": true})
    }
}

/// Where events go: exactly one of `publisher`, `cloudevents`, `nats`.
// Decision 12.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.publisher), has(self.cloudevents), has(self.nats)].filter(set, set).size() == 1",
    "message": "set exactly one of publisher, cloudevents and nats",
}]))]
pub enum Sink {
    /// URL of Kyma's event publisher: everything is forwarded unchanged.
    Publisher(String),
    /// URL that takes CloudEvents. Not in force yet.
    Cloudevents(String),
    /// JetStream subject. Not in force yet.
    Nats(String),
}
