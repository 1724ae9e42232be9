//! Fixed clusters: the control plane's feed by mTLS, and plain addresses that a route of our own names.

use std::net::SocketAddr;

use fairlead_wire::profile::CONTROL_CLUSTER;
use serde_json::{Value, json};

use super::{CONTROL_CONNECT, http_options};
use crate::{
    Gateway,
    json::{address, duration, extension},
    sds,
};

/// The control plane's health port, which answers `/v1/loglevel` (AG §17).
pub const HEALTH_CLUSTER: &str = "fairlead.health";
/// Where `identify` mode leads to.
pub const IDENTIFY_CLUSTER: &str = "fairlead.identify";

/// `fairlead.control`: the gateway shows its own certificate and pins the control plane's CA and name (design
/// decision 8). HTTP/2 where the control plane offers it, so that a long poll does not occupy a connection.
#[must_use]
pub fn control(gateway: &Gateway) -> Value {
    let control = &gateway.control;
    let mut cluster = fixed(CONTROL_CLUSTER, control.address);
    if let Some(cluster) = cluster.as_object_mut() {
        cluster.insert(
            "transport_socket".to_owned(),
            extension(
                "envoy.transport_sockets.tls",
                "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                json!({
                    "sni": control.server_name,
                    "common_tls_context": {
                        "tls_params": { "tls_minimum_protocol_version": "TLSv1_2" },
                        "tls_certificate_sds_secret_configs": [sds::reference(&gateway.directory, sds::CONTROL)],
                        "combined_validation_context": {
                            "default_validation_context": { "match_typed_subject_alt_names": [
                                { "san_type": "DNS", "matcher": { "exact": control.server_name } },
                            ] },
                            "validation_context_sds_secret_config":
                                sds::reference(&gateway.directory, sds::CONTROL_CA),
                        },
                    },
                }),
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
    fixed(name, to)
}

fn fixed(name: &str, to: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": duration(CONTROL_CONNECT),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(to) } }] }],
        },
    })
}
