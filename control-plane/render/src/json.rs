//! Spellings of Protobuf JSON that several pieces need.

use std::{net::SocketAddr, path::Path, time::Duration};

use serde_json::{Value, json};

/// A `google.protobuf.Duration`: seconds with a fraction of milliseconds.
pub(crate) fn duration(value: Duration) -> String {
    match value.subsec_millis() {
        0 => format!("{}s", value.as_secs()),
        millis => format!("{}.{millis:03}s", value.as_secs()),
    }
}

/// An `envoy.config.core.v3.Address`.
pub(crate) fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

/// A path as Envoy's JSON takes it. Bytes outside UTF-8 become U+FFFD: Envoy will not find such a file and says so.
pub(crate) fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The directory that a file lies in.
pub(crate) fn parent(of: &Path) -> String {
    of.parent().map(path).unwrap_or_default()
}

/// A `google.protobuf.Any` of the message type `kind`, with these fields.
pub(crate) fn any(kind: &str, fields: Value) -> Value {
    let mut fields = fields;
    if let Value::Object(map) = &mut fields {
        map.insert("@type".to_owned(), Value::String(format!("type.googleapis.com/{kind}")));
    }
    fields
}

/// A named extension: `{name, typed_config}`.
pub(crate) fn extension(name: &str, kind: &str, fields: Value) -> Value {
    json!({ "name": name, "typed_config": any(kind, fields) })
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn json_duration_keeps_milliseconds() {
        assert_eq!(duration(Duration::from_secs(10)), "10s");
        assert_eq!(duration(Duration::from_millis(50)), "0.050s");
    }
}
