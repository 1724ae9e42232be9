//! Listeners and what their connection managers have in common.

use std::{net::SocketAddr, path::Path, time::Duration};

use fairlead_wire::{config::PluginConfig, grant::WAIT_MS};
use serde_json::{Map, Value, json};

use crate::{
    Gateway, Settings, headers,
    json::{address, duration, extension, path},
    local_reply, telemetry,
};

/// Largest request header block, KiB, and number of header lines: what Go's server, the contract's model, accepts.
const MAX_REQUEST_HEADERS_KIB: u32 = 1024;
const MAX_HEADER_LINES: u32 = 1000;
/// What Envoy buffers of one connection before it stops reading.
const BUFFER: u32 = 1_048_576;

/// The plugin looks at the time five times a second.
const MARGIN: Duration = Duration::from_secs(1);

/// An HTTP listener.
pub(crate) struct Listener<'a> {
    /// Name of listener, route configuration and statistics.
    pub(crate) name: &'a str,
    pub(crate) port: u16,
    /// HTTP/1 only, or by ALPN.
    pub(crate) codec: &'static str,
    /// Headers of callers to drop beside the header table's.
    pub(crate) strip: &'a [&'a str],
    pub(crate) filters: Value,
    pub(crate) routes: Value,
    /// Fields of the connection manager that only this listener has.
    pub(crate) more: Map<String, Value>,
    /// Downstream TLS: transport socket.
    pub(crate) tls: Option<Value>,
    /// The only TLS server name that is admitted; any if there is none.
    pub(crate) server_name: Option<&'a str>,
}

impl Listener<'_> {
    pub(crate) fn render(self, gateway: &Gateway) -> Value {
        let mut manager = manager(gateway, self.name, self.codec, self.strip);
        if let Some(manager) = manager.as_object_mut() {
            manager.insert("http_filters".to_owned(), self.filters);
            manager.insert("route_config".to_owned(), self.routes);
            manager.extend(self.more);
        }
        let mut chain = Map::new();
        let mut listener_filters = Vec::new();
        if let Some(tls) = self.tls {
            // Without the inspector the plugin would not learn the server name.
            listener_filters.push(extension(
                "envoy.filters.listener.tls_inspector",
                "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
                json!({}),
            ));
            chain.insert("transport_socket".to_owned(), tls);
        }
        if let Some(name) = self.server_name {
            chain.insert("filter_chain_match".to_owned(), json!({ "server_names": [name] }));
        }
        chain.insert(
            "filters".to_owned(),
            json!([extension(
                "envoy.filters.network.http_connection_manager",
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                manager,
            )]),
        );
        json!({
            "name": self.name,
            "address": address(SocketAddr::new(gateway.bind, self.port)),
            "per_connection_buffer_limit_bytes": BUFFER,
            "listener_filters": listener_filters,
            "filter_chains": [chain],
        })
    }
}

/// What all connection managers have. Paths are treated as Istio's default `BASE` does (decision 20): dot segments
/// resolved, `//` and escaped slashes left alone.
fn manager(gateway: &Gateway, name: &str, codec: &str, strip: &[&str]) -> Value {
    let mut manager = everywhere(&gateway.settings, strip);
    if let (Some(manager), Value::Object(more)) = (
        manager.as_object_mut(),
        json!({
            "stat_prefix": name,
            "codec_type": codec,
            "use_remote_address": true,
            "normalize_path": true,
            "merge_slashes": false,
            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            "access_log": access_log(gateway.settings.access_log.as_deref()),
        }),
    ) {
        manager.extend(more);
        if gateway.settings.traces.is_some() {
            manager.extend(telemetry::tracing(&gateway.node));
        }
    }
    manager
}

/// The fields that a connection manager has wherever the gateway runs; in a mesh the others are the mesh's.
pub(crate) fn everywhere(settings: &Settings, strip: &[&str]) -> Value {
    let plugin = &settings.plugin;
    json!({
        "early_header_mutation_extensions": headers::early_mutation(strip),
        "generate_request_id": false,
        "preserve_external_request_id": true,
        "server_header_transformation": "PASS_THROUGH",
        // HTTP/2 targets see the scheme that is really spoken to them, not the caller's.
        "scheme_header_transformation": { "match_upstream": true },
        "stream_idle_timeout": duration(undecided(settings.idle, plugin)),
        "request_headers_timeout": duration(settings.request_headers_timeout),
        "request_timeout": "0s",
        "max_request_headers_kb": MAX_REQUEST_HEADERS_KIB,
        "common_http_protocol_options": {
            "idle_timeout": duration(settings.keep_alive),
            "max_headers_count": MAX_HEADER_LINES,
        },
        // Any method (AG §3), and trailers (AG §12), both of which Envoy would not let pass by itself.
        "http_protocol_options": {
            "accept_http_10": true,
            "default_host_for_http_10": nameless(plugin),
            "allow_custom_methods": true,
            "enable_trailers": true,
        },
        // As for any edge.
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        "local_reply_config": local_reply::config(),
    })
}

/// How long a stream may be quiet before it has a route to a target, whose own idle time-out holds from then on: longer
/// than the plugin ever holds a request. When a VM dies the requests that it held have nobody else to answer them.
fn undecided(idle: Duration, plugin: &PluginConfig) -> Duration {
    let held = Duration::from_millis(u64::from(plugin.hold_ms) + u64::from(WAIT_MS));
    idle.min(held + MARGIN)
}

/// The authority of a request without one, which only HTTP/1.0 permits: one that is ours.
fn nameless(plugin: &PluginConfig) -> &str {
    let ours = plugin.hosts.iter().find(|host| !host.contains('*'));
    ours.map_or("localhost", String::as_str)
}

/// A JSON line per request. Queries and headers may hold credentials and are not written.
pub(crate) fn access_log(file: Option<&Path>) -> Value {
    let Some(file) = file else { return json!([]) };
    json!([extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        json!({
            "path": path(file),
            "log_format": { "json_format": {
                "time": "%START_TIME%",
                "method": "%REQ(:METHOD)%",
                "authority": "%REQ(:AUTHORITY)%",
                "path": "%PATH(NQ:PATH)%",
                "status": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                "reason": "%RESP(x-fairlead-reason)%",
                "received": "%BYTES_RECEIVED%",
                "sent": "%BYTES_SENT%",
                "duration_ms": "%DURATION%",
                "profile": "%UPSTREAM_CLUSTER_RAW%",
                "upstream": "%UPSTREAM_HOST%",
            } },
        }),
    )])
}
