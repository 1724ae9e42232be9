//! Fixed clusters: the control plane's feed by mTLS, and plain addresses that a route of our own names.

use std::{net::SocketAddr, time::Duration};

use fairlead_wire::profile::CONTROL_CLUSTER;
use serde_json::{Value, json};

use super::http_options;
use crate::{
    Gateway,
    json::{address, duration, extension},
    sds,
};

/// The control plane's health port, which answers `/v1/loglevel` (AG §17).
pub const HEALTH_CLUSTER: &str = "fairlead.health";
/// Where `identify` mode leads to.
pub const IDENTIFY_CLUSTER: &str = "fairlead.identify";

/// How long a connection to the control plane may take: it is near.
const CONTROL_CONNECT: Duration = Duration::from_secs(2);

/// `fairlead.control`: the gateway shows its own certificate and pins the control plane's CA and name (design
/// decision 8). HTTP/2 where the control plane offers it, so that a long poll does not occupy a connection.
#[must_use]
pub fn control(gateway: &Gateway) -> Value {
    let control = &gateway.control;
    let shown = sds::reference(&gateway.directory, sds::CONTROL);
    let pinned = |name: Value| {
        json!({ "combined_validation_context": {
            "default_validation_context": name,
            "validation_context_sds_secret_config": sds::reference(&gateway.directory, sds::CONTROL_CA),
        } })
    };
    to_control(&Endpoint::Address(control.address), &control.server_name, &shown, pinned)
}

/// The same, wherever the gateway runs: what it shows is the SDS secret `shown`; `pinned` gives the fields of the
/// `common_tls_context` that name the CA, for a validation context that demands the name.
pub(crate) fn to_control(
    to: &Endpoint<'_>,
    server_name: &str,
    shown: &Value,
    pinned: impl FnOnce(Value) -> Value,
) -> Value {
    let mut cluster = fixed(CONTROL_CLUSTER, to);
    let mut common = pinned(json!({ "match_typed_subject_alt_names": [
        { "san_type": "DNS", "matcher": { "exact": server_name } },
    ] }));
    if let Some(common) = common.as_object_mut() {
        common.insert("tls_params".to_owned(), json!({ "tls_minimum_protocol_version": "TLSv1_2" }));
        common.insert("tls_certificate_sds_secret_configs".to_owned(), json!([shown]));
    }
    if let Some(cluster) = cluster.as_object_mut() {
        cluster.insert(
            "transport_socket".to_owned(),
            extension(
                "envoy.transport_sockets.tls",
                "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                json!({ "sni": server_name, "common_tls_context": common }),
            ),
        );
        cluster.insert(
            "typed_extension_protocol_options".to_owned(),
            http_options(json!({ "auto_config": {
                "http_protocol_options": {},
                // A connection whose peer vanished is noticed, although a poll is quiet for long.
                "http2_protocol_options": { "connection_keepalive": { "interval": "10s", "timeout": "5s" } },
            } })),
        );
    }
    cluster
}

/// A plain HTTP/1.1 cluster of one address.
#[must_use]
pub fn plain(name: &str, to: SocketAddr) -> Value {
    fixed(name, &Endpoint::Address(to))
}

/// Where a fixed cluster leads to.
pub(crate) enum Endpoint<'a> {
    Address(SocketAddr),
    /// One address of a DNS name, asked for again and again; an address in place of a name is one. Never several at a
    /// time: each replica has an epoch of its own, and a view that is fetched page by page from several would begin anew with
    /// every page. The connection that is open stays, whatever the name says meanwhile.
    Name(&'a str, u16),
}

/// A cluster without transport socket.
pub(crate) fn fixed(name: &str, to: &Endpoint<'_>) -> Value {
    let (kind, address) = match to {
        Endpoint::Address(to) => ("STATIC", address(*to)),
        Endpoint::Name(host, port) => {
            ("LOGICAL_DNS", json!({ "socket_address": { "address": host, "port_value": port } }))
        }
    };
    json!({
        "name": name,
        "type": kind,
        "connect_timeout": duration(CONTROL_CONNECT),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}
