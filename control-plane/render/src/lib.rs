//! Transport profiles and listeners as Envoy resources; pure (design decision 14).
//!
//! The control plane gives addresses, paths and limits ([`gateway`]) and the transport profiles that its resources
//! need ([`profile`]); out come the files that a plain Envoy reads at its start (`bootstrap.json`) and watches
//! afterwards (the others). Each piece of them is a function of its own, so that the same JSON can be wrapped into an
//! `EnvoyFilter`: [`cluster`], [`forward_proxy`], [`tunnel`], [`guard`], [`filter`], [`route`], [`headers`],
//! [`local_reply`].

pub mod bootstrap;
pub mod cluster;
mod egress;
mod files;
pub mod filter;
pub mod forward_proxy;
pub mod gateway;
pub mod guard;
pub mod headers;
mod health;
mod ingress;
mod json;
mod listener;
pub mod local_reply;
pub mod mesh;
pub mod profile;
pub mod route;
pub mod sds;
mod settings;
mod telemetry;
pub mod tunnel;
mod upstream;

use std::collections::BTreeMap;

use serde_json::Value;

pub use egress::egress;
pub use gateway::{Admin, Control, EgressGateway, Gateway, IngressGateway, Pair, Pipeline};
pub use ingress::ingress;
pub use profile::{Profile, Proxy, Trust};
pub use settings::{Resolver, Settings};

/// File name, relative to [`Gateway::directory`], and content. Names: `bootstrap.json`, `xds/cds.json`,
/// `xds/lds.json`, `sds/control.json`, `sds/control-ca.json` and for the ingress gateway `sds/server.json`,
/// `sds/client-ca.json`. Beside them lie the secrets of client certificates ([`sds::client`]), which must be there before
/// `xds/cds.json` names them. Write `bootstrap.json` last, and at later changes only files whose content differs, by rename.
/// Nothing else may be written in `xds` and `sds`, logs least of all: Envoy's main thread wakes for every write in a
/// directory that it watches (a log there that tells of such wake-ups feeds itself until the process hangs).
pub type Files = BTreeMap<String, Value>;
