//! The ingress gateway: one mTLS listener. Whoever completes the handshake has a certificate of one of the accepted
//! CAs; which Application it is, and whether it may, is the plugin's matter (CV §3–6).

use std::{collections::BTreeMap, time::Duration};

use fairlead_wire::{
    config::{INGRESS, Mode},
    header::APPLICATION,
};
use serde_json::{Map, Value, json};

use crate::{
    Files, Gateway, IngressGateway, Pipeline, Profile, cluster, files, filter, json::extension,
    listener::Listener, route, sds, telemetry, upstream::Upstream,
};

/// All files of an ingress gateway. `profiles` (of sinks), without the plain one, become `xds/cds.json`; nothing else depends on them.
#[must_use]
pub fn ingress<'a>(gateway: &IngressGateway, profiles: impl IntoIterator<Item = &'a Profile>) -> Files {
    let common = &gateway.gateway;
    let upstream = Upstream::embedded(common);
    let mut fixed = cluster::parts(&upstream, &Profile::plain()).clusters;
    fixed.push(cluster::control(common));
    fixed.extend(telemetry::cluster(common));
    if let Pipeline::Identify(to) = gateway.pipeline {
        fixed.push(cluster::plain(cluster::IDENTIFY_CLUSTER, to));
    }
    let mut files = files::common(common, &upstream, &fixed, &[listener(gateway)], profiles);
    files.insert(sds::file(sds::SERVER), sds::pair(sds::SERVER, &gateway.server));
    files.insert(sds::file(sds::CLIENT_CA), sds::bundle(sds::CLIENT_CA, &gateway.client_ca));
    files
}

fn listener(gateway: &IngressGateway) -> Value {
    const NAME: &str = "ingress";
    let common = &gateway.gateway;
    let (mode, routes) = match gateway.pipeline {
        // Events have no time-out but idle (CV §6).
        Pipeline::Route => (Mode::Route, route::to_sinks(Duration::ZERO, common.settings.idle)),
        Pipeline::Identify(_) => {
            (Mode::Identify, vec![route::everything_to(cluster::IDENTIFY_CLUSTER, common.settings.idle)])
        }
    };
    let mut plugin = common.settings.plugin.clone();
    plugin.listeners = BTreeMap::from([(gateway.port, mode)]);
    let server_name = only_host(&common.settings.plugin.hosts);
    plugin.server_name_matched = server_name.is_some();
    Listener {
        name: NAME,
        port: gateway.port,
        codec: "AUTO",
        strip: &[APPLICATION],
        filters: filter::chain(common, INGRESS, &plugin),
        routes: route::configuration(NAME, &routes),
        more: manager(),
        tls: Some(tls(common)),
        server_name: server_name.as_deref(),
    }
    .render(common)
}

/// The one host that is served, if it is one: the listener then admits no other server name, in lower case as Envoy
/// compares them, and the plugin need not ask for it.
fn only_host(hosts: &[String]) -> Option<String> {
    match hosts {
        [host] if !host.contains('*') => Some(host.to_ascii_lowercase()),
        _ => None,
    }
}

/// XFCC is made of the handshake; whatever a client sent is gone (CV §2). Alternative names (`URI`, `DNS`) stay out of
/// it: Envoy copies them as they are, so that a comma or quote in one would look like another element, and nobody reads
/// them.
fn manager() -> Map<String, Value> {
    let fields = json!({
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": { "subject": true, "cert": true, "uri": false, "dns": false },
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn tls(gateway: &Gateway) -> Value {
    extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        json!({
            "require_client_certificate": true,
            "common_tls_context": {
                "tls_params": { "tls_minimum_protocol_version": "TLSv1_2" },
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificate_sds_secret_configs": [sds::reference(&gateway.directory, sds::SERVER)],
                "validation_context_sds_secret_config": sds::reference(&gateway.directory, sds::CLIENT_CA),
            },
        }),
    )
}
